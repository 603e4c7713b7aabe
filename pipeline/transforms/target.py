"""The target of a regression is put on the scale a network learns best on, and predictions are put back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.errors import ConfigError
from pipeline.transforms._skewness import skewness
from pipeline.transforms.recipe import Target
from pipeline.transforms.skew_yeo_johnson import fit as fit_power
from pipeline.transforms.skew_yeo_johnson import inverse_yeo_johnson, yeo_johnson
from pipeline.types import Task

KIND = "general"
READS = "target"
SKEWED = 1.0
RELATIVE = ("rmsle", "mape", "rmspe", "smape")  # metrics that judge ratios
N_QUANTILES = 1_000


@dataclass(frozen=True)
class TargetTransform:
    """shape: how values are bent; then (bent - center) / scale. limits: the bent values an inverse may reach.

    power: Yeo-Johnson's lambda. quantiles: the fitted rows' values at evenly spaced ranks, of the shape "quantile";
    a value that is there several times has the middle one of its ranks.
    """

    shape: str
    center: float = 0.0
    scale: float = 1.0
    limits: tuple[float, float] | None = None
    power: float = 1.0
    quantiles: tuple[float, ...] = ()

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Return what the model learns, for target values (n,).

        A value that the shape cannot take (a stopping row below all that were fitted) counts as the lowest limit.
        """
        bent = _bend(self, values)
        if self.limits:
            bent = np.where(np.isfinite(bent), bent, self.limits[0])
        return (bent - self.center) / self.scale

    def inverse(self, learnt: np.ndarray) -> np.ndarray:
        """Return target values for what the model predicts, any shape.

        A bent value is kept within one range of the fitted ones beyond their ends, so that one wild
        output of a network cannot become an infinite price.
        """
        bent = learnt * self.scale + self.center
        return _unbend(self, np.clip(bent, *self.limits) if self.limits else bent)

    def to_dict(self) -> dict[str, Any]:
        limits = list(self.limits) if self.limits else None
        return vars(self) | {"limits": limits, "quantiles": list(self.quantiles)}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> TargetTransform:
        limits = tuple(state["limits"]) if state["limits"] else None
        return cls(**(state | {"limits": limits, "quantiles": tuple(state["quantiles"])}))


@dataclass(frozen=True)
class TargetTransforms:
    """The transforms of several targets, one a column."""

    columns: tuple[TargetTransform, ...]

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Return what the model learns, for target values (n, n_targets)."""
        return np.column_stack([own.forward(column) for own, column in zip(self.columns, values.T, strict=True)])

    def inverse(self, learnt: np.ndarray) -> np.ndarray:
        """Return target values for what the model predicts (n, n_targets)."""
        return np.column_stack([own.inverse(column) for own, column in zip(self.columns, learnt.T, strict=True)])

    def to_dict(self) -> dict[str, Any]:
        return {"columns": [own.to_dict() for own in self.columns]}


AnyTransform = TargetTransform | TargetTransforms


def read_transform(state: dict[str, Any]) -> AnyTransform:
    """Return the transform of one target or of several, from what its `to_dict` gave."""
    if "columns" in state:
        return TargetTransforms(tuple(map(TargetTransform.from_dict, state["columns"])))
    return TargetTransform.from_dict(state)


def fit_targets(kind: Target, target: np.ndarray, task: Task, overshoot: float | None = None) -> AnyTransform:
    """Fit on the target (n,), or on each of several (n, n_targets), of a fold's training rows.

    overshoot: by how many ranges of the fitted target an inverse may leave it at most; None as `fit_target` says.
    """
    if target.ndim > 1:
        return TargetTransforms(tuple(_fit(kind, own, task, overshoot) for own in target.T))
    return _fit(kind, target, task, overshoot)


def _fit(kind: Target, target: np.ndarray, task: Task, overshoot: float | None) -> TargetTransform:
    fitted = fit_target(kind, target, task)
    return fitted if overshoot is None else limited(fitted, target, overshoot)


def fit_target(kind: Target, target: np.ndarray, task: Task) -> TargetTransform:
    """Fit on the target (n,) of a fold's training rows; every kind but "none" ends standardised.

    "auto" is log1p where the metric judges ratios, or where all values are positive, their skewness is above 1
    and the logarithm lowers it; otherwise standardise. "log", "log1p" and "sqrt" refuse values they cannot take.
    """
    if task.kind != "regression":
        raise ValueError(f"a {task.kind} target has classes and is not transformed")
    if kind == "none":
        return TargetTransform("identity")
    shape = _chosen(target, task) if kind == "auto" else {"standardise": "identity"}.get(kind, kind)
    fitted = TargetTransform(
        shape,
        power=_power(target) if shape == "yeo-johnson" else 1.0,
        quantiles=_quantiles(target) if shape == "quantile" else (),
    )
    return _standardised(fitted, target)


def limited(fitted: TargetTransform, target: np.ndarray, overshoot: float) -> TargetTransform:
    """Return the transform with an inverse that leaves the fitted target's (bent) range by so many ranges at most."""
    bent = _bend(fitted, target)
    low, high = float(bent.min()), float(bent.max())
    beyond = overshoot * (high - low)
    return replace(fitted, limits=(low - beyond, high + beyond))


def _chosen(target: np.ndarray, task: Task) -> str:
    if target.min() < 0:
        return "identity"
    before, after = (float(skewness(values[:, None])[0]) for values in (target, np.log1p(target)))
    skewed = target.min() > 0 and before > SKEWED and abs(after) < before
    return "log1p" if skewed or task.metric.name in RELATIVE else "identity"


def _standardised(fitted: TargetTransform, target: np.ndarray) -> TargetTransform:
    bent = _bend(fitted, target)
    if not np.isfinite(bent).all():
        refused = int((~np.isfinite(bent)).sum())
        raise ConfigError(
            f"target = '{fitted.shape}' cannot take {refused} of {len(target)} target values, "
            f"the lowest is {target.min():g}",
            hint="target = 'yeo-johnson' takes values of any sign",
        )
    low, high = float(bent.min()), float(bent.max())
    scale = float(bent.std()) if high > low else 1.0
    limits = None if fitted.shape == "identity" else (2 * low - high, 2 * high - low)
    return TargetTransform(fitted.shape, float(bent.mean()), scale or 1.0, limits, fitted.power, fitted.quantiles)


def _power(target: np.ndarray) -> float:
    powers = fit_power(target[:, None]).powers
    return powers[0][1] if powers else 1.0


def _quantiles(target: np.ndarray) -> tuple[float, ...]:
    return tuple(np.quantile(target, np.linspace(0, 1, min(N_QUANTILES, len(target)))).tolist())


def _bend(fitted: TargetTransform, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):  # what it cannot take becomes NaN and is refused by the caller
        if fitted.shape == "log1p":
            return np.log1p(values)
        if fitted.shape == "log":
            return np.log(values)
        if fitted.shape == "sqrt":
            return np.sqrt(values)
    if fitted.shape == "yeo-johnson":
        return yeo_johnson(values[..., None], np.array([fitted.power]))[..., 0]
    if fitted.shape == "quantile":
        return _normal_scores(len(fitted.quantiles), np.interp(values, *_knots(fitted)))
    return values


def _unbend(fitted: TargetTransform, bent: np.ndarray) -> np.ndarray:
    if fitted.shape == "log1p":
        return np.expm1(bent)
    if fitted.shape == "log":
        return np.exp(bent)
    if fitted.shape == "sqrt":
        return np.maximum(bent, 0.0) ** 2
    if fitted.shape == "yeo-johnson":
        return inverse_yeo_johnson(bent[..., None], np.array([fitted.power]))[..., 0]
    if fitted.shape == "quantile":
        knots, ranks = _knots(fitted)
        return np.interp(_share(len(fitted.quantiles), bent), ranks, knots)
    return bent


def _knots(fitted: TargetTransform) -> tuple[np.ndarray, np.ndarray]:
    """Return the values among the quantiles, each once, and their ranks in [0, 1]: both increase, or none is undone."""
    values, first, times = np.unique(fitted.quantiles, return_index=True, return_counts=True)
    return values, (first + (times - 1) / 2) / max(len(fitted.quantiles) - 1, 1)


def _normal_scores(n_quantiles: int, share: np.ndarray) -> np.ndarray:
    """Turn ranks in [0, 1] into normal deviates, the ends half a step inside."""
    from scipy.special import ndtri

    return ndtri((share * (n_quantiles - 1) + 0.5) / n_quantiles)


def _share(n_quantiles: int, scores: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return np.clip((ndtr(scores) * n_quantiles - 0.5) / max(n_quantiles - 1, 1), 0.0, 1.0)
