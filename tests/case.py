"""Runs the stage preprocess, and feature functions alone, on raw columns of every sort."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from pipeline.engine.stage import Job
from pipeline.files import read_json, read_table, write_json
from pipeline.metrics import accuracy, rmse, rmsle
from pipeline.stages import preprocess
from pipeline.types import Metric

METRICS = {"rmse": rmse, "rmsle": rmsle, "accuracy": accuracy}
N_TRAIN, N_TEST = 60, 30
KINDS = {
    "rooms": "numeric",
    "area": "numeric",
    "one": "numeric",
    "same as rooms": "numeric",
    "empty": "numeric",
    "garage": "boolean",
    "sold": "date",
    "street": "categorical",
    "street again": "categorical",
    "code": "categorical",
    "name": "text",
}


def raw(part: str) -> pd.DataFrame:
    n, start = (N_TRAIN, 1) if part == "train" else (N_TEST, 1_001)
    rng = np.random.default_rng(start)
    street = np.array(["paved", "gravel", None], dtype=object)[rng.integers(0, 3, n)]
    frame = pd.DataFrame(
        {
            "id": np.arange(start, start + n),
            "rooms": rng.integers(1, 9, n),
            "area": rng.lognormal(5, 1, n),
            "one": 1,
            "empty": np.nan,
            "garage": pd.array(np.where(rng.random(n) < 0.2, None, rng.random(n) < 0.5), dtype="boolean"),
            "sold": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "street": street,
            "street again": street,
            "code": rng.choice(["10", "9", "100"], n),
            "name": [f"{part} {k}" for k in range(n)],
        }
    )
    frame["same as rooms"] = frame["rooms"]
    if part == "train":
        return frame.assign(price=rng.lognormal(12, 0.4, n), block=rng.integers(0, 9, n))
    frame.loc[3, "area"] = np.nan
    frame.loc[5, "code"] = "7"
    return frame


class Case:
    """A competition in a temporary folder; `frames` and `facts` may be changed before `run`."""

    def __init__(self, folder):
        self.folder = folder
        self.frames = {part: raw(part) for part in ("train", "test")}
        self.facts = {"task": "regression", "id": "id", "target": "price", "metric": "rmse", "columns": {}}
        self.kinds = dict(KINDS)
        self.classes: list[str] = []
        self.options = {"drop_constant": True, "drop_duplicate": True}
        self.features: dict[str, object] = {}

    def run(self, name: str = "out"):
        inputs = {"ingest": self._ingest()}
        for label, function in self.features.items():
            inputs[f"feature:{label}"] = self.feature(function, label)
        job = self._job(
            name, self.facts | {"preprocess": self.options}, inputs, {"metric": METRICS[self.facts["metric"]]}
        )
        self.returned = preprocess.run(job)
        self.report = read_json(job.out / "report.json")
        self.table = read_table(job.out, Metric.from_module(METRICS[self.facts["metric"]]))
        return self.table

    def feature(self, function, label: str = "made"):
        plugin = SimpleNamespace(**{label: function})
        config = {"function": label, "target": self.facts["target"], "id": self.facts["id"]}
        job = self._job(f"feature {label}", config, {"ingest": self._ingest()}, {"feature": plugin})
        preprocess.run_feature(job)
        return job.out

    def _ingest(self):
        folder = self.folder / "ingest"
        folder.mkdir(exist_ok=True)
        for part, frame in self.frames.items():
            frame.to_parquet(folder / f"{part}.parquet", index=False)
        columns = [{"name": name, "kind": kind} for name, kind in self.kinds.items()]
        write_json(folder / "schema.json", {"columns": columns, "classes": self.classes})
        return folder

    def _job(self, name, config, inputs, plugins):
        out = self.folder / name
        out.mkdir()
        log = SimpleNamespace(info=lambda _text: None, warn=lambda _text: None)
        return Job(config, inputs, {}, plugins, out, self.folder, 0, log)
