"""`pipeline score` and `pipeline choose` on a finished run, and what they refuse."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from shop import SLUG, Shop

Call = Callable[..., subprocess.CompletedProcess[str]]
ONE = """
minutes = 5
[split]
n_folds = 3
[models.mlp]
hidden = [16]
n_seeds = 1
epochs = 4
"""


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_score_prints_the_expectation_and_is_cached(copied: Shop) -> None:
    said = copied.run("score", SLUG, "-e", "quick")
    assert re.search(r"expected +\d+\.\d+ +in private: \d+\.\d+ to \d+\.\d+, nine times out of ten", said)
    assert "221 rows" in said
    assert "no drift found" in said
    assert "score" not in [line.split()[0] for line in copied.call("score", SLUG, "-e", "quick").stderr.splitlines()]


def test_score_of_an_entry_and_of_another_public_share(copied: Shop) -> None:
    ours, other = (
        copied.run("score", SLUG, "-e", "quick", *more)
        for more in (("--entry", "autogluon/LightGBM"), ("--public", "0.9"))
    )
    assert "100% of the weight stopped on the rows that score it" in ours
    assert "The score of 22 private rows" in other


def test_choose_says_which_two_and_why(copied: Shop) -> None:
    said = copied.run("choose", SLUG)
    assert re.search(r"select +\S*quick", said)  # the ensemble or a model alone: they are nearly as good
    assert "the best expected of 3" in said
    assert "correlation of" in said


def test_an_experiment_that_changed_no_byte_is_no_other_submission(copied: Shop) -> None:
    folder = copied.folder / "experiments" / SLUG
    (folder / "again.toml").write_text((folder / "quick.toml").read_text(encoding="utf-8"), encoding="utf-8")
    copied.run("run", SLUG, "-e", "again")
    assert "the best expected of 3" in copied.run("choose", SLUG)


def test_a_model_that_is_an_experiment_of_its_own_is_told_once(copied: Shop) -> None:
    (copied.folder / "experiments" / SLUG / "one.toml").write_text(ONE)
    copied.run("run", SLUG, "-e", "one")
    said = copied.run("choose", SLUG)
    assert "the best expected of 3" in said
    assert re.search("^one ", said, re.MULTILINE)
    assert "linear alone" in said
    assert "mlp alone" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("score", SLUG, "-e", "quick", "--entry", "liear"), "did you mean 'linear'?"),
        (("score", SLUG, "-e", "quick", "--public", "1.5"), "--public"),
        (("score", "no-such-competition"), "no competition 'no-such-competition'"),
        (("choose", "no-such-competition"), "no competition 'no-such-competition'"),
    ],
)
def test_mistakes_are_told(copied: Shop, arguments: tuple[str, ...], says: str) -> None:
    assert says in refused(copied.call(*arguments))


@pytest.mark.parametrize("arguments", [("choose", SLUG), ("score", SLUG, "-e", "quick", "--entry", "linear")])
def test_damaged_predictions_are_not_read(copied: Shop, arguments: tuple[str, ...]) -> None:
    path = next((copied.folder / "data").rglob("entries/linear.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    message = refused(copied.call(*arguments))
    assert "linear.safetensors is damaged" in message
    assert "it was set aside" in message


def test_choose_before_anything_was_run_says_what_to_do(call: Call) -> None:
    message = refused(call("choose", SLUG))
    assert f"no experiment of {SLUG} has been run to its end" in message
    assert f"make run COMPETITION={SLUG}" in message


def test_a_public_share_that_is_none_is_refused(shop: Shop, call: Call) -> None:
    path = shop.folder / "experiments" / SLUG / "competition.toml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("public_share = 0.5", "public_share = 1.5"), encoding="utf-8"
    )
    assert "public_share" in refused(call("score", SLUG, "-e", "quick"))
