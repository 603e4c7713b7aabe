"""A competition that asks for several numbers a row: from its files to a submission, a report and a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shop import Call, Shop, ran

from pipeline.files import read_json

SLUG = "parts"
QUICK = """
minutes = 5
[split]
n_folds = 3
[models.linear]
epochs = 40
[models.mlp]
hidden = [16]
n_seeds = 1
epochs = 20
lr = { tune = "loguniform", low = 1e-2, high = 1e-1 }
[models.ridge]
[models.lightgbm]
rounds = 30
lr = 0.2
[tune]
trials = 2
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


@pytest.fixture
def truth(shop: Shop, call: Call) -> pd.DataFrame:
    test = write_files(shop.folder / "data" / SLUG / "raw")
    said = ran(call, "new", SLUG)
    assert "target: weight, width" in said
    (shop.folder / "experiments" / SLUG / "quick.toml").write_text(QUICK)
    return test


def test_every_target_is_predicted_and_judged(shop: Shop, call: Call, truth: pd.DataFrame) -> None:
    ran(call, "run", SLUG, "-e", "quick")
    (path,) = (shop.folder / "submissions" / SLUG).glob("quick*.csv")
    made = pd.read_csv(path)
    assert list(made.columns) == ["id", "weight", "width"]
    for name in ("weight", "width"):
        assert np.corrcoef(made[name], truth[name])[0, 1] > 0.9
    provenance = read_json(path.with_suffix(".json"))
    assert provenance["metric"] in ("rmse", "rmsle")
