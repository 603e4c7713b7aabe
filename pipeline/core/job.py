"""What one device trains, and the loop over it: members join, take epochs together, leave when they have finished."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from pipeline.core import checkpoint
from pipeline.core.blocks import Network
from pipeline.core.capacity import is_out_of_memory, plan_capacity, shared_sheet
from pipeline.core.checkpoint import Snapshot
from pipeline.core.devices import keep_freed_memory
from pipeline.core.epoch import stop_loss, train_epoch
from pipeline.core.members import Member, Program, Trained, View
from pipeline.core.outcome import finished, harvest, judge
from pipeline.core.rungs import Reports
from pipeline.core.table import DeviceTable, copy, share
from pipeline.core.wave import Shapes, Wave, select, start, unite


@dataclass(frozen=True)
class Hooks:
    """What the caller wants to know and to decide; see `fused.train`."""

    advance: Callable[[int], None]
    stop: Callable[[], bool]
    checkpoint: Path | None
    reports: Reports


@dataclass(frozen=True)
class Job:
    """What one device trains: members by their place in the list that was asked for, in the order of the queue."""

    program: Program
    members: Mapping[int, Member]
    views: Sequence[View]
    device: torch.device
    net: Network
    shapes: Shapes
    train: DeviceTable
    stops: tuple[DeviceTable, ...]


@dataclass
class Run:
    """How far a job is: how many train at once, who does at present, and who has finished."""

    capacity: int
    wave: Wave | None = None
    finished: dict[int, Trained] = field(default_factory=dict)

    @property
    def training(self) -> list[int]:
        """Places of the members on the wave."""
        return [seat.place for seat in self.wave.seats] if self.wave else []


def tables_of(views: Sequence[View], device: torch.device) -> tuple[DeviceTable, tuple[DeviceTable, ...]]:
    """Put all rows on a device: those to learn from, and each set of those that choose an epoch."""
    if len({len(view.stops) for view in views}) > 1:
        found = ", ".join(str(len(view.stops)) for view in views)
        raise ValueError(f"views have {found} sets of stopping rows; all must have as many, or none")
    sheet = shared_sheet(views, device)
    put = copy if sheet is None else partial(share, sheet=sheet.to(device))
    train, *stops = (put(list(rows), device) for rows in zip(*(view.all_rows for view in views), strict=True))
    return train, tuple(stops)


def train_job(job: Job, hooks: Hooks) -> dict[int, Trained]:
    """Train a job's members to their end, or until the caller stops them."""
    keep_freed_memory()
    keeper = _keeper(job, hooks) if hooks.checkpoint else None
    run = _begin(job, keeper, hooks)
    while len(run.finished) < len(job.members):
        while not _took_epoch(job, run):
            _halve(run, hooks)
        hooks.advance(len(run.training))
        _let_go(job, run, hooks.reports)
        ended, stopped = len(run.finished) == len(job.members), hooks.stop()
        if keeper and (stopped or ended or keeper.is_due()):
            keeper.write(_snapshot(job, run, hooks.reports))
        if stopped:
            return run.finished | _truncated(job, run)
    return run.finished


def _keeper(job: Job, hooks: Hooks) -> checkpoint.Keeper:
    assert hooks.checkpoint is not None
    plan = checkpoint.plan_of(job.program, job.members, job.views, hooks.reports.rungs, job.device)
    return checkpoint.Keeper(hooks.checkpoint, plan)


def _snapshot(job: Job, run: Run, reports: Reports) -> Snapshot:
    state = run.wave.state if run.wave else {}
    return Snapshot(run.capacity, run.training, state, run.finished, reports.of(job.members))


def _begin(job: Job, keeper: checkpoint.Keeper | None, hooks: Hooks) -> Run:
    """Start anew, or go on from where an earlier run was."""
    found = keeper.found() if keeper else None
    if found is None:
        return Run(plan_capacity(job.program, job.views, job.net, len(job.members), job.device))
    run = Run(found.capacity, finished=found.finished)
    hooks.reports.restore(found.rungs)
    if found.places:
        run.wave = _fresh(job, found.places)
        for key, tensor in run.wave.state.items():
            tensor.copy_(found.state[key])  # into memory aligned as before: the last bit of a product depends on it
        hooks.advance(int(run.wave.state["epoch"].sum()))
    hooks.advance(sum(len(member.losses) for member in run.finished.values()))
    return run


def _fresh(job: Job, places: Sequence[int]) -> Wave:
    return start(job.program, {place: job.members[place] for place in places}, job.views, job.shapes, job.device)


def _waiting(job: Job, run: Run) -> list[int]:
    begun = {*run.finished, *run.training}
    return [place for place in job.members if place not in begun]


def _took_epoch(job: Job, run: Run) -> bool:
    """Let waiting members join and train an epoch; say no if the memory did not suffice."""
    try:
        if joining := _waiting(job, run)[: run.capacity - len(run.training)]:
            run.wave = unite(run.wave, _fresh(job, joining)) if run.wave else _fresh(job, joining)
        assert run.wave is not None
        losses, measured = train_epoch(job.program, job.net, run.wave, job.train, run.wave.state["epoch"].numpy())
        stopping = [stop_loss(job.program, job.net, run.wave, table) for table in job.stops]
        judge(job.program, run.wave, losses, torch.stack(stopping, dim=1) if stopping else None, measured)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error) or run.capacity == 1:
            raise
        return False
    return True


def _halve(run: Run, hooks: Hooks) -> None:
    """Send the wave back to the queue, to be trained from its beginning, fewer members at a time."""
    if run.wave is not None:
        hooks.advance(-int(run.wave.state["epoch"].sum()))
    run.capacity, run.wave = max(1, min(run.capacity, len(run.training) or run.capacity) // 2), None
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _let_go(job: Job, run: Run, reports: Reports) -> None:
    """Harvest the members that have finished, and those whose group is above the limit of a rung."""
    assert run.wave is not None
    rows = finished(job.program, run.wave)
    left = _left(run, rows, reports) if reports.rungs.epochs else set()
    rows = [row for row, seat in enumerate(run.wave.seats) if row in rows or seat.place in left]
    if rows:
        run.finished |= harvest(run.wave, rows)
        staying = [row for row in range(len(run.wave.seats)) if row not in rows]
        run.wave = select(run.wave, staying) if staying else None


def _left(run: Run, ended: list[int], reports: Reports) -> set[int]:
    """Have the members measured that stand at a rung or have ended; return the places of those that leave."""
    assert run.wave is not None
    places, epochs = run.training, run.wave.state["epoch"].tolist()
    due = [row for row in range(len(places)) if reports.due(places[row], math.inf if row in ended else epochs[row])]
    if due:
        reports.report(harvest(run.wave, due), ended={places[row] for row in ended})
    return reports.left()


def _truncated(job: Job, run: Run) -> dict[int, Trained]:
    """Return what members end with that were stopped, and those that had not begun, as they would have begun."""
    stopped = harvest(run.wave, list(range(len(run.wave.seats))), truncated=True) if run.wave else {}
    for place in _waiting(job, run):
        stopped |= harvest(_fresh(job, [place]), [0], truncated=True)
    return stopped
