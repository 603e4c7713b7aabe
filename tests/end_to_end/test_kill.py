"""Killed at any moment, the next run goes on and ends with the same bytes."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

from shop import SLUG, Shop, make_shop

N_KILLS = 10


def test_ten_kills_over_all_stages_end_in_the_undisturbed_submission(finished: Shop, tmp_path: Path) -> None:
    rng = random.Random(20260301)
    shop = make_shop(tmp_path)
    seconds = _seconds(finished)
    # every second run is let finish two stages, so that the kills get on to training and beyond on any machine
    hit = [_killed_in(shop, 1 + 2 * (kill % 2), rng.random(), seconds) for kill in range(N_KILLS)]
    shop.run("run", SLUG, "-e", "quick")
    assert len(set(hit) - {None}) >= 5, f"the kills hit only {hit}"
    assert shop.run("verify", SLUG).endswith("0 damaged\n")
    assert shop.submissions == finished.submissions


def _seconds(shop: Shop) -> dict[str, float]:
    """Return what each stage of a finished run took."""
    paths = (shop.folder / "data" / SLUG / "cache").rglob("manifest.json")
    manifests = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return {manifest["node"]: manifest["seconds"] for manifest in manifests}


def _killed_in(shop: Shop, n_stages: int, part: float, seconds: Mapping[str, float]) -> str | None:
    """Start a run and kill it in the n-th stage that it makes, after a part of the seconds that this stage takes.

    Return the name of that stage, None where the run had ended before.
    """
    process = shop.start("run", SLUG, "-e", "quick")
    stage = "start"
    for line in process.stderr:
        if line.startswith((" ", "Practice")):
            continue
        stage = line.split()[0]
        n_stages -= 1
        if n_stages == 0:
            break
    return stage if process.kill_after(part * seconds.get(stage, 0.0)) else None
