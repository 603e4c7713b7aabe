"""Slips in AutoGluon's parameters are refused, and words that are merely unknown are not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pipeline.models import autogluon


@pytest.mark.parametrize(
    ("family", "config", "said"),
    [
        ("GBM", {"num_boost_rounds": 20}, "did you mean 'num_boost_round'?"),
        ("XGB", {"learning_rat": 0.1}, "did you mean 'learning_rate'?"),
        ("XT", {"n_estimator": 10}, "did you mean 'n_estimators'?"),
        ("XGB", {"n_estimators": "many"}, "XGB n_estimators: expected a whole number above 0, found 'many'"),
        ("CAT", {"learning_rate": 0}, "CAT learning_rate: expected a number above 0, found 0"),
        ("TABM", {"n_epoch": 3}, "did you mean 'n_epochs'?"),
        ("REALMLP", {"lr": "high"}, "REALMLP lr: expected a number above 0, found 'high'"),
    ],
)
def test_a_slip_in_a_parameter_is_refused(family: str, config: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        autogluon.Recipe.model_validate({"models": {family: [config]}})


def test_other_words_of_a_library_are_left_to_it() -> None:
    models = {"GBM": [{"min_data_per_leaf": 3, "ag_args_fit": {}, "a_new_one": 1}], "NN_TORCH": [{"proc.skew": 1.0}]}
    assert autogluon.Recipe.model_validate({"models": models}).models == models
