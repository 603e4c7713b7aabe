"""split of pairs: a model that trains on the rows outside two folds predicts both, as a model of neither's labels.

A stacker that is judged on fold k learns from predictions of the other folds' rows. The ordinary ones were made by
models that have seen k's labels, and a stacker makes use of that: where k's labels are high, the others' predictions
are a little high, too. A row of fold j is therefore predicted by the model of the pair (j, k). Every pair serves two
folds, so that n_folds (n_folds - 1) / 2 more fits nest all of them.
Source of nesting: Wolpert 1992, "Stacked generalization"; Cawley and Talbot 2010, "On over-fitting in model selection".
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from pipeline.engine.stage import Job
from pipeline.files import read_folds, read_json, target_of, write_folds
from pipeline.nested.rounds import Pair, rounds
from pipeline.seeds import derive
from pipeline.splitters._rows import Rows
from pipeline.stages.split import stop_rows
from pipeline.types import STOP, TRAIN, UNUSED, VALID, Folds

LIBRARIES = ("numpy", "pandas", "pyarrow", "pydantic")


def run(job: Job) -> dict[str, Any]:
    """Write folds.safetensors with the folds of `pair_folds`.

    config: seed, and options, the splitter's own, by which stopping rows are chosen.
    """
    known = pd.read_parquet(job.inputs["preprocess"] / "rows.parquet")
    groups, time = (known[name].to_numpy() if name in known else None for name in ("groups", "time"))
    n_classes = len(read_json(job.inputs["preprocess"] / "task.json")["classes"])
    rows, splitter = Rows(target_of(known), n_classes, groups, time), job.plugins["splitter"]
    options = splitter.Options(**job.config["options"])
    folds = pair_folds(read_folds(job.inputs["split"]), rows, splitter, options, job.config["seed"])
    write_folds(job.out, folds)
    return {"folds": folds.n_folds, "repeats": folds.n_repeats}


def pair_folds(folds: Folds, rows: Rows, splitter: ModuleType, options: Any, seed: int) -> Folds:
    """Return folds that each validate two folds of `folds` and train on what both train on.

    Repeats are the rounds of each repeat of `folds`, one after the other (see rounds.py); in a round of an odd number
    of folds the rows of one are validated by no pair. Parts are the folds of `folds`.
    """
    found, parts = [], []
    for repeat, part in enumerate(folds.valid_fold):
        for number, pairs in enumerate(rounds(folds.n_folds)):
            own = [_role(folds, repeat, pair, rows, splitter, options, derive(seed, repeat, number)) for pair in pairs]
            found.append(np.stack(own))
            parts.append(part)
    return Folds(np.stack(found), folds.kind, np.stack(parts))


def _role(
    folds: Folds, repeat: int, pair: Pair, rows: Rows, splitter: ModuleType, options: Any, seed: int
) -> np.ndarray:
    """Return the roles (n_train,) of the rows where both folds of a pair are left out."""
    both = folds.role[repeat, list(pair)]
    train = np.flatnonzero(np.isin(both, (TRAIN, STOP)).all(axis=0))
    role = np.full(both.shape[1], UNUSED, dtype=np.int8)
    role[train] = TRAIN
    role[(both == VALID).any(axis=0)] = VALID
    role[train[stop_rows(splitter, rows.take(train), derive(seed, "stop", *pair), options)]] = STOP
    return role
