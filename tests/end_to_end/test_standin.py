"""A run that ends before its time leaves a submission of what was done, and one that ends well leaves only its own."""

from __future__ import annotations

import csv
import signal
from pathlib import Path

import pytest
from shop import SLUG, SO_FAR, Shop, make_shop

SLOW = """
[split]
n_folds = 3
[models.mlp]
n_seeds = 1
epochs = 100000
[models.linear]
epochs = 15
[tune]
trials = 0
"""


def stopped_in_the_second_model(folder: Path, how: signal.Signals) -> tuple[Shop, int, str]:
    """Run until the second model is at work, end it, and return its exit code and what it said."""
    shop = make_shop(folder, SLOW)
    process = shop.start("run", SLUG, "-e", "quick", "--minutes", "100000")
    said = ""
    for line in process.stderr:
        said += line
        if line.startswith("train[mlp]"):
            break
    process.send_signal(how)
    done = process.end()
    return shop, done.returncode, said + done.stderr


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_leaves_a_submission_that_can_be_sent(how: signal.Signals, tmp_path: Path) -> None:
    shop, code, said = stopped_in_the_second_model(tmp_path, how)
    assert code == {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130}[how]
    assert "a submission of 1 entry so far, CV rmse" in said
    assert ("a submission of what was done until now" in said) == (how == signal.SIGINT)
    assert shop.submissions.keys() == {SO_FAR}
    found = rows_of(shop.folder / "submissions" / SLUG / SO_FAR)
    sample = rows_of(shop.folder / "data" / SLUG / "raw" / "sample_submission.csv")
    assert [row[0] for row in found] == [row[0] for row in sample]
    assert len({float(row[1]) for row in found[1:]}) > len(found) / 2


def test_a_run_that_ends_well_leaves_only_its_own(run_to_its_end: tuple[Shop, str]) -> None:
    shop, said = run_to_its_end
    assert "a submission of 1 entry so far" in said
    assert len(shop.submissions) == 1
    assert SO_FAR not in shop.submissions
    assert not list((shop.folder / "data" / SLUG / "cache" / ".building").iterdir())
