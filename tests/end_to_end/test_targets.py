"""A competition that asks for several numbers a row: from its files to a submission, a report and a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit import audit_stages
from shop import Call, Shop, ran

from pipeline.files import read_json

SLUG = "parts"
QUICK = """
minutes = 5
[split]
n_folds = 3
[models.linear]
epochs = 300
[models.mlp]
hidden = [16]
n_seeds = 1
epochs = 40
batch_size = 16
lr = { tune = "loguniform", low = 1e-2, high = 1e-1 }
[models.ridge]
[models.lightgbm]
rounds = 30
lr = 0.2
[tune]
trials = 2
"""

ALL = """
[split]
n_folds = 3
[models.linear]
epochs = 60
[models.ridge]
refit = true
[models.catboost]
rounds = 20
[pseudo]
[ensemble]
kind = "stack"
[submit]
clip = "train"
round = 0.5
"""
POSTPROCESS = """
def postprocess(predictions, rows):
    assert predictions.shape == (len(rows), 2)
    return predictions + 1000
"""


def write_files(raw: Path, n_train: int = 150, n_test: int = 50) -> pd.DataFrame:
    """Write train, test and sample of parts whose width and weight are asked for; return the truth of test."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"id": np.arange(n_train + n_test), "a": rng.normal(size=n_train + n_test)})
    rows["b"], rows["steel"] = rng.normal(size=len(rows)), rng.choice(["soft", "hard"], len(rows))
    rows["width"] = 5 + rows["a"] + 0.1 * rng.normal(size=len(rows))
    rows["weight"] = np.exp(
        3 + rows["b"] - rows["a"] / 2 + (rows["steel"] == "hard") + 0.1 * rng.normal(size=len(rows))
    )
    raw.mkdir(parents=True)
    rows[:n_train].to_csv(raw / "train.csv", index=False)
    test = rows[n_train:].reset_index(drop=True)
    test.drop(columns=["width", "weight"]).to_csv(raw / "test.csv", index=False)
    test[["id", "weight", "width"]].assign(weight=0.0, width=0.0).to_csv(raw / "sample_submission.csv", index=False)
    return test


@pytest.fixture(autouse=True)
def folder(shop: Shop, call: Call) -> Path:
    """The competition's folder of experiments, as `pipeline new` has made it, with a quick one beside."""
    write_files(shop.folder / "data" / SLUG / "raw")
    assert "target: weight, width" in ran(call, "new", SLUG, "--metric", "mcrmse")
    folder = shop.folder / "experiments" / SLUG
    (folder / "quick.toml").write_text(QUICK)
    return folder


def test_every_target_is_predicted_judged_and_submitted(shop: Shop, call: Call) -> None:
    ran(call, "holdout", SLUG, "--fraction", "0.3")
    held = f"{SLUG}-holdout"
    said = ran(call, "run", held, "-e", "quick")
    assert all(name in said for name in ("linear", "mlp", "mlp-tuned", "ridge", "lightgbm"))
    (path,) = (shop.folder / "submissions" / held).glob("quick-[!s]*.csv")
    made = pd.read_csv(path)
    assert list(made.columns) == ["id", "weight", "width"]
    train = pd.read_csv(shop.folder / "data" / SLUG / "raw" / "train.csv").set_index("id").loc[made["id"]]
    off = made.set_index("id")[["weight", "width"]] - train[["weight", "width"]]
    assert (off**2).mean().div(train[["weight", "width"]].var()).max() < 0.3
    provenance = read_json(path.with_suffix(".json"))
    cv, columns = provenance["cv"]["cv_score"], np.sqrt((off**2).mean())
    assert 0.5 < cv / columns.mean() < 2
    assert "quick" in ran(call, "show", held)
    assert "expected" in ran(call, "score", held, "-e", "quick")
    ran(call, "report", held, "-e", "quick")


def test_stack_refit_pseudo_labels_and_postprocess_know_every_target(
    shop: Shop, call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "all.toml").write_text(ALL)
    (folder / "postprocess.py").write_text(POSTPROCESS)
    opened = audit_stages(monkeypatch, roots=[shop.folder / "data", shop.folder / "experiments"])
    ran(call, "run", SLUG, "-e", "all")
    assert {"train[ridge refit]", "nested[catboost]", "ensemble"} <= opened.keys()
    (path,) = (shop.folder / "submissions" / SLUG).glob("all-[!s]*.csv")
    made = pd.read_csv(path)
    assert made[["weight", "width"]].min().min() > 900
    assert (made["weight"] / 0.5 % 1 == 0).all()
    test = shop.folder / "data" / SLUG / "raw" / "test.csv"
    ran(call, "predict", SLUG, str(test), "-e", "all", "--out", str(shop.folder / "again.csv"))
    assert (shop.folder / "again.csv").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("[models.autogluon]", "[models.autogluon] knows one target only, but competition.toml lists 2: weight, width"),
        ('[models.linear]\n[extra]\nfiles = ["train.csv"]', "[extra] knows one target only"),
        ('[models.linear]\n[split]\nkind = "stratified"', "a stratified split spreads one target over the folds"),
    ],
)
def test_what_knows_one_target_only_is_refused_with_what_to_do(
    call: Call, folder: Path, section: str, said: str
) -> None:
    (folder / "quick.toml").write_text(section)
    done = call("run", SLUG, "-e", "quick")
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())


def test_a_sample_of_other_columns_than_the_targets_is_refused(shop: Shop, call: Call) -> None:
    sample = shop.folder / "data" / SLUG / "raw" / "sample_submission.csv"
    sample.write_text(sample.read_text().replace("width", "breadth", 1))
    done = call("run", SLUG, "-e", "quick")
    assert "found the columns weight, breadth beside the id, expected weight, width" in done.stdout + done.stderr
