"""The networks fitted on one fold's encoding: predict new rows, save, load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from pipeline.core import save
from pipeline.core.blocks import Architecture, build, tensors
from pipeline.core.fused import predict
from pipeline.core.losses import Loss
from pipeline.core.members import Rows
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

    def predict_encoded(self, rows: Rows) -> np.ndarray:
        """Return the same for rows that are encoded already."""
        states = [dict(state) for state in self.states]
        output = predict(_sized(self.architecture, self.encoder), states, rows).double()
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
    target = read_transform(stored["target"]) if stored["target"] else None
    return NetworkFit(encoder, target, architecture, header["loss"], tuple(states[n] for n in sorted(states, key=int)))


def _sized(architecture: Architecture, encoder: Encoder) -> Architecture:
    """Return the architecture for one fold's columns."""
    return replace(architecture, n_levels=sum(encoder.level_counts), n_numeric=encoder.n_numeric)


def _architecture(stored: dict[str, Any]) -> Architecture:
    return Architecture(**(stored | {"hidden": tuple(stored["hidden"])}))
