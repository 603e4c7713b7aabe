"""AutoGluon alone, in a process of its own, for `make bench-equal-time`: best_quality for so many seconds."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from autogluon.tabular import TabularPredictor


def main(folder: Path) -> None:
    """Fit train.parquet as how.json says; write predicted.npy (n_test, n_outputs), models.json and leaderboard.csv."""
    how = json.loads((folder / "how.json").read_text(encoding="utf-8"))
    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    if how["logs"]:
        train[how["target"]] = np.log1p(train[how["target"]])
    predictor = TabularPredictor(
        how["target"], problem_type=how["problem_type"], eval_metric=how["eval_metric"], path=str(folder / "predictor")
    )
    predictor.fit(train, presets="best_quality", time_limit=how["seconds"])
    np.save(folder / "predicted.npy", _predicted(predictor, test, how))
    board = predictor.leaderboard()
    board.to_csv(folder / "leaderboard.csv", index=False)
    (folder / "models.json").write_text(json.dumps(list(board["model"])), encoding="utf-8")
    shutil.rmtree(folder / "predictor")


def _predicted(predictor: TabularPredictor, test: pd.DataFrame, how: dict[str, Any]) -> np.ndarray:
    """Return values (n_test, 1), or probabilities (n_test, n_classes), which are 1 for a label where labels count."""
    if how["problem_type"] == "regression":
        values = predictor.predict(test).to_numpy(float)[:, None]
        return np.expm1(values) if how["logs"] else values
    if how["labels"]:
        found = predictor.predict(test).astype(str).to_numpy()[:, None] == np.array(how["classes"])
        assert (found.sum(axis=1) == 1).all(), "AutoGluon predicts labels that are none of the classes"
        return found.astype(float)
    probabilities = predictor.predict_proba(test)
    by_name = probabilities.set_axis([str(label) for label in probabilities], axis=1)
    return by_name.reindex(columns=how["classes"], fill_value=0.0).to_numpy(float)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
