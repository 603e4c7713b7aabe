"""Isotonic calibration: probabilities become the shares that they turned out to be, by any curve that only rises.

A temperature has one number and keeps the order of all rows; a curve repairs what one number cannot, from thousands
of rows on, and draws rows together where it is flat, which AUC counts as ties. Of several classes each has a curve
of its own, and a row's values are normalised.
Sources: Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass probability estimates";
Niculescu-Mizil and Caruana 2005, "Predicting good probabilities with supervised learning", for the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curves:
    """A rising curve a class: its corners (x, y), of two classes that of the second; none where nothing is changed."""

    corners: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return probabilities (n, n_classes) by their curves; between two corners they rise in a straight line."""
        if not self.corners:
            return probabilities
        last = probabilities[:, -len(self.corners) :].T
        found = np.column_stack([np.interp(p, *corners) for p, corners in zip(last, self.corners, strict=True)])
        if len(self.corners) == 1:
            return np.column_stack([1 - found, found])
        return np.asarray(found / found.sum(axis=1, keepdims=True))


def fit_curves(probabilities: np.ndarray, target: np.ndarray) -> Curves:
    """Return the curves of lowest squared error for probabilities (n, n_classes) of the classes in target (n,).

    No value is certain: it stays as far from 0 and 1 as one more row of either kind would take it.
    """
    from sklearn.isotonic import IsotonicRegression

    n_rows, n_classes = probabilities.shape
    edge = 1 / (n_rows + 2)
    corners = []
    for label in range(1 if n_classes == 2 else 0, n_classes):
        curve = IsotonicRegression(y_min=edge, y_max=1 - edge).fit(probabilities[:, label], target == label)
        corners.append((tuple(curve.X_thresholds_.tolist()), tuple(curve.y_thresholds_.tolist())))
    return Curves(tuple(corners))
