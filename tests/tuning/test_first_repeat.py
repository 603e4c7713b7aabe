"""The first repeat as a rung: who is behind there is not trained on the others' folds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from small_folds import dealt

from pipeline.tuning.first_repeat import cross_fit
from pipeline.types import CrossFit, Folds, Rung

N_FOLDS, N = 3, 12
ERRORS = {"good": (1.0, 2.0), "bad": (3.0, 9.0), "even": (2.0, 4.0), "diverges": (np.nan, 1.0)}
"""Of each recipe the error on every fold of the first repeat, and on every fold of the others."""


class Fits:
    """Makes entries with the errors above, and remembers which recipes it was given."""

    def __init__(self, **how: object) -> None:
        self.how, self.calls = how, list[tuple[list[str], Folds, tuple[Rung, ...]]]()

    def __call__(
        self, recipes: Mapping[str, object], folds: Folds, rungs: tuple[Rung, ...], part: int
    ) -> dict[str, CrossFit]:
        self.calls.append(([*recipes], folds, rungs))
        assert part == len(self.calls) - 1
        return {name: self._entry(ERRORS[name][part], folds.n_repeats, len(rungs)) for name in recipes}

    def _entry(self, error: float, n_repeats: int, n_rungs: int) -> CrossFit:
        errors = np.full((n_repeats, N_FOLDS), error)
        oof = np.full((n_repeats, N, 1), error)
        how = {"seconds": 1.0, "rungs": (5.0,) * n_rungs} | self.how
        return CrossFit(oof, np.empty((0, 1)), errors, errors, errors, "none", **how)  # type: ignore[arg-type]


@pytest.fixture
def folds() -> Folds:
    """Three repeats, of which each cuts the rows elsewhere."""
    return dealt(np.stack([np.roll(np.arange(N) % N_FOLDS, repeat) for repeat in range(3)]))


RUNGS = (Rung(0.2, 8.0),)


def at_most_two(errors: Mapping[str, float]) -> set[str]:
    """Let recipes go on whose error is 2 at most."""
    return {name for name, error in errors.items() if error <= 2.0}


def test_who_is_behind_on_the_first_repeat_is_not_trained_on_the_others(folds: Folds) -> None:
    fit = Fits()
    entries = cross_fit(fit, dict.fromkeys(ERRORS), folds, RUNGS, at_most_two)
    assert [names for names, _, _ in fit.calls] == [[*ERRORS], ["good", "even"]]
    assert [rungs for _, _, rungs in fit.calls] == [RUNGS, ()]
    assert (np.concatenate([own.role for _, own, _ in fit.calls]) == folds.role).all()
    assert [*entries] == [*ERRORS]
    bad = entries["bad"]
    assert bad.given_up
    assert bad.failed
    assert bad.rungs == (5.0, 3.0)
    assert np.isnan(bad.fold_errors).all()
    assert np.isnan(bad.oof).all()


def test_who_goes_on_is_judged_by_all_repeats(folds: Folds) -> None:
    even = cross_fit(Fits(), {"even": None, "bad": None}, folds, RUNGS, at_most_two)["even"]
    assert even.fold_errors.tolist() == [[2.0] * 3, [4.0] * 3, [4.0] * 3]
    assert even.oof[:, :, 0].tolist() == [[2.0] * N, [4.0] * N, [4.0] * N]
    assert (even.rungs, even.seconds, even.given_up, even.failed) == ((5.0, 2.0), 2.0, False, "")


def test_what_diverges_is_failed_and_not_given_up(folds: Folds) -> None:
    entry = cross_fit(Fits(), {"diverges": None}, folds, RUNGS, at_most_two)["diverges"]
    assert not entry.given_up
    assert np.isnan(entry.fold_errors).all()


def test_what_time_cuts_short_is_not_judged(folds: Folds) -> None:
    fit = Fits(truncated="1 of 3 networks")
    entries = cross_fit(fit, {"good": None, "bad": None}, folds, RUNGS, at_most_two)
    assert len(fit.calls) == 1
    assert all(entry.truncated and not entry.given_up for entry in entries.values())
