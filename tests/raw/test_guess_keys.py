"""`pipeline new`: by what rows are known, the id and the columns by which other files are joined to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from committed import ROOT

from pipeline.config import Competition, load_competition
from pipeline.errors import ConfigError
from pipeline.raw.guess_keys import joined
from pipeline.raw.sheet import Sheet, parse
from pipeline.raw.source import Text
from pipeline.scaffold import scaffold
from pipeline.workspace import Workspace

IDS = list(range(1, 61))


def table(header: str, *columns) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]) + "\n"


def scaffolded(folder: Path, files: Mapping[str, str]) -> tuple[Competition, str]:
    """Return the facts that are written for CSV files of these names, and what was found."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    for name, text in files.items():
        (raw / f"{name}.csv").write_text(text)
    made = scaffold("shop", raw, folder / "experiments")
    return load_competition(Workspace(experiments=folder / "experiments"), "shop"), "\n".join(made.findings)


SHOPS = {
    "train": table("shop,day,a,y", [1, 1, 2, 2], [1, 2, 1, 2], [5, 6, 7, 8], [1.5, 2.5, 3.5, 4.5]),
    "test": table("shop,day,a", [1, 2], [3, 3], [5, 9]),
}


@pytest.mark.parametrize("ids", ["1_3,0\n2_3,0\n", "2_3,0\n1_3,0\n"])
def test_an_id_made_up_of_columns_is_found(tmp_path, ids):
    facts, said = scaffolded(tmp_path, SHOPS | {"sample_submission": f"key,y\n{ids}"})
    assert (facts.id, facts.id_from) == ("key", ["shop", "day"])
    assert "made up of shop, day" in said


@pytest.mark.parametrize("first", [0, 1])
def test_rows_without_an_id_that_the_sample_counts(tmp_path, first):
    counted = list(range(first, first + 60))
    files = {"train": table("a,y", IDS, IDS), "test": table("a", IDS)}
    facts, said = scaffolded(tmp_path, files | {"sample_submission": table("ImageId,y", counted, [0] * 60)})
    assert (facts.id, facts.id_from) == ("ImageId", first)
    assert f"the number of the row, from {first} on" in said


def test_fractions_are_no_ids(tmp_path):
    """Without a sample a feature would be taken for the id, and lost."""
    amounts = [f"{i}.25" for i in IDS]
    with pytest.raises(ConfigError, match="there is no id") as caught:
        scaffolded(tmp_path, {"train": table("a,b,y", amounts, IDS, IDS), "test": table("a,b", amounts, [1] * 60)})
    assert "id_from = 0" in caught.value.hint


def test_an_id_whose_parts_may_stand_in_any_order_is_refused(tmp_path):
    """Every pair of numbers is there both ways: only the order of the sample's rows can tell which is meant."""
    grid = [(a, b) for a in range(3) for b in range(3)]
    files = {"train": table("home,away,y", *zip(*grid, strict=True), range(9))}
    files["test"] = table("home,away", *zip(*grid, strict=True))
    in_order, reordered = [f"{b}_{a}" for a, b in grid], [f"{a}_{b}" for a, b in reversed(grid)]
    facts, _ = scaffolded(tmp_path / "one", files | {"sample_submission": table("key,y", in_order, [0] * 9)})
    assert facts.id_from == ["away", "home"]
    with pytest.raises(ConfigError, match="in several ways: home_away or away_home"):
        scaffolded(tmp_path / "other", files | {"sample_submission": table("key,y", reordered, [0] * 9)})


def test_a_file_that_counts_its_own_rows_is_not_joined_by_them_and_one_that_is_no_table_is_told(tmp_path):
    days = [i % 7 for i in IDS]
    files = {"train": table("id,day,y", IDS, days, [i / 7 for i in IDS]), "test": table("id,day", IDS, days)}
    files["weather"] = table("id,day,rain", range(1, 8), range(7), range(7))
    files["notes"] = "some words, and\nmore, of, them\n"
    facts, said = scaffolded(tmp_path, files)
    assert facts.tables == {"weather.csv": ["day"]}
    assert "notes.csv: not read (notes.csv, line 2: found 3 fields" in said


@pytest.mark.parametrize(
    ("text", "on", "said"),
    [
        ("shop,city\n1,x\n2,y\n", ["shop"], "joined by shop (brings city)"),
        ("day,shop,rain\n1,1,0\n2,1,3\n3,1,0\n1,2,5\n2,2,4\n3,2,0\n", ["day", "shop"], "joined by day, shop"),
        ("shop,city\n1,x\n1,y\n2,z\n", None, "not joined"),
        ("shop,city\n7,x\n8,y\n", None, "not joined"),
        ("city,size\na,x\nb,y\n", None, None),
        ("shop,day,a,y\n1,9,5,2.5\n2,9,3,1.5\n", None, None),
    ],
    ids=["one column", "two columns", "several rows a key", "other keys", "nothing shared", "labelled rows"],
)
def test_files_beside_train_are_joined_where_they_have_a_row_for_each_key(tmp_path, text, on, said):
    facts, findings = scaffolded(tmp_path, SHOPS | {"sample_submission": "key,y\n1_3,0\n2_3,0\n", "other": text})
    assert facts.tables == ({"other.csv": on} if on else {})
    assert (f"other.csv: {said}" in findings) if said else ("other.csv" not in findings)


def test_walmarts_files_are_understood(tmp_path):
    raw = ROOT / "data" / "walmart-recruiting-store-sales-forecasting" / "raw"
    if not raw.is_dir():
        pytest.skip(f"{raw} is not there")
    scaffold("walmart", raw, tmp_path)
    facts = load_competition(Workspace(experiments=tmp_path), "walmart")
    assert (facts.id, facts.id_from, facts.time) == ("Id", ["Store", "Dept", "Date"], "Date")
    assert facts.tables == {"stores.csv": ["Store"], "features.csv": ["Store", "Date"]}


def test_a_file_with_rows_for_train_alone_is_not_joined() -> None:
    def sheet(text: str) -> Sheet:
        return parse(Text("file.csv", text.encode()))

    train, test = sheet("id,k,y\n1,a,1\n2,b,2\n"), sheet("id,k\n3,c\n4,d\n")
    assert joined(sheet("k,v\na,1\nb,2\n"), train, test, "id") is None
    found = joined(sheet("k,v\na,1\nb,2\nc,3\n"), train, test, "id")
    assert found is not None
    assert found.on == ("k",)
    by_other_than_its_own_count = joined(sheet("id,k,v\n1,a,1\n2,b,2\n3,c,3\n4,d,4\n"), train, test, "id")
    assert by_other_than_its_own_count is not None
    assert by_other_than_its_own_count.on == ("k",)
