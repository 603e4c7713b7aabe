"""The stage ingest on good files: what it reads, which kinds the columns have, and what it notes."""

from __future__ import annotations

import gzip
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from intake import FACTS, SAMPLE, TEST, TRAIN, run, take_in

from pipeline.errors import DataError
from pipeline.raw.labels import spell_labels
from pipeline.raw.sheet import parse
from pipeline.raw.source import Text

ROOT = Path(__file__).resolve().parents[2]


def test_types_are_decided_on_train_and_test_together(tmp_path):
    train = "id,whole,gap,late,half,code,flag,gappy,day,word,y\n1,3,1,7,0.5,007,True,True,2020-01-31,x,1\n"
    train += "2,4,,8,1,010,False,,2021-02-28,y,2\n"
    test = "id,whole,gap,late,half,code,flag,gappy,day,word\n3,5,2,,2,11,TRUE,false,2022-12-01,z\n"
    made = take_in(tmp_path, train, test, "id,y\n3,0\n")
    assert made.train.dtypes.drop(["id", "y"]).equals(made.test.dtypes.drop("id"))
    dtypes = made.train.dtypes.astype(str).to_dict()
    assert dtypes == {
        "id": "int64",
        "whole": "int64",
        "gap": "float64",
        "late": "float64",
        "half": "float64",
        "code": "object",
        "flag": "bool",
        "gappy": "boolean",
        "day": "datetime64[ns]",
        "word": "object",
        "y": "float64",
    }
    assert made.train["code"].tolist() == ["007", "010"]
    assert made.test["flag"].tolist() == [True]
    assert np.isnan(made.train["gap"][1])
    assert made.kinds["code"] == "categorical"
    assert made.kinds["gappy"] == "boolean"


def test_missing_words_are_those_of_pandas(tmp_path):
    made = take_in(tmp_path, "id,b,y\n1,NA,1\n2,None,2\n3,x,3\n", "id,b\n4,null\n", "id,y\n4,0\n")
    assert made.train["b"].isna().tolist() == [True, True, False]
    described = made.schema["columns"][0]
    assert (described["missing_train"], described["missing_test"]) == (2, 1)


def test_a_class_called_none_is_a_label(tmp_path):
    made = take_in(
        tmp_path, "id,a,y\n1,0,None\n2,1,Flu\n", "id,a\n3,1\n", "id,y\n3,None\n", task="binary", submission="label"
    )
    assert made.schema["classes"] == ["Flu", "None"]
    assert made.train["y"].tolist() == ["None", "Flu"]


def test_the_positive_class_is_the_last_one(tmp_path):
    train, test, sample = "id,a,y\n1,3,alive\n2,4,dead\n", "id,a\n3,5\n", "id,y\n3,0.5\n"
    facts = {"task": "binary", "metric": "auc", "submission": "probability"}
    assert take_in(tmp_path, train, test, sample, **facts, positive="alive").schema["classes"] == ["dead", "alive"]


def test_number_classes_are_in_the_order_of_numbers(tmp_path):
    train = "id,a,y\n" + "".join(f"{row},0,{row}\n" for row in range(12))
    made = take_in(tmp_path, train, "id,a\n3,1\n", "id,y\n3,1\n", task="multiclass", submission="label")
    assert made.schema["classes"] == [str(label) for label in range(12)]


def test_overrides(tmp_path):
    train = "id,kind,size,when,note,extra,y\n1,20,1,20200101,a,5,1\n2,30,?,20200102,b,6,2\n"
    test = "id,kind,size,when,note\n3,20.0,4,20200103,c\n"
    columns = {"categorical": ["kind"], "numeric": ["size"], "date": ["when"], "text": ["note"], "drop": ["extra"]}
    made = take_in(tmp_path, train, test, "id,y\n3,0\n", columns=columns)
    assert made.train["kind"].tolist() == ["20", "30"]
    assert made.test["kind"].tolist() == ["20"]
    assert made.train["when"].dt.day.tolist() == [1, 2]
    assert made.kinds == {"kind": "categorical", "size": "numeric", "when": "date", "note": "text"}
    assert any("'?'" in note for note in made.facts["notes"])


def test_many_distinct_strings_are_text(tmp_path):
    rows = range(300)
    train = "id,name,town,y\n" + "".join(f"{row},person {row},town {row % 120},1\n" for row in rows)
    made = take_in(tmp_path, train, "id,name,town\n999,someone,town 3\n", "id,y\n999,0\n")
    assert made.kinds == {"name": "text", "town": "categorical"}


def test_facts_say_which_bytes_were_read(tmp_path):
    made = take_in(tmp_path)
    files = made.facts["files"]
    assert files["train"]["bytes"] == len(TRAIN)
    assert files["train"]["rows"] == 3
    assert len(files["test"]["sha256"]) == 64


def test_same_files_give_the_same_bytes(tmp_path):
    written = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        take_in(folder)
        written.append({file.name: file.read_bytes() for file in (folder / "out").iterdir()})
    assert written[0] == written[1]


def pack(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return path


def gzipped(folder: Path) -> Path:
    path = folder / "train.csv.gz"
    path.write_bytes(gzip.compress(TRAIN.encode()))
    return path


def misnamed(folder: Path) -> Path:
    return pack(folder / "packed.csv", train_csv=TRAIN.encode())


def a_member_of_many(folder: Path) -> Path:
    return pack(folder / "all.zip", train_csv=TRAIN.encode(), test_csv=TEST.encode()) / "train.csv"


def a_zip_in_a_zip(folder: Path) -> Path:
    inner = pack(folder / "train.csv.zip", train_csv=TRAIN.encode())
    return pack(folder / "all.zip", train_csv_zip=inner.read_bytes(), test_csv=TEST.encode()) / "train.csv.zip"


@pytest.mark.parametrize("packed", [gzipped, misnamed, a_member_of_many, a_zip_in_a_zip])
def test_packed_files(tmp_path, packed):
    (tmp_path / "plain").mkdir()
    plain = take_in(tmp_path / "plain")
    made = run(tmp_path, {"train": packed(tmp_path), "test": tmp_path / "plain" / "test.csv"}, FACTS)
    pd.testing.assert_frame_equal(made.train, plain.train)


def test_without_a_sample_its_form_comes_from_the_facts(tmp_path):
    train = "id,a,y\n1,0,cat\n2,1,dog\n"
    made = take_in(tmp_path, train, "id,a\n7,1\n", None, task="binary", submission="probabilities")
    assert made.sample.to_dict("list") == {"id": [7], "cat": [0.5], "dog": [0.5]}


@pytest.mark.parametrize("prefix", ["", "Status_"])
def test_columns_of_classes(tmp_path, prefix):
    train = "id,a,y\n1,0,D\n2,1,CL\n3,1,C\n"
    sample = f"id,{prefix}C,{prefix}D,{prefix}CL\n4,1,0,0\n"
    made = take_in(tmp_path, train, "id,a\n4,1\n", sample, task="multiclass", submission="probabilities")
    assert made.schema["class_columns"] == {"C": f"{prefix}C", "CL": f"{prefix}CL", "D": f"{prefix}D"}
    assert made.schema["classes"] == ["C", "CL", "D"]


def test_columns_of_classes_that_are_spelled_otherwise(tmp_path):
    train, sample = "id,a,y\n1,0,1.0\n2,1,2.0\n3,1,10.0\n", "id,1,2,10\n4,0,0,0\n"
    made = take_in(tmp_path, train, "id,a\n4,1\n", sample, task="multiclass", submission="probabilities")
    assert made.schema["class_columns"] == {"1.0": "1", "2.0": "2", "10.0": "10"}


def test_a_sample_without_labels_leaves_the_classes_as_they_are_spelled(tmp_path):
    train = TRAIN.replace("1.5", "yes").replace("2.5", "no").replace("3.5", "no")
    made = take_in(tmp_path, train, sample="id,y\n4,\n5,\n", task="binary", metric="accuracy", submission="label")
    assert made.sample["y"].isna().all()
    assert spell_labels(made.schema["classes"], made.sample["y"]) == ["no", "yes"]


def test_a_column_that_folds_are_made_by_is_kept_where_test_has_it_too(tmp_path: Path) -> None:
    made = take_in(tmp_path, time="a")
    assert made.schema["only_in_train"] == []
    assert {"a", "b"} == made.kinds.keys()
    assert not any("not as a feature" in note for note in made.facts["notes"])


def test_a_sample_in_another_order_is_noted_and_kept(tmp_path):
    made = take_in(tmp_path, sample="id,y\n5,0\n4,0\n")
    assert made.sample["id"].tolist() == [5, 4]
    assert made.sample.index.tolist() == ["5", "4"]
    assert any("another order" in note for note in made.facts["notes"])


def test_ids_may_be_shared_by_train_and_test(tmp_path):
    made = take_in(tmp_path, test=TEST.replace("\n4", "\n1"), sample=SAMPLE.replace("\n4", "\n1"))
    assert made.test["id"].tolist() == [1, 5]


def test_string_ids_stay_as_they_are(tmp_path):
    train, test, sample = TRAIN.replace("\n1,", "\n0001_01,"), TEST, SAMPLE
    made = take_in(tmp_path, train, test, sample)
    assert made.train["id"].tolist() == ["0001_01", "2", "3"]
    assert made.test["id"].tolist() == ["4", "5"]


def test_rows_without_a_target_are_left_out_loudly(tmp_path):
    made = take_in(tmp_path, TRAIN.replace("2.5", ""))
    assert made.train["id"].tolist() == [1, 3]
    assert made.schema["n_train"] == 2
    assert "1 rows have no y" in made.facts["warnings"][0]


def test_a_target_in_test_is_not_read(tmp_path):
    made = take_in(tmp_path, test="id,a,b,y\n4,5,red,9\n5,6,,9\n")
    assert "y" not in made.test
    assert "holds the target" in made.facts["warnings"][0]


def test_time_and_groups_may_be_only_in_train(tmp_path):
    train = "id,a,firm,y\n1,3,x,1\n2,4,y,2\n"
    made = take_in(tmp_path, train, "id,a\n3,1\n", "id,y\n3,0\n", groups="firm")
    assert made.train["firm"].tolist() == ["x", "y"]
    assert made.kinds == {"a": "numeric"}
    assert [(column["name"], column["kind"]) for column in made.schema["only_in_train"]] == [("firm", "categorical")]


def test_columns_that_only_train_has_are_read_as_stated(tmp_path):
    train = "id,a,when,y\n1,3,03.02.2020,1\n2,4,13.02.2020,2\n"
    made = take_in(tmp_path, train, "id,a\n3,1\n", "id,y\n3,0\n", time="when", columns={"date": ["when"]})
    assert made.train["when"].dt.day.tolist() == [3, 13]


@pytest.mark.parametrize(("old", "new"), [(",", ";"), (",", "\t"), ("\n", "\r"), ("\n", "\r\n"), ("\n", "\n\n")])
def test_other_separators_and_line_ends(tmp_path, old, new):
    made = take_in(tmp_path, TRAIN.replace(old, new), TEST, SAMPLE)
    assert made.train["a"].tolist()[:2] == [3, 4]
    assert bool(made.facts["notes"]) == (new in (";", "\t", "\r"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encodings(tmp_path, encoding):
    made = take_in(tmp_path, TRAIN.replace("blue", "bleuté").encode(encoding))
    assert made.train["b"][1] == "bleuté"
    assert bool(made.facts["notes"]) == (encoding in ("cp1252", "utf-16"))


def test_quoted_fields_may_hold_anything(tmp_path):
    made = take_in(tmp_path, TRAIN.replace("blue", '"say ""hi"", then\nleave"'))
    assert made.train["b"][1] == 'say "hi", then\nleave'


def test_a_header_may_be_broken_over_lines_or_lack_a_name(tmp_path):
    made = take_in(tmp_path, TRAIN.replace("id,a,b", '\n\nid,"a\nx",'), TEST.replace("id,a,b", 'id,"a\nx",'))
    assert made.train["a\nx"].tolist()[:2] == [3, 4]
    assert made.kinds["Unnamed: 2"] == "categorical"
    assert any("without a name" in note for note in made.facts["notes"])


COLUMNS = {  # numeric, boolean, date, categorical, text
    "house-prices-advanced-regression-techniques": (35, 0, 0, 44, 0),
    "titanic": (5, 0, 0, 2, 3),
    "spaceship-titanic": (6, 2, 0, 2, 2),
    "mercedes-benz-greener-manufacturing": (368, 0, 0, 8, 0),
    "playground-series-s4e4": (7, 0, 0, 1, 0),
    "otto-group-product-classification-challenge": (93, 0, 0, 0, 0),
}
SLOW = {"otto-group-product-classification-challenge": pytest.mark.slow}


@pytest.mark.parametrize("slug", [pytest.param(slug, marks=SLOW.get(slug, ())) for slug in COLUMNS])
def test_real_competitions(tmp_path, slug):
    raw = ROOT / "data" / slug / "raw"
    facts = tomllib.loads((ROOT / "experiments" / slug / "competition.toml").read_text()) | {"slug": slug}
    sources = {role: raw / name for role, name in facts["files"].items()}
    if not all(source.is_file() for source in sources.values()):
        pytest.skip(f"{raw} is not there: Kaggle's files are not part of the repository")
    made = run(tmp_path, sources, facts)
    kinds = list(made.kinds.values())
    found = tuple(kinds.count(kind) for kind in ("numeric", "boolean", "date", "categorical", "text"))
    assert found == COLUMNS[slug]
    for role in ("train", "test"):
        plain = pd.read_csv(sources[role], nrows=1000)
        rows = getattr(made, role)[:1000]
        other = [facts["target"], *facts.get("columns", {}).get("categorical", [])]
        for column in plain.select_dtypes("number").columns.difference(other):
            np.testing.assert_array_equal(rows[column].to_numpy(), plain[column].to_numpy())
        assert rows.isna().sum().sum() == plain[rows.columns].isna().sum().sum()
    assert not made.facts["warnings"]


@pytest.mark.parametrize("sample", ["id,y\n5.0,0\n4.0,0\n", None])
def test_the_sample_keeps_the_text_of_its_ids_beside_what_they_are(tmp_path: Path, sample: str | None) -> None:
    test = "id,a,b\n5.0,5,red\n4.0,6,\n"
    found = take_in(tmp_path, test=test, sample=sample, train=TRAIN.replace("4,blue", "5,blue")).sample
    assert found["id"].tolist() == [5, 4]
    assert found.index.tolist() == ["5.0", "4.0"]


@pytest.mark.parametrize(("header", "kept"), [(",y", ["", "y"]), ("Unnamed: 0 ,y", ["Unnamed: 0 ", "y"])])
def test_the_sample_keeps_the_text_of_its_header(tmp_path: Path, header: str, kept: list[str]) -> None:
    train, test = TRAIN.replace("id,", ","), TEST.replace("id,", ",")
    made = take_in(tmp_path, train, test, SAMPLE.replace("id,y", header), id="Unnamed: 0")
    assert made.schema["sample_header"] == kept
    assert made.sample.columns.tolist() == ["Unnamed: 0", "y"]


def test_there_may_be_no_column_but_the_id_and_the_target(tmp_path: Path) -> None:
    made = take_in(tmp_path, "id,y\n1,1.5\n2,2.5\n3,3.5\n", "id\n4\n5\n")
    assert made.train.to_dict("list") == {"id": [1, 2, 3], "y": [1.5, 2.5, 3.5]}
    assert made.test.to_dict("list") == {"id": [4, 5]}


@pytest.mark.parametrize(("header", "columns"), [("id;a, m2;y", ["id", "a, m2", "y"]), ("id,y;z|x", ["id", "y;z|x"])])
def test_a_separator_may_stand_in_a_name_of_the_header(header: str, columns: list[str]) -> None:
    assert parse(Text("train.csv", f"{header}\n".encode() + header.encode())).columns == columns


def test_a_ragged_second_line_does_not_change_the_separator() -> None:
    with pytest.raises(DataError, match="line 2: found 3 fields, expected 2"):
        parse(Text("train.csv", b"id,text\n1,hello, world\n2,b\n"))


@pytest.mark.parametrize("name", ["Action|Comedy|Drama", '"Which of these; a; b; c"'])
def test_separators_in_a_name_that_no_row_has_separate_nothing(name: str) -> None:
    assert parse(Text("train.csv", f"id,{name}\n1,0\n".encode())).columns == ["id", name.strip('"')]


def test_decimal_commas_are_read_where_semicolons_separate(tmp_path: Path) -> None:
    train = "id;a;b;y\n1;3,25;1,2;0,5\n2;;x;1\n3;-4;1;2,75\n"
    made = take_in(tmp_path, train, 'id,a,b\n4,5.5,"1,2"\n5,6,x\n')
    assert made.train["a"].tolist() == pytest.approx([3.25, np.nan, -4], nan_ok=True)
    assert made.train["y"].tolist() == [0.5, 1, 2.75]
    assert made.kinds == {"a": "numeric", "b": "categorical"}
    assert "train.csv: decimal commas are read as points in a, y" in made.facts["notes"]


def test_decimal_commas_may_begin_or_end_a_number_or_have_an_exponent(tmp_path: Path) -> None:
    made = take_in(tmp_path, "id;a;y\n1;1,2E-05;1\n2;,5;2\n3;3,;3\n", "id;a\n4;-4,5e1\n5;7\n")
    assert made.train["a"].tolist() == [1.2e-05, 0.5, 3]
    assert made.test["a"].tolist() == [-45, 7]


def test_commas_in_quotes_are_no_decimal_commas(tmp_path: Path) -> None:
    made = take_in(tmp_path, 'id,a,y\n1,"1,2",0\n2,"2,3",1\n', 'id,a\n4,"1,2"\n5,"1,2"\n')
    assert made.kinds == {"a": "categorical"}
