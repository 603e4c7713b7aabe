"""AutoGluon on our folds: every base model an entry of its own, and its own weighted ensemble as a reference.

Its bagged children stop on the fold's validation rows and its feature generator sees all rows, which flatters
it a little: the entries say stop_on = "fold". All of it runs on the CPU, with fixed seeds and, but for `time_limit`,
without a clock, so that the same bytes come out again; RMSLE is trained as RMSE of log(1 + target), whose predictions
are turned back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipeline.entries import UNWEIGHED
from pipeline.models._autogluon_words import check, check_preset
from pipeline.seeds import derive
from pipeline.spread import Spread, in_turn

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.log import Log
    from pipeline.models._autogluon_fit import Repeat
    from pipeline.models._autogluon_kept import PredictorFit
    from pipeline.models._autogluon_presets import Order
    from pipeline.types import CrossFit, Fitted, Folds, Table, TaskKind

LIBRARIES = ("autogluon.tabular", "lightgbm", "catboost", "xgboost", "scikit-learn", "torch", "pytabkit")
WEIGHING = ("LightGBM", "CatBoost", "XGBoost", "RandomForest", "ExtraTrees", "LinearModel")
"""How names of models begin that take rows' weights; AutoGluon's others ignore them."""

SHARE = 2.0
"""Of an experiment's minutes, beside the 1.0 of an MLP: it is a whole library of models."""

LEAST_LIMIT = 30.0
"""Seconds that a time limit is cut to at most: in less hardly a model of AutoGluon's is fitted."""

TARGETS = "one"

Family = Literal["GBM", "CAT", "XGB", "RF", "XT", "LR", "KNN", "NN_TORCH", "TABM", "REALMLP"]
"""REALMLP needs the package pytabkit: `pip install -c constraints.txt -e ".[rivals]"`."""

# Seconds of one thread for five folds of House Prices and CV RMSLE (5 shuffled folds, split seed 0), all of them below:
#   XGB 15 s 0.1182 | GBM second 14 s 0.1189, first 8 s 0.1211 | CAT 22 s 0.1194 | NN_TORCH 68 s 0.1230
#   XT 8 s 0.1402 | LR 2 s 0.1430 | together 170 s; cross-fitted greedy blend 0.1145
# Left out as slower or worse: AutoGluon's own XGB 19 s 0.1338, GBM 20 s 0.1260, CAT more than 300 s (ordered boosting,
#   combined categories), RF 33 s 0.1417 and no weight beside XT, KNN; TABM and REALMLP (minutes).
# Not offered: FASTAI (its extra breaks torch), the foundation models (weights that are downloaded), GBM_PREP (minutes).
DEFAULT: dict[Family, list[dict[str, Any]]] = {
    "XGB": [
        {
            "n_estimators": 1000,
            "learning_rate": 0.05,
            "max_depth": 4,
            "colsample_bytree": 0.4,
            "subsample": 0.8,
            "enable_categorical": True,
            "max_cat_to_onehot": 16,
        }
    ],
    "GBM": [
        {"num_boost_round": 1000, "learning_rate": 0.05, "extra_trees": True},
        {  # after r177, the first LightGBM of AutoGluon's portfolio zeroshot_2025_12_18_cpu
            "num_boost_round": 2000,
            "learning_rate": 0.018,
            "extra_trees": True,
            "num_leaves": 39,
            "min_data_in_leaf": 3,
            "bagging_fraction": 0.88,
            "bagging_freq": 1,
            "feature_fraction": 0.46,
            "lambda_l1": 0.24,
            "lambda_l2": 0.36,
            "cat_l2": 0.34,
            "cat_smooth": 15.5,
            "min_data_per_group": 9,
            "max_cat_to_onehot": 16,
        },
    ],
    "CAT": [
        {
            "iterations": 1000,
            "learning_rate": 0.08,
            "depth": 6,
            "boosting_type": "Plain",
            "bootstrap_type": "Bernoulli",
            "subsample": 0.8,
            "colsample_bylevel": 0.3,
            "max_ctr_complexity": 1,
            "one_hot_max_size": 10,
        }
    ],
    "NN_TORCH": [{"num_epochs": 100, "epochs_wo_improve": 10}],
    "LR": [{}],
    "XT": [{"n_estimators": 100}],
}

NOT_REFITTED = "AutoGluon's models stop on the rows that their fold validates, and a fit on all rows has none"


class Recipe(BaseModel):
    """Which of AutoGluon's models are fitted, and by what limits of its own.

    Every base model becomes an entry. What is stacked on them has learnt from out-of-fold predictions that have seen
    the rows it is scored on: shown as a reference, as AutoGluon's own ensemble is, and never blended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: dict[Family, list[dict[str, Any]]] = Field(
        DEFAULT,
        description="configurations of each family, in AutoGluon's own words; with a preset, instead of its own",
    )
    preset: str | None = Field(None, description="AutoGluon's preset whose models are fitted, such as best_quality")
    n_models: int | None = Field(
        None, ge=1, description="how many of the preset's models, in AutoGluon's order; all by default"
    )
    stack_levels: int = Field(0, ge=0, le=3, description="levels of models stacked on the base models, for comparison")
    time_limit: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="seconds, of all repeats together, after which AutoGluon's own clock ends the fit: another run may "
        "fit other models, and the result says so; by default there is no clock",
    )
    memory_limit: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="GB of the whole process beyond which, by AutoGluon's estimate, a model is cut or left out, which "
        "the result says, too; by default none is",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_the_preset(cls, given: Any) -> Any:
        return {"models": {}} | given if isinstance(given, dict) and given.get("preset") else given

    @field_validator("models")
    @classmethod
    def _known(cls, models: dict[Family, list[dict[str, Any]]]) -> dict[Family, list[dict[str, Any]]]:
        check(models)
        return models

    @field_validator("preset")
    @classmethod
    def _there(cls, preset: str | None) -> str | None:
        if preset is not None:
            check_preset(preset)
        return preset

    @model_validator(mode="after")
    def _something_to_fit(self) -> Recipe:
        if not self.models and self.preset is None:
            raise ValueError("models: expected at least one, or a preset")
        if self.models and self.n_models is not None:
            raise ValueError("n_models counts the models of a preset; those that are named in `models` are all fitted")
        return self


def affordable(
    recipe: Recipe, minutes: float, *, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int
) -> Recipe:
    """Return the recipe with the models, and as many of their rounds, as so many minutes on two cores allow.

    A formula (see _autogluon_cost), no clock: n_train and n_test rows, columns, n_outputs (2 for binary), and
    n_fits = repeats x folds. Of a preset the first models are kept, whole; a time limit is all that is cut where there
    is one.
    """
    from pipeline.models._autogluon_cost import Size, fit_into

    del n_test
    budget = 60.0 * minutes
    if recipe.time_limit is not None:
        return recipe.model_copy(update={"time_limit": min(recipe.time_limit, max(budget, LEAST_LIMIT))})
    size = Size(n_train, n_columns, n_outputs if n_outputs > 2 else 1, n_fits)
    budget /= recipe.stack_levels + 1
    if recipe.models:
        return recipe.model_copy(update={"models": fit_into(recipe.models, budget, size)})
    from pipeline.models._autogluon_presets import n_affordable

    return recipe.model_copy(update={"n_models": n_affordable(recipe, budget, _kind(n_outputs), size)})


def seconds(recipe: Recipe, *, n_train: int, n_test: int, n_columns: int, n_outputs: int, n_fits: int) -> float:
    """Return what the cross-fits of all models take on two cores: where there is a time limit, all of it."""
    from pipeline.models._autogluon_cost import Size
    from pipeline.models._autogluon_cost import seconds as seconds_of

    del n_test
    if recipe.time_limit is not None:
        return recipe.time_limit
    size = Size(n_train, n_columns, n_outputs if n_outputs > 2 else 1, n_fits)
    wanted: list[tuple[str, dict[str, Any]]] = [
        (family, config) for family, configs in recipe.models.items() for config in configs
    ]
    if not wanted:
        from pipeline.models._autogluon_presets import portfolio

        wanted = portfolio(recipe.preset or "", _kind(n_outputs))[: recipe.n_models]
    return (recipe.stack_levels + 1) * sum(seconds_of(family, config, size) for family, config in wanted)


def _kind(n_outputs: int) -> TaskKind:
    return "regression" if n_outputs == 1 else "binary" if n_outputs == 2 else "multiclass"


def cross_fit(
    recipes: Mapping[str, Recipe],
    table: Table,
    folds: Folds,
    *,
    seed: int,
    log: Log,
    progress: Path | None = None,
    spread: Spread = in_turn,
) -> dict[str, CrossFit]:
    """Fit one predictor a recipe and repeat; return `<recipe>/<model>` for each base model, and `<recipe>`.

    `<recipe>` is AutoGluon's weighted ensemble: its weights have seen the rows that its out-of-fold
    predictions are scored on, so it is a reference and never blended, and so is what is stacked. A model that failed in
    one repeat is left out with a warning; `truncated` says what time did not suffice for. Raises ModelError where
    predictions cannot be matched with our rows.
    """
    from pipeline.models._autogluon_presets import order_of

    entries = {}
    for name, recipe in recipes.items():
        order = order_of(recipe, table.task.kind, folds, log)
        case = (order, table, folds, seed, progress)
        repeats: list[Repeat] = list(spread(_fit, case, range(folds.n_repeats), log))
        for part in sorted(set.intersection(*(set(repeat.fits) for repeat in repeats))):
            label = f"{name}/{part}" if part else name
            entries[label] = entry = _entry(part, repeats, table, folds, order)
            score = table.task.metric.as_score(float(entry.fold_errors.mean()))
            log.info(f"{label}: {table.task.metric.name} {score:.5f} in {entry.seconds:.0f} s")
    return entries


def load(folder: Path, part: str = "") -> PredictorFit:
    """Read one model of a repeat's predictor: part "" is the entry `<recipe>`, "LightGBM" is `<recipe>/LightGBM`.

    The folder holds pickles, which are opened only if they are what was saved, by the same versions; else ModelError.
    """
    from pipeline.models._autogluon_kept import load as read

    return read(folder, part)


def thin(folder: Path, parts: Collection[str]) -> None:
    """Take out of a repeat's predictor all but the base models `parts`, for a bundle that needs no others."""
    from pipeline.models._autogluon_kept import thin as take_out

    take_out(folder, parts)


def _fit(case: tuple[Order, Table, Folds, int, Path | None], repeat: int, log: Log) -> Repeat:
    from pipeline.models._autogluon_fit import fit_repeat

    order, table, folds, seed, progress = case
    return fit_repeat(table, folds, repeat, order, derive(seed, repeat), log, progress)


def _entry(part: str, repeats: list[Repeat], table: Table, folds: Folds, order: Order) -> CrossFit:
    from pipeline.types import CrossFit

    fits = [repeat.fits[part] for repeat in repeats]
    oof = np.stack([fit.oof for fit in fits])
    errors = folds.errors(table.task.metric, table.target, oof)
    unknown = np.full_like(errors, np.nan)
    test = np.mean([fit.test for fit in fits], axis=0)
    apart = [fit.apart for fit in fits if fit.apart is not None]
    seconds = sum(fit.seconds for fit in fits)
    fitted: dict[tuple[int, ...], Fitted] = {(number,): repeat.kept.of(part) for number, repeat in enumerate(repeats)}
    return CrossFit(
        oof,
        test,
        errors,
        unknown,
        unknown,
        "fold",
        seconds,
        reference=any(fit.reference for fit in fits),
        apart=np.concatenate(apart) if apart else None,
        fitted=fitted,
        truncated="" if part else _cut_short(repeats, order),
        findings=_findings(part, repeats, table),
    )


def _findings(part: str, repeats: list[Repeat], table: Table) -> tuple[str, ...]:
    """Say, with AutoGluon's own ensemble, what could not be fitted, and with a model that it knows no weights."""
    if part:
        return (UNWEIGHED,) if table.weight is not None and not part.startswith(WEIGHING) else ()
    return tuple(dict.fromkeys(line for repeat in repeats for line in repeat.failures))


def _cut_short(repeats: list[Repeat], order: Order) -> str:
    """Say, once and with AutoGluon's own ensemble, what time did not suffice for, or its own limits left room for."""
    names = sorted({name for repeat in repeats for name in repeat.skipped})
    said = [f"without {', '.join(names)}"] if names else []
    if order.limits:
        n_fitted = min(sum(not fit.reference for fit in repeat.fits.values()) for repeat in repeats)
        said.append(
            f"{n_fitted} of {order.n_models} models within AutoGluon's own limits ({', '.join(order.limits)}), so that "
            "another run may fit others"
        )
    return "; ".join(said)
