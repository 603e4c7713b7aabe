"""What was kept of models, read and asked in a process that has not made it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import forked


def predictions(name: str, folders: Sequence[Path]) -> list[list[Any]]:
    """Return what every entry of a model predicts for rows.parquet, as the mean over all that was kept of it.

    folders: each holds names.json, the names of its entries, and in fitted/ what was kept of them.
    """
    forked.forget()
    import numpy as np
    import pandas as pd

    from pipeline.engine.plugins import find, load

    model, found = load(find("models", name, where="test")), []
    for folder in folders:
        rows, fits = pd.read_parquet(folder / "rows.parquet"), sorted(folder.glob("fitted/*"))
        names = [entry.split("/")[1:] for entry in json.loads((folder / "names.json").read_text())]
        found.append([np.mean([model.load(fit, *own).predict(rows) for fit in fits], axis=0) for own in names])
    return found


def network_outputs(path: Path) -> list[list[float]]:
    """Return what a saved network of three columns says of a row of ones."""
    forked.forget()
    import torch

    from pipeline.core.blocks import Architecture, build
    from pipeline.core.save import load, load_into

    tensors, header = load(path)
    net = build(Architecture(**(header | {"hidden": tuple(header["hidden"])})), 3)
    load_into(net, tensors)
    return net(torch.ones(1, 3)).tolist()
