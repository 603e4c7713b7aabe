"""Save and load tensors: safetensors with a JSON header, everything compared on load; the architecture is code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def save(path: Path | str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write named tensors and a JSON header; tensors that share memory are written once and stay tied.

    Written aside and renamed, so that under this name there is a whole file or the one before. There is one metadata
    entry, "header": safetensors writes several in an order that changes from run to run.
    """
    path, owners = Path(path), dict[tuple[int, tuple[int, ...]], str]()
    tied = {}
    for name, tensor in tensors.items():
        owner = owners.setdefault((tensor.data_ptr(), tuple(tensor.shape)), name) if tensor.numel() else name
        if owner != name:
            tied[name] = owner
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items() if name not in tied}
    aside = path.with_name(f".{path.name}.partial")
    save_file(own, aside, metadata={"header": json.dumps({"header": header, "tied": tied}, sort_keys=True)})
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(path)


def load(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors, tied ones sharing memory again, and the header that `save` wrote."""
    with safe_open(path, framework="pt") as file:
        if "header" not in (written := file.metadata() or {}):
            raise ValueError(f"{path} has no header: it was not written by `save` of {__name__}")
        metadata = json.loads(written["header"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return tensors | {name: tensors[owner] for name, owner in metadata["tied"].items()}, metadata["header"]


@torch.no_grad()
def load_into(net: nn.Module, tensors: Mapping[str, Tensor], source: object = "the tensors") -> None:
    """Copy tensors into a network whose sizes are set; every difference is listed, with both sides, in one error."""
    state = net.state_dict()
    check(state, tensors, source)
    for name, tensor in state.items():
        tensor.copy_(tensors[name])


def check(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], source: object) -> None:
    """Raise ValueError with a line for every mismatch, if there is one."""
    if differences := mismatches(wanted, found, source):
        raise ValueError("\n".join([f"{source} does not fit the network:", *differences]))


def mismatches(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], source: object) -> list[str]:
    """Return one line for each name, shape or dtype in which two sets of tensors differ."""
    lines = [f"{name}: in the network, not in {source}" for name in wanted if name not in found]
    lines += [f"{name}: in {source}, not in the network" for name in found if name not in wanted]
    for name in wanted.keys() & found.keys():
        ours, theirs = wanted[name], found[name]
        if ours.shape != theirs.shape:
            lines.append(f"{name}: shape {tuple(ours.shape)} in the network, {tuple(theirs.shape)} in {source}")
        if ours.dtype != theirs.dtype:
            lines.append(f"{name}: {ours.dtype} in the network, {theirs.dtype} in {source}")
    return sorted(lines)
