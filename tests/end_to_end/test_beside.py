"""A competition with files beside train and test, and an id made up of columns: from its files to new rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit import audit_stages
from shop import Call, Shop, ran

SLUG = "sales"
QUICK = """
minutes = 5
[split]
kind = "time"
n_folds = 3
[models.ridge]
penalty = 0.1
[models.lightgbm]
rounds = 40
lr = 0.2
stop_on = "none"
[extra]
files = ["older.csv"]
"""
FEATURE = "def per_seat(rows):\n    return rows['size'] / rows['seats']\n"


@pytest.fixture
def raw(shop: Shop, call: Call) -> Path:
    """The raw folder of a competition that `pipeline new` has made: sales that depend on what stands in other files."""
    raw, rng = shop.folder / "data" / SLUG / "raw", np.random.default_rng(0)
    raw.mkdir(parents=True)
    shops = pd.DataFrame(
        {"shop": range(1, 13), "size": rng.normal(50, 10, 12).round(1), "seats": rng.integers(1, 9, 12)}
    )
    days = pd.date_range("2021-01-01", periods=40).strftime("%Y-%m-%d")
    weather = pd.DataFrame([(n, day) for n in shops["shop"] for day in days], columns=["shop", "day"])
    weather["rain"] = rng.exponential(size=len(weather)).round(2)
    sales = weather.merge(shops).sample(frac=0.8, random_state=0).sort_values(["day", "shop"])
    sales["sold"] = (sales["size"] - 5 * sales["rain"] + rng.normal(size=len(sales))).round(2)
    train, test = sales[sales["day"] < days[30]], sales[sales["day"] >= days[30]]
    train[["shop", "day", "sold"]].to_csv(raw / "train.csv", index=False)
    test[["shop", "day"]].to_csv(raw / "test.csv", index=False)
    ids = [f"{shop}_{day}" for shop, day in zip(test["shop"], test["day"], strict=True)]
    pd.DataFrame({"key": ids, "sold": 0.0}).to_csv(raw / "sample_submission.csv", index=False)
    shops.to_csv(raw / "shops.csv", index=False)
    weather.to_csv(raw / "weather.csv", index=False)
    train.head(30).assign(sold=lambda own: own["sold"] + 0.5)[["shop", "day", "sold"]].to_csv(
        raw / "older.csv", index=False
    )
    said = ran(call, "new", SLUG)
    assert "key (first column of the sample, made up of shop, day)" in said
    folder = shop.folder / "experiments" / SLUG
    (folder / "quick.toml").write_text(QUICK)
    (folder / "features.py").write_text(FEATURE)
    return raw


def test_new_says_how_files_are_joined_and_leaves_labelled_ones_alone(shop: Shop, raw: Path) -> None:
    facts = (shop.folder / "experiments" / SLUG / "competition.toml").read_text()
    assert '"shops.csv" = ["shop"]' in facts
    assert '"weather.csv" = ["shop", "day"]' in facts
    assert "older.csv" not in facts
    assert (raw / "older.csv").is_file()


def test_joined_columns_are_learnt_from_held_out_and_predicted_with(
    shop: Shop, call: Call, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(call, "holdout", SLUG, "--how", "time")
    held = f"{SLUG}-holdout"
    opened = audit_stages(monkeypatch, roots=[shop.folder / "data", shop.folder / "experiments"])
    assert "older.csv lacks" not in ran(call, "run", held, "-e", "quick")  # it was joined as well
    readers = {name for name, files in opened.items() if any(path.name == "shops.csv" for path in files)}
    assert readers == {"ingest"}
    (path,) = (shop.folder / "submissions" / held).glob("quick-[!s]*.csv")
    made = pd.read_csv(path).set_index("key")["sold"]
    known = pd.read_csv(raw / "train.csv")
    truth = known.set_index(known["shop"].astype(str) + "_" + known["day"])["sold"].loc[made.index]
    assert np.corrcoef(made, truth)[0, 1] > 0.9  # without size and rain nothing could be told
    test = shop.folder / "data" / held / "raw" / "test.csv"
    ran(call, "predict", held, str(test), "-e", "quick", "--out", str(shop.folder / "again.csv"))
    assert (shop.folder / "again.csv").read_bytes() == path.read_bytes()
    assert "no leak" in " ".join(ran(call, "audit", held, "-e", "quick").split()).lower()

    new = pd.read_csv(test).assign(shop=lambda own: own["shop"] + 98).drop(columns="key")
    new.to_csv(shop.folder / "new.csv", index=False)
    said = ran(call, "predict", SLUG, str(shop.folder / "new.csv"), "-e", "quick", "--out", str(shop.folder / "n.csv"))
    assert f"shops.csv: {len(new)} of {len(new)} rows of new.csv have no row there" in " ".join(said.split())
    assert pd.read_csv(shop.folder / "n.csv")["key"].iloc[0] == f"{new['shop'].iloc[0]}_{new['day'].iloc[0]}"


def test_another_cell_of_such_a_file_runs_ingest_again(call: Call, raw: Path) -> None:
    ran(call, "preprocess", SLUG, "-e", "quick")
    text = (raw / "shops.csv").read_text()
    (raw / "shops.csv").write_text(text.replace("\n1,", "\n13,", 1))
    planned = call("plan", SLUG, "-e", "quick").stdout
    assert "table shops.csv" in " ".join(planned.split())
    (raw / "shops.csv").write_text(text + text.splitlines()[1] + "\n")
    done = call("ingest", SLUG, "-e", "quick")
    assert done.returncode == 2
    assert "shops.csv, line 14: a second row with shop = 1" in " ".join((done.stdout + done.stderr).split())
    (raw / "shops.csv").unlink()
    done = call("ingest", SLUG, "-e", "quick")
    assert "shops.csv does not exist" in " ".join((done.stdout + done.stderr).split())


def test_the_order_of_tables_is_a_part_of_the_run(shop: Shop, call: Call, raw: Path) -> None:
    """The first of two tables with one column gives it, so that another order is another ingest."""
    for name, value in (("one", 1), ("two", 2)):
        rows = "".join(f"{n},{value * n}\n" for n in range(1, 13))
        (raw / f"{name}.csv").write_text(f"shop,rank\n{rows}")
    path = shop.folder / "experiments" / SLUG / "competition.toml"
    facts = path.read_text()

    def state_of_ingest(first: str, second: str) -> str:
        tables = f'[tables]\n"{first}.csv" = ["shop"]\n"{second}.csv" = ["shop"]\n'
        path.write_text(facts.replace("[tables]", tables, 1))
        (line,) = (
            line for line in call("plan", SLUG, "-e", "quick").stdout.splitlines() if line.startswith(" ingest ")
        )
        return line.split()[1]

    path.write_text(facts)
    state_of_ingest("one", "two")
    ran(call, "ingest", SLUG, "-e", "quick")
    assert state_of_ingest("one", "two") == "cached"
    assert state_of_ingest("two", "one") == "run"
