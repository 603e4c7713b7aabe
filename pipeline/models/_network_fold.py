"""The folds of a table in one encoding: what each has fitted, and its rows as excerpts of a sheet that all share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pipeline.core.members import EncodedRows
from pipeline.core.sheet import Excerpt, Reading, Sheet
from pipeline.models._network_sheet import lay_out, own_columns
from pipeline.transforms.encoder import Encoded, Encoder, fit_encoder
from pipeline.transforms.recipe import Encode, Target
from pipeline.transforms.target import AnyTransform, fit_targets
from pipeline.types import Table

Key = tuple[int, ...]  # repeat, fold; of a network that leaves out two folds also the other


@dataclass(frozen=True)
class Encoding:
    """How every fold's rows become what networks learn from; overshoot: see `limited`."""

    encode: Encode
    target: Target
    overshoot: float | None


@dataclass(frozen=True)
class Cut:
    """Positions of the rows that a fold fits on and of those that it validates, and the seed of what it draws."""

    rows: np.ndarray
    valid: np.ndarray
    seed: int


@dataclass(frozen=True)
class Fold:
    """What a fold has fitted on its rows, and these and the rows to validate, without targets.

    target: its transform, None for classes.
    """

    rows: np.ndarray
    encoder: Encoder
    target: AnyTransform | None
    encoded: EncodedRows
    valid: EncodedRows

    @property
    def n_levels(self) -> int:
        """Levels of all embedded columns together."""
        return sum(self.encoder.level_counts)

    def learnt(self, target: np.ndarray) -> Tensor:
        """Return what a network learns: class codes (n,), or the transformed targets (n, n_targets)."""
        if self.target is None:
            return torch.from_numpy(target)
        learnt = torch.from_numpy(self.target.forward(target)).float()
        return learnt if learnt.ndim > 1 else learnt.unsqueeze(1)

    def held(self, table: Table, rows: np.ndarray) -> EncodedRows:
        """Return rows of the table that were not fitted: those have out-of-fold target means, these have not."""
        found = _own_rows(self.encoder, self.encoder.transform(table.train.iloc[rows]))
        assert self.encoded.excerpt is not None
        return replace(found, excerpt=replace(self.encoded.excerpt, at=torch.from_numpy(rows)))


def encode_folds(how: Encoding, table: Table, cuts: Mapping[Key, Cut]) -> dict[Key, Fold]:
    """Fit an encoding in every fold, on its rows alone; of the encoded rows only a fold's own columns are kept."""
    fitted = {key: _fit(how, table, cut) for key, cut in cuts.items()}
    sheet, readings = lay_out(table.train, [fold.encoder for fold in fitted.values()])
    return {
        key: _on_sheet(fold, cuts[key], sheet, reading)
        for (key, fold), reading in zip(fitted.items(), readings, strict=True)
    }


def _fit(how: Encoding, table: Table, cut: Cut) -> Fold:
    target = table.target[cut.rows]
    encoder, encoded = fit_encoder(how.encode, table.train.iloc[cut.rows], target, table.task, cut.seed)
    fitted = None
    if table.task.kind == "regression":
        fitted = fit_targets(how.target, target, table.task, how.overshoot)
    valid = _own_rows(encoder, encoder.transform(table.train.iloc[cut.valid]))
    return Fold(cut.rows, encoder, fitted, _own_rows(encoder, encoded), valid)


def _on_sheet(fold: Fold, cut: Cut, sheet: Sheet, reading: Reading) -> Fold:
    encoded, valid = (Excerpt(sheet, reading, torch.from_numpy(rows)) for rows in (cut.rows, cut.valid))
    return replace(fold, encoded=replace(fold.encoded, excerpt=encoded), valid=replace(fold.valid, excerpt=valid))


def _own_rows(encoder: Encoder, encoded: Encoded) -> EncodedRows:
    """Keep the columns that are on no sheet."""
    return to_rows(encoder, replace(encoded, dense=encoded.dense[:, own_columns(encoder)]))


def to_rows(encoder: Encoder, encoded: Encoded) -> EncodedRows:
    """Turn encoded rows into tensors; codes count through the levels of all columns, targets are zero."""
    starts = np.concatenate([[0], np.cumsum(encoder.level_counts)[:-1]]).astype(np.int64)
    codes = encoded.codes + starts[: encoded.codes.shape[1]]
    dense = torch.from_numpy(encoded.dense)
    return EncodedRows(dense, torch.from_numpy(codes), torch.zeros(len(dense), 1))
