"""Killed at any moment, the next run goes on and ends with the same bytes."""

from __future__ import annotations

import random
from pathlib import Path

from shop import SLUG, Shop, make_shop

N_KILLS = 10


def test_ten_kills_over_all_stages_end_in_the_undisturbed_submission(finished: Shop, tmp_path: Path) -> None:
    rng = random.Random(20260301)
    shop = make_shop(tmp_path)
    # every second run is let finish a stage, so that the kills get on even where a stage takes longer than a moment;
    # later moments are short, so that no run comes to its end before them: the last stages are quick
    longest = [1.5 if kill < N_KILLS // 2 - 1 else 0.1 for kill in range(N_KILLS)]
    hit = [_killed_in(shop, 1 + kill % 2, rng.uniform(0.0, most)) for kill, most in enumerate(longest)]
    shop.run("run", SLUG, "-e", "quick")
    assert len(set(hit) - {None}) >= 5, f"the kills hit only {hit}"
    assert shop.run("verify", SLUG).endswith("0 damaged\n")
    assert shop.submissions == finished.submissions


def _killed_in(shop: Shop, n_stages: int, moment: float) -> str | None:
    """Start a run and kill it `moment` seconds into the n-th stage that it makes.

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
    return stage if process.kill_after(moment) else None
