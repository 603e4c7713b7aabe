"""What cannot be trained as it is stated is refused, before something else is trained in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from small_networks import PROGRAM, rows_of

from pipeline.core.fused import train
from pipeline.core.members import Member, View

ROWS = rows_of(0, 20)
CODES = torch.full((20, 1), 3)


@pytest.mark.parametrize(
    "wrong", [{"optimiser": "rmsprop"}, {"parametrisation": "mup"}, {"precision": "float16"}, {"loss": "mse"}]
)
def test_another_word_than_those_that_there_are_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="; there are "):
        replace(PROGRAM, **wrong)


@pytest.mark.parametrize(
    "target", [ROWS.target[:, 0], ROWS.target.expand(20, 2), torch.zeros(20, 1, dtype=torch.int64)]
)
def test_a_target_that_would_be_compared_with_other_outputs_is_refused(target: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"'squared' needs numbers \(n, 1\) as target"):
        train(PROGRAM, [Member(0, 0)], [View(replace(ROWS, target=target))])


def test_classes_must_be_codes() -> None:
    with pytest.raises(ValueError, match=r"'cross_entropy' needs class codes \(n,\) as target"):
        train(replace(PROGRAM, loss="cross_entropy"), [Member(0, 0)], [View(ROWS)])


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (Member(1, 0), "view must be below 1"),
        (Member(0, 0, dropout=1.0), "dropout from 0 to below 1"),
        (Member(0, 0, dropout=-0.1), "dropout from 0 to below 1"),
        (Member(0, 0, epochs=5), "may train 4 epochs"),
    ],
)
def test_a_member_that_does_not_fit_the_program_is_refused(member: Member, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        train(PROGRAM, [member], [View(ROWS)])


def test_parts_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="must have as many rows each"):
        View(replace(ROWS, target=ROWS.target[:10]))


def test_codes_beyond_the_levels_which_a_neighbour_would_answer_are_refused() -> None:
    with pytest.raises(ValueError, match="codes are 3 to 3; with n_levels=3"):
        View(replace(ROWS, codes=CODES), n_levels=3)
    assert View(replace(ROWS, codes=CODES), n_levels=4).n_levels == 4
