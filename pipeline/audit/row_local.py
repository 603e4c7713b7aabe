"""Does every function of features.py say of a row what it says among other rows, in a process that saw none before?

Beyond what each run checks (pipeline/features.py) it finds values that a function keeps from an earlier call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.audit._finding import Finding
from pipeline.errors import FeatureError
from pipeline.seeds import derive
from pipeline.targets import names_of

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.engine.stage import Job

READS = ("features",)
N_BATCHES, BATCH = 3, 8


def check(features: Job) -> list[Finding]:
    """Apply every function, from its file loaded anew, to a few rows alone; compare with the cached columns."""
    found = []
    for label, folder in features.inputs.items():
        name = label.removeprefix("feature:")
        if name == label:
            continue
        for part in ("train", "test"):
            said = _differs(features, name, folder, part)
            if said:
                todo = "use a row's own values only, and keep nothing from call to call: no globals, no caches"
                found.append(Finding("leak", "a feature depends on other rows", f"features.py: {name}()", said, todo))
                break
    return found


def _differs(features: Job, name: str, folder: Any, part: str) -> str:
    """Return what the contract says of the first few rows that come out otherwise; nothing where all are the same."""
    import pandas as pd

    made, rows = pd.read_parquet(folder / f"{part}.parquet"), _rows(features, part)
    rng = np.random.default_rng(derive(0, "row local", name, part))
    for _ in range(N_BATCHES if len(rows) else 0):
        chosen = rng.choice(len(rows), min(BATCH, len(rows)), replace=False)
        try:
            _compare(features, name, rows, made, chosen, part)
        except FeatureError as error:
            return str(error)
    return ""


def _compare(features: Job, name: str, rows: pd.DataFrame, made: pd.DataFrame, chosen: np.ndarray, part: str) -> None:
    from pathlib import Path

    from pipeline.engine import plugins
    from pipeline.engine.stage import Plugin
    from pipeline.features import apply_feature, compare

    fresh = plugins.load(Plugin("competition_features_anew", Path(features.sources["features"])))
    few = rows.iloc[chosen].reset_index(drop=True)
    alone = apply_feature(getattr(fresh, name), name, few, f"{len(chosen)} rows of {part}")
    compare(made.iloc[chosen].reset_index(drop=True), alone, name, chosen, part)


def _rows(features: Job, part: str) -> pd.DataFrame:
    """Return what a function is shown: the columns that train and test share, without the target."""
    import pandas as pd

    shown = {p: pd.read_parquet(features.inputs["ingest"] / f"{p}.parquet") for p in ("train", "test")}
    names = [
        name for name in shown["train"] if name in shown["test"] and name not in names_of(features.config["target"])
    ]
    return shown[part][names]
