"""A frame becomes what networks and linear models eat: scaled numbers, 0/1 columns and codes, fitted inside the fold.

numbers     skew -> impute -> scale, and an indicator for what was missing
categories  few levels: one-hot; many: out-of-fold target means, ordinal numbers or codes for embeddings
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from pipeline.transforms import (
    impute,
    one_hot,
    ordinal,
    scale_robust,
    scale_standard,
    skew_log,
    skew_yeo_johnson,
    target_encode,
)
from pipeline.transforms.recipe import Encode
from pipeline.types import Task

SKEWS: dict[str, ModuleType] = {"yeo-johnson": skew_yeo_johnson, "log": skew_log}
SCALES: dict[str, ModuleType] = {"standard": scale_standard, "robust": scale_robust}
STATES: dict[str, Any] = {
    "yeo-johnson": skew_yeo_johnson.SkewYeoJohnson,
    "log": skew_log.SkewLog,
    "standard": scale_standard.ScaleStandard,
    "robust": scale_robust.ScaleRobust,
}


@dataclass(frozen=True)
class Encoded:
    """dense (n, d) float32 without NaN or infinity; codes (n, c) int64, each below Encoder.level_counts."""

    dense: np.ndarray
    codes: np.ndarray


@dataclass(frozen=True)
class Numbers:
    """The fitted path of the float64 columns."""

    columns: tuple[str, ...]
    skew: Any
    impute: impute.Impute
    scale: Any
    indicators: bool

    def apply(self, rows: pd.DataFrame) -> list[np.ndarray]:
        """Return scaled numbers (n, d), and indicators where they are asked for."""
        numbers = _finite(rows, self.columns)
        straight = self.skew.apply(numbers) if self.skew else numbers
        scaled = self.scale.apply(self.impute.apply(straight))
        return [scaled, self.impute.indicators(numbers)] if self.indicators else [scaled]

    @property
    def names(self) -> list[str]:
        flagged = [f"{self.columns[c]} is missing" for c in self.impute.flagged] if self.indicators else []
        return [*self.columns, *flagged]


@dataclass(frozen=True)
class Encoder:
    """A fitted encoder; made by `fit_encoder`, or by `from_dict` from what `to_dict` gave.

    few, many: positions of the one-hot and of the many-levels columns in ordinal.columns. kept: positions of the
    dense columns that vary in the fitted rows; the first n_numeric of them are numbers with more than two values.
    classes: what the target means of one column are of, names of classes or of targets; empty of a single value.
    """

    recipe: Encode
    numbers: Numbers
    ordinal: ordinal.Ordinal
    few: tuple[int, ...]
    many: tuple[int, ...]
    one_hot: one_hot.OneHot
    means: target_encode.TargetEncode | None
    means_scale: Any
    kept: tuple[int, ...]
    n_numeric: int
    classes: tuple[str, ...]

    def transform(self, rows: pd.DataFrame) -> Encoded:
        """Encode any rows that have the fitted columns; levels that were not fitted count as rare."""
        codes = self.ordinal.apply(rows)
        return self._assemble(self.numbers.apply(rows), codes, self._many(codes))

    @property
    def names(self) -> list[str]:
        """One readable name for each dense column."""
        every = self.names_of_all
        return [every[position] for position in self.kept]

    @property
    def names_of_all(self) -> list[str]:
        """The same for all dense columns there could be, constant ones included: `kept` counts through these."""
        return [*self.numbers.names, *self._one_hot_names(), *self._many_names()]

    @property
    def level_counts(self) -> tuple[int, ...]:
        """How many codes each column of `codes` has: 0 missing, 1 rare or unseen, then the fitted levels."""
        return tuple(self.ordinal.counts[c] for c in self.many) if self.recipe.many_levels == "embedding" else ()

    def _many(self, codes: np.ndarray) -> np.ndarray:
        many = codes[:, list(self.many)]
        return self.means.apply(many) if self.means else many.astype(np.float64)

    def _assemble(self, numbers: list[np.ndarray], codes: np.ndarray, many: np.ndarray) -> Encoded:
        """Put the parts side by side; `many` comes in, because the fitted rows get out-of-fold means."""
        parts = [*numbers, self.one_hot.apply(codes[:, list(self.few)])]
        if self.recipe.many_levels != "embedding":
            return Encoded(self._dense([*parts, self.means_scale.apply(many)]), np.empty((len(codes), 0), np.int64))
        return Encoded(self._dense(parts), codes[:, list(self.many)])

    def _dense(self, parts: list[np.ndarray]) -> np.ndarray:
        dense = np.concatenate([part.astype(np.float32) for part in parts], axis=1)
        return dense if self.kept == tuple(range(dense.shape[1])) else np.take(dense, self.kept, axis=1)

    def _one_hot_names(self) -> list[str]:
        names = []
        for position, code in self.one_hot.pairs:
            column = self.few[position]
            level = ("missing", "rare", *self.ordinal.levels[column])[code]
            names.append(f"{self.ordinal.columns[column]} = {level}")
        return names

    def _many_names(self) -> list[str]:
        columns = [self.ordinal.columns[c] for c in self.many]
        if self.recipe.many_levels == "embedding":
            return []
        if self.recipe.many_levels == "ordinal":
            return [f"{column} as number" for column in columns]
        means = self.classes[-len(self.means.prior) :] if self.means and self.classes else ("target",)
        return [f"{column}: mean of {name}" for column in columns for name in means]

    def to_dict(self) -> dict[str, Any]:
        """Return the whole state as JSON values; `from_dict` gives an encoder with the same outputs to the last bit."""
        return {
            "recipe": self.recipe.model_dump(),
            "columns": list(self.numbers.columns),
            "skew": self.numbers.skew.to_dict() if self.numbers.skew else None,
            "impute": self.numbers.impute.to_dict(),
            "scale": self.numbers.scale.to_dict(),
            "ordinal": self.ordinal.to_dict(),
            "few": list(self.few),
            "many": list(self.many),
            "one_hot": self.one_hot.to_dict(),
            "means": self.means.to_dict() if self.means else None,
            "means_scale": self.means_scale.to_dict(),
            "kept": list(self.kept),
            "n_numeric": self.n_numeric,
            "classes": list(self.classes),
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Encoder:
        """Rebuild an encoder from `to_dict`'s values."""
        recipe = Encode(**state["recipe"])
        scale = STATES[recipe.scale]
        numbers = Numbers(
            columns=tuple(state["columns"]),
            skew=STATES[recipe.skew].from_dict(state["skew"]) if state["skew"] else None,
            impute=impute.Impute.from_dict(state["impute"]),
            scale=scale.from_dict(state["scale"]),
            indicators=recipe.indicators,
        )
        return cls(
            recipe=recipe,
            numbers=numbers,
            ordinal=ordinal.Ordinal.from_dict(state["ordinal"]),
            few=tuple(state["few"]),
            many=tuple(state["many"]),
            one_hot=one_hot.OneHot.from_dict(state["one_hot"]),
            means=target_encode.TargetEncode.from_dict(state["means"]) if state["means"] else None,
            means_scale=scale.from_dict(state["means_scale"]),
            kept=tuple(state["kept"]),
            n_numeric=state["n_numeric"],
            classes=tuple(state["classes"]),
        )


def fit_encoder(
    recipe: Encode, rows: pd.DataFrame, target: np.ndarray, task: Task, seed: int
) -> tuple[Encoder, Encoded]:
    """Fit on these rows only; return the encoder and the encoding of the rows themselves.

    rows (n, columns) as in Table.train, target as in Table. The encoding differs from
    `encoder.transform(rows)` where target means are used: there, fitted rows get out-of-fold means.
    """
    numbers = _fit_numbers(recipe, rows)
    levels = ordinal.fit(rows.select_dtypes("category"), min_rows=recipe.min_rows)
    codes = levels.apply(rows)
    n_present = [len(np.unique(column)) for column in codes.T]
    few = tuple(c for c, n in enumerate(n_present) if 1 < n <= recipe.max_one_hot)
    many = tuple(c for c, n in enumerate(n_present) if n > max(recipe.max_one_hot, 1))
    means, encoded = None, codes[:, list(many)].astype(np.float64)
    if recipe.many_levels == "target":
        means, encoded = target_encode.fit(
            codes[:, list(many)], target, n_classes=len(task.classes), smoothing=recipe.smoothing, seed=seed
        )
    encoder = Encoder(
        recipe=recipe,
        numbers=numbers,
        ordinal=levels,
        few=few,
        many=many,
        one_hot=one_hot.fit(codes[:, list(few)]),
        means=means,
        means_scale=SCALES[recipe.scale].fit(encoded),
        kept=(),
        n_numeric=0,
        classes=task.classes or task.targets,
    )
    return _without_constants(encoder, numbers.apply(rows), codes, encoded)


def _fit_numbers(recipe: Encode, rows: pd.DataFrame) -> Numbers:
    columns = tuple(rows.select_dtypes("float64").columns)
    numbers = _finite(rows, columns)
    skew = SKEWS[recipe.skew].fit(numbers) if recipe.skew != "none" else None
    straight = skew.apply(numbers) if skew else numbers
    scale = SCALES[recipe.scale].fit(straight)
    return Numbers(columns, skew, impute.fit(straight, how=recipe.impute), scale, recipe.indicators)


def _without_constants(
    encoder: Encoder, numbers: list[np.ndarray], codes: np.ndarray, many: np.ndarray
) -> tuple[Encoder, Encoded]:
    """Find the dense columns that vary in the fitted rows and keep only those, numbers with many values first."""
    whole = replace(encoder, kept=tuple(range(len(encoder.names_of_all))))
    encoded = whole._assemble(numbers, codes, many)
    lowest, highest = encoded.dense.min(axis=0, initial=np.inf), encoded.dense.max(axis=0, initial=-np.inf)
    graded = ((encoded.dense > lowest) & (encoded.dense < highest)).any(axis=0)
    graded[len(encoder.numbers.columns) :] = False
    first, rest = np.flatnonzero(graded), np.flatnonzero((lowest < highest) & ~graded)
    kept = (*first.tolist(), *rest.tolist())
    return replace(encoder, kept=kept, n_numeric=len(first)), Encoded(
        np.take(encoded.dense, kept, axis=1), encoded.codes
    )


def _finite(rows: pd.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    """Return columns (n, d) as float64; an infinite entry counts as missing."""
    numbers = rows[list(columns)].to_numpy(dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)
