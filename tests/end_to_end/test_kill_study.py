"""A study killed at random moments ends with the trials, and the choice, of one that was left alone."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pandas as pd
from shop import SLUG, Running, Shop, make_shop

N_KILLS = 6
STUDY = """
minutes = 60
[split]
n_folds = 3
[models.mlp]
n_seeds = 1
epochs = 15
width = { tune = "int", low = 8, high = 64, step = 8 }
depth = { tune = "int", low = 1, high = 2 }
lr = { tune = "loguniform", low = 1e-4, high = 1e-1 }
[tune]
trials = 30
wave = 5
repeats = 2
rungs = [0.2, 0.5, 1.0]
"""


def test_a_study_killed_at_random_moments_loses_and_repeats_no_trial(tmp_path: Path) -> None:
    rng = random.Random(20261121)
    alone, killed = make_shop(tmp_path / "alone", STUDY), make_shop(tmp_path / "killed", STUDY)
    undisturbed, began = _tuning(alone), time.perf_counter()
    assert undisturbed.end().returncode == 0
    seconds = time.perf_counter() - began
    n_hit = sum(_tuning(killed).kill_after(rng.uniform(0.1, 0.6) * seconds) for _ in range(N_KILLS))
    killed.run("tune", SLUG, "-e", "quick")
    assert n_hit >= 2, "the study was finished before it could be killed"
    trials = pd.read_parquet(_found(killed, "trials.parquet"))
    assert list(trials["number"]) == list(range(30))
    assert set(trials["state"]) >= {"finished", "given up"}
    for name in ("trials.parquet", "recipe.json"):
        assert _found(killed, name).read_bytes() == _found(alone, name).read_bytes()


def _found(shop: Shop, name: str) -> Path:
    (path,) = (shop.folder / "data" / SLUG / "cache/tune").glob(f"mlp/*/{name}")
    return path


def _tuning(shop: Shop) -> Running:
    """Start a run and return it once its study has begun."""
    process = shop.start("tune", SLUG, "-e", "quick")
    for line in process.stderr:
        if line.startswith("tune[mlp]"):
            break
    return process
