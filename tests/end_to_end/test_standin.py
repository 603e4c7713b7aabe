"""A run that ends before its time leaves a submission of what was done, and one that ends well leaves only its own."""

from __future__ import annotations

import csv
import signal
import subprocess
from pathlib import Path

import pytest
from shop import SLUG, Shop, make_shop

SO_FAR = "quick-so-far.csv"
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


def stopped_in_the_second_model(folder: Path, how: signal.Signals) -> tuple[Shop, subprocess.Popen[str], str]:
    """Run until the second model is at work, end it, and return what it said."""
    shop = make_shop(folder, SLOW)
    process = shop.start("run", SLUG, "-e", "quick", "--minutes", "100000")
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if line.startswith("train[mlp]"):
            break
    process.send_signal(how)
    _, rest = process.communicate()
    return shop, process, said + rest


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_leaves_a_submission_that_can_be_sent(how: signal.Signals, tmp_path: Path) -> None:
    shop, process, said = stopped_in_the_second_model(tmp_path, how)
    assert process.returncode == {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130}[how]
    assert "a submission of 1 entry so far, CV rmse" in said
    assert ("a submission of what was done until now" in said) == (how == signal.SIGINT)
    assert shop.submissions.keys() == {SO_FAR}
    found = rows_of(shop.folder / "submissions" / SLUG / SO_FAR)
    sample = rows_of(shop.folder / "data" / SLUG / "raw" / "sample_submission.csv")
    assert [row[0] for row in found] == [row[0] for row in sample]
    assert len({float(row[1]) for row in found[1:]}) > len(found) / 2


def test_a_run_that_ends_well_leaves_only_its_own(shop: Shop) -> None:
    folder = shop.folder / "submissions" / SLUG
    folder.mkdir(parents=True)
    (folder / SO_FAR).write_text("left by a run that was killed", encoding="utf-8")
    done = shop.call("run", SLUG, "-e", "quick")
    assert done.returncode == 0, done.stderr
    assert "a submission of 1 entry so far" in done.stderr
    assert len(shop.submissions) == 1
    assert SO_FAR not in shop.submissions
    assert not list((shop.folder / "data" / SLUG / "cache" / ".building").iterdir())
