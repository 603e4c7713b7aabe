"""The networks fitted on one fold's encoding, or on several: predict new rows, save, load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from pipeline.core import save
from pipeline.core.blocks import Architecture, build, summary, tensors
from pipeline.core.fused import predict
from pipeline.core.losses import Loss
from pipeline.core.members import EncodedRows
from pipeline.files import read_json, write_json
from pipeline.models._network_fold import to_rows
from pipeline.models._network_losses import probabilities
from pipeline.transforms.encoder import Encoder
from pipeline.transforms.target import AnyTransform, read_transform


@dataclass(frozen=True)
class NetworkFit:
    """A fold's networks, one a seed; predictions are averaged: of classes as probabilities, of values before the
    target's transform is undone."""

    encoder: Encoder
    target: AnyTransform | None
    architecture: Architecture
    loss: Loss
    states: tuple[Mapping[str, Tensor], ...]

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return values (n, n_targets) or probabilities (n, n_classes) for rows with the fitted columns."""
        return self.predict_encoded(to_rows(self.encoder, self.encoder.transform(rows)))

    def predict_encoded(self, rows: EncodedRows) -> np.ndarray:
        """Return the same for rows that are encoded already."""
        states = [dict(state) for state in self.states]
        output = predict(_sized(self.architecture, self.encoder), states, rows).double()
        if self.target is None:
            return probabilities(self.loss, output).mean(dim=0).numpy()
        return self.target.inverse(output.mean(dim=0).numpy())

    def mean(self, predicted: Sequence[np.ndarray]) -> np.ndarray:
        """Return the mean of what the fits that it consists of predict: its own prediction."""
        (own,) = predicted
        return own

    @property
    def summary(self) -> str:
        """One line a parameter of one of the networks: name, shape and count; the total comes last."""
        sized = _sized(self.architecture, self.encoder)
        return summary(build(sized, len(self.encoder.names), len(self.encoder.level_counts)))

    def save(self, folder: Path) -> None:
        """Write weights.safetensors, with architecture and loss in its header, and encoder.json."""
        named = {f"{n}/{name}": tensor for n, state in enumerate(self.states) for name, tensor in state.items()}
        header = {"architecture": asdict(self.architecture), "loss": self.loss}
        save.save(folder / "weights.safetensors", named, header)
        target = self.target.to_dict() if self.target else None
        write_json(folder / "encoder.json", {"encoder": self.encoder.to_dict(), "target": target})


@dataclass(frozen=True)
class Bag:
    """A fold's networks where each was fitted on rows, and an encoding, of its own; predictions are averaged likewise.

    Values are averaged on the scale of the first one's target transform, on which all of them were learnt but for the
    rows that it was fitted on.
    """

    fits: tuple[NetworkFit, ...]

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Return values (n, n_targets) or probabilities (n, n_classes) for rows with the fitted columns."""
        return self.mean([fit.predict(rows) for fit in self.fits])

    def mean(self, predicted: Sequence[np.ndarray]) -> np.ndarray:
        """Return the networks' mean, of what each of the fits predicts (n, n_outputs): the mean of its own ones."""
        target, n_networks = self.fits[0].target, [len(fit.states) for fit in self.fits]
        if target is None:
            return np.average(predicted, axis=0, weights=n_networks)
        return target.inverse(np.average([target.forward(own) for own in predicted], axis=0, weights=n_networks))

    @property
    def summary(self) -> str:
        """That of the first fit."""
        return self.fits[0].summary

    def save(self, folder: Path) -> None:
        """Write each network into a folder of its own, by its number."""
        for number, fit in enumerate(self.fits):
            (folder / str(number)).mkdir()
            fit.save(folder / str(number))


def load(folder: Path) -> NetworkFit | Bag:
    """Read what `NetworkFit.save` or `Bag.save` wrote."""
    if (folder / "encoder.json").is_file():
        return _load(folder)
    return Bag(tuple(_load(own) for own in sorted(folder.iterdir(), key=lambda own: int(own.name))))


def _load(folder: Path) -> NetworkFit:
    """Read one encoding's networks; names, shapes and types of all weights are compared with the architecture."""
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
    target = read_transform(stored["target"]) if stored["target"] else None
    return NetworkFit(encoder, target, architecture, header["loss"], tuple(states[n] for n in sorted(states, key=int)))


def _sized(architecture: Architecture, encoder: Encoder) -> Architecture:
    """Return the architecture for one fold's columns."""
    return replace(architecture, n_levels=sum(encoder.level_counts), n_numeric=encoder.n_numeric)


def _architecture(stored: dict[str, Any]) -> Architecture:
    return Architecture(**(stored | {"hidden": tuple(stored["hidden"])}))
