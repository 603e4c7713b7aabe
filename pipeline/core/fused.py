"""Train many small networks of one architecture as one program.

A member is one network: one (recipe, repeat, fold, seed). The members' parameters are stacked, (M, in, out), so that a
layer is one batched operation and the optimiser's step a few operations on whole tensors. Every member keeps its own
learning rate, decay, dropout, batch order, best weights and fate: its result doesn't depend on who shares the batch.
As many train at once as memory allows; whoever has finished leaves, and the next one in the queue joins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock

import torch
from torch import Tensor
from torch.func import functional_call

from pipeline.core.blocks import Architecture, Network
from pipeline.core.devices import cpu_jobs
from pipeline.core.job import Hooks, Job, tables_of, train_job
from pipeline.core.members import EncodedRows, Member, Program, Trained, View, refuse_misfits
from pipeline.core.rungs import NONE, Reports, Rungs
from pipeline.core.side_by_side import side_by_side
from pipeline.core.wave import shapes_of, template

CHUNK_ROWS = 2048  # rows a network predicts at once
CPU = torch.device("cpu")


def train(
    program: Program,
    members: Sequence[Member],
    views: Sequence[View],
    *,
    devices: Sequence[torch.device] = (CPU,),
    advance: Callable[[int], None] = lambda epochs: None,  # noqa: ARG005
    stop: Callable[[], bool] = lambda: False,
    checkpoint: Path | None = None,
    rungs: Rungs = NONE,
) -> list[Trained]:
    """Train all members, spread over the devices; return them in their order, which is the order they begin in.

    advance: called with the number of epochs that members have just done (negative where work was lost).
    stop: asked once an epoch; once it says yes, every member ends as it is, marked as truncated.
    checkpoint: a folder in which the whole run is kept every minute; a call with the same arguments goes on from there,
    to the same bits on the same kind of machine with as many threads. Whoever made the folder removes it.
    rungs: epochs at which groups of members are measured; those above a limit end there, and others take their places.
    """
    if not members:
        return []
    refuse_misfits(program, members, views)
    jobs = _jobs(program, members, views, [CPU] * cpu_jobs(len(members)) if list(devices) == [CPU] else devices)
    hooks = Hooks(advance, stop, checkpoint, reports := Reports(rungs))
    finished = train_job(jobs[0], hooks) if len(jobs) == 1 else _train_side_by_side(jobs, hooks)
    return reports.told([finished[place] for place in range(len(members))])


def _jobs(
    program: Program, members: Sequence[Member], views: Sequence[View], devices: Sequence[torch.device]
) -> list[Job]:
    """Deal the members out to the devices; rows are put on each device once."""
    tables = {device: tables_of(views, device) for device in dict.fromkeys(devices[: len(members)])}
    jobs = []
    for number, device in enumerate(devices[: len(members)]):
        share = {place: members[place] for place in range(number, len(members), len(devices))}
        net = template(program, views)
        jobs.append(Job(program, share, views, device, net.to(device), shapes_of(net), *tables[device]))
    return jobs


def _train_side_by_side(jobs: Sequence[Job], hooks: Hooks) -> dict[int, Trained]:
    """Train every job in a thread of its own; when one fails, or is interrupted, the others end after their epoch."""
    lock = Lock()

    def train_one(job: Job, ended: Event) -> dict[int, Trained]:
        def advance(epochs: int) -> None:
            with lock:
                hooks.advance(epochs)

        def stop() -> bool:
            with lock:
                if not ended.is_set() and hooks.stop():
                    ended.set()
            return ended.is_set()

        return train_job(job, replace(hooks, advance=advance, stop=stop))

    threads = max(1, torch.get_num_threads() // len(jobs))
    found = side_by_side(train_one, jobs, at_once=len(jobs), threads=threads)
    return {place: member for own in found for place, member in own.items()}


@torch.no_grad()
def predict(architecture: Architecture, states: Sequence[dict[str, Tensor]], rows: EncodedRows) -> Tensor:
    """Return raw outputs (M, n, n_outputs) of plain networks that share an encoding, as one program."""
    net = Network(architecture).eval()
    weights = {name: torch.stack([state[name] for state in states]) for name in states[0]}
    outputs, chunk = [], -(-CHUNK_ROWS // max(architecture.k, 1))
    for first in range(0, max(len(rows), 1), chunk):  # none at all have a shape, too
        part = slice(first, first + chunk)
        dense, codes = rows.columns(part), rows.codes[part]
        shape = (len(states), *dense.shape), (len(states), *codes.shape)
        outputs.append(functional_call(net, weights, (dense.expand(shape[0]), codes.expand(shape[1]))))
    return torch.cat(outputs, dim=1)
