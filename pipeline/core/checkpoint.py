"""Checkpoints of a whole run: all that goes on from there gives the same bits as if nothing had happened.

A file is named by the digest of the plan, which is everything that decides the outcome: program, members, rows, kind of
device, and version of torch. A run with another plan looks for another file. The plan's digests stand in the header
too, beside what a run adds to its plan while it goes on: how many train at once, who they are, in which order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from torch import Tensor

from pipeline.core import save
from pipeline.core.members import Kept, Member, Program, Trained, View
from pipeline.core.rungs import Rungs

SECONDS = 60.0  # between checkpoints
FORMAT = "4"

Plan = Mapping[str, str]  # digest or version by what it is of


@dataclass(frozen=True)
class Snapshot:
    """Where a run stands between two epochs: tensors of the wave by name, places of its members in their order.

    rungs: the errors that members have shown at theirs, by place.
    """

    capacity: int
    places: list[int]
    state: dict[str, Tensor] = field(repr=False)
    finished: dict[int, Trained] = field(repr=False)
    rungs: dict[int, list[float]] = field(default_factory=dict, repr=False)


def plan_of(
    program: Program, members: Mapping[int, Member], views: Sequence[View], rungs: Rungs, device: torch.device
) -> Plan:
    """Return the digests of everything that decides the outcome."""
    return {
        "format": FORMAT,
        "torch": torch.__version__,
        "device": device.type,
        "program": _digest(repr(program).encode()),
        "members": _digest(repr(sorted(members.items())).encode()),
        "rungs": _digest(rungs.plan.encode()),
        "rows": _digest(*(part for view in views for part in _described(view)), *_sheets(views)),
    }


class Keeper:
    """Keeps one run's snapshots in a folder, under a name made of its plan."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._path = folder / f"{_digest(json.dumps(plan, sort_keys=True).encode())[:32]}.safetensors"
        self._plan = plan
        self._written = monotonic()

    def found(self) -> Snapshot | None:
        """Return where an earlier run of this plan stood, if there was one."""
        return read(self._path, self._plan) if self._path.is_file() else None

    def is_due(self) -> bool:
        """Say whether the last snapshot is old."""
        return monotonic() - self._written >= SECONDS

    def write(self, snapshot: Snapshot) -> None:
        """Write a snapshot over the one before; a kill in between leaves the one before."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write(self._path, self._plan, snapshot)
        self._written = monotonic()


def write(path: Path, plan: Plan, snapshot: Snapshot) -> None:
    """Write a checkpoint: tensors, and in the header the plan and what the run added to it."""
    tensors = {f"wave/{key}": tensor for key, tensor in snapshot.state.items()}
    for place, member in snapshot.finished.items():
        for number, kept in enumerate(member.kept):
            tensors |= {f"state/{place}/{number}/{name}": tensor for name, tensor in kept.state.items()}
        tensors[f"losses/{place}"] = torch.from_numpy(member.losses)
        tensors |= {f"layers/{place}/{name}": torch.from_numpy(found) for name, found in member.layers.items()}
    finished = {
        str(place): [[kept.epoch for kept in member.kept], member.diverged]
        for place, member in snapshot.finished.items()
    }
    own = {"capacity": snapshot.capacity, "places": snapshot.places, "finished": finished, "rungs": snapshot.rungs}
    save.save(path, tensors, {"plan": dict(plan), "run": own})


def read(path: Path, plan: Plan) -> Snapshot:
    """Return what was written; a checkpoint of another plan is refused."""
    tensors, header = save.load(path)
    _refuse_other(path, plan, header.get("plan", {}))
    state, finished, own = _below(tensors, "wave/"), {}, header["run"]
    for place, (epochs, diverged) in own["finished"].items():
        kept = [Kept(_below(tensors, f"state/{place}/{number}/"), epoch) for number, epoch in enumerate(epochs)]
        layers = {name: found.numpy() for name, found in _below(tensors, f"layers/{place}/").items()}
        finished[int(place)] = Trained(tuple(kept), tensors[f"losses/{place}"].numpy(), diverged, layers=layers)
    rungs = {int(place): errors for place, errors in own["rungs"].items()}
    return Snapshot(own["capacity"], own["places"], state, finished, rungs)


def _below(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {key.removeprefix(start): tensor for key, tensor in tensors.items() if key.startswith(start)}


def _refuse_other(path: Path, plan: Plan, found: Plan) -> None:
    """Raise with a line for everything in which the plan of the file differs from the one that is asked for."""
    differences = [
        f"{name}: {found.get(name)} in the file, {wanted} now"
        for name, wanted in plan.items()
        if found.get(name) != wanted
    ]
    if differences:
        raise ValueError(
            "\n".join([f"{path} is the checkpoint of another plan; remove it to start anew:", *differences])
        )


def _digest(*parts: bytes | np.ndarray) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(hashlib.sha256(part if isinstance(part, bytes) else part.data).digest())
    return total.hexdigest()


def _described(view: View) -> Iterator[bytes | np.ndarray]:
    yield repr((view.n_levels, view.n_numeric, len(view.stops))).encode()
    for rows in view.all_rows:
        for part in (*rows.parts, *([] if rows.excerpt is None else rows.excerpt.parts)):
            yield from _bytes_of(part)


def _sheets(views: Sequence[View]) -> Iterator[bytes | np.ndarray]:
    """Describe every sheet once, however many views read it."""
    excerpts = [rows.excerpt for view in views for rows in view.all_rows]
    for sheet in {id(excerpt.sheet): excerpt.sheet for excerpt in excerpts if excerpt is not None}.values():
        yield repr((sheet.farthest, sheet.soft)).encode()
        yield from _bytes_of(sheet.numbers)
        yield from _bytes_of(sheet.flags)


def _bytes_of(part: Tensor) -> Iterator[bytes | np.ndarray]:
    yield repr((part.shape, part.dtype)).encode()
    yield part.contiguous().reshape(-1).numpy()
