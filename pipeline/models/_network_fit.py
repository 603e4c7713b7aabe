"""One fold's encoding, and the networks fitted on it: predict new rows, save, load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pipeline.core import save
from pipeline.core.blocks import Architecture, build, tensors
from pipeline.core.fused import predict
from pipeline.core.losses import Loss
from pipeline.core.members import Rows
from pipeline.files import read_json, write_json
from pipeline.models._network_losses import probabilities
from pipeline.transforms.encoder import Encoded, Encoder, fit_encoder
from pipeline.transforms.recipe import Encode, Target
from pipeline.transforms.target import TargetTransform, fit_target, limited
from pipeline.types import Table


@dataclass(frozen=True)
class Fold:
    """A fold's training and validation rows in the encoding fitted on the former; target is None for classes."""

    rows: np.ndarray
    encoder: Encoder
    encoded: Encoded
    valid: Encoded
    target: TargetTransform | None

    @property
    def n_levels(self) -> int:
        """Levels of all embedded columns together."""
        return sum(self.encoder.level_counts)

    def learnt(self, target: np.ndarray) -> Tensor:
        """Return what a network learns: class codes (n,), or the transformed target (n, 1)."""
        if self.target is None:
            return torch.from_numpy(target)
        return torch.from_numpy(self.target.forward(target)).float().unsqueeze(1)


def encode_fold(
    encode: Encode,
    target: Target,
    overshoot: float | None,
    table: Table,
    rows: np.ndarray,
    valid: np.ndarray,
    seed: int,
) -> Fold:
    """Fit the encoder and the target's transform on these rows alone, and encode the rows to validate."""
    encoder, encoded = fit_encoder(encode, table.train.iloc[rows], table.target[rows], table.task, seed)
    fitted = None
    if table.task.kind == "regression":
        fitted = fit_target(target, table.target[rows], table.task)
        fitted = fitted if overshoot is None else limited(fitted, table.target[rows], overshoot)
    return Fold(rows, encoder, encoded, encoder.transform(table.train.iloc[valid]), fitted)


def to_rows(encoder: Encoder, encoded: Encoded, target: Tensor | None = None, weight: np.ndarray | None = None) -> Rows:
    """Turn encoded rows into tensors; codes count through the levels of all columns."""
    starts = np.concatenate([[0], np.cumsum(encoder.level_counts)[:-1]]).astype(np.int64)
    codes = encoded.codes + starts[: encoded.codes.shape[1]]
    dense = torch.from_numpy(encoded.dense)
    counted = None if weight is None else torch.from_numpy(weight).to(dense.dtype)
    return Rows(dense, torch.from_numpy(codes), torch.zeros(len(dense), 1) if target is None else target, counted)


@dataclass(frozen=True)
class NetworkFit:
    """A fold's networks, one a seed; predictions are averaged: of classes as probabilities, of values before the
    target's transform is undone."""

    encoder: Encoder
    target: TargetTransform | None
    architecture: Architecture
    loss: Loss
    states: tuple[Mapping[str, Tensor], ...]

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return values (n, 1) or probabilities (n, n_classes) for rows with the fitted columns."""
        return self.predict_encoded(self.encoder.transform(rows))

    def predict_encoded(self, encoded: Encoded) -> np.ndarray:
        """Return the same for rows that are encoded already."""
        output = predict(
            _sized(self.architecture, self.encoder),
            [dict(state) for state in self.states],
            to_rows(self.encoder, encoded),
        ).double()
        if self.target is None:
            return probabilities(self.loss, output).mean(dim=0).numpy()
        return self.target.inverse(output.mean(dim=0).numpy())

    def save(self, folder: Path) -> None:
        """Write weights.safetensors, with architecture and loss in its header, and encoder.json."""
        named = {f"{n}/{name}": tensor for n, state in enumerate(self.states) for name, tensor in state.items()}
        header = {"architecture": asdict(self.architecture), "loss": self.loss}
        save.save(folder / "weights.safetensors", named, header)
        target = self.target.to_dict() if self.target else None
        write_json(folder / "encoder.json", {"encoder": self.encoder.to_dict(), "target": target})


def load(folder: Path) -> NetworkFit:
    """Read what `NetworkFit.save` wrote; names, shapes and types of all weights are compared with the architecture."""
    stored = read_json(folder / "encoder.json")
    found, header = save.load(folder / "weights.safetensors")
    encoder = Encoder.from_dict(stored["encoder"])
    architecture = _architecture(header["architecture"])
    states: dict[str, dict[str, Tensor]] = {}
    for name, tensor in found.items():
        number, _, own = name.partition("/")
        states.setdefault(number, {})[own] = tensor
    sized = build(_sized(architecture, encoder), len(encoder.names), len(encoder.level_counts))
    for state in states.values():
        save.check(tensors(sized), state, folder / "weights.safetensors")
    target = TargetTransform.from_dict(stored["target"]) if stored["target"] else None
    return NetworkFit(encoder, target, architecture, header["loss"], tuple(states[n] for n in sorted(states, key=int)))


def _sized(architecture: Architecture, encoder: Encoder) -> Architecture:
    """Return the architecture for one fold's columns."""
    return replace(architecture, n_levels=sum(encoder.level_counts), n_numeric=encoder.n_numeric)


def _architecture(stored: dict[str, Any]) -> Architecture:
    return Architecture(**(stored | {"hidden": tuple(stored["hidden"])}))
