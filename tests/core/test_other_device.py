"""An epoch on another device than the host's: what meets there must lie there, on a GPU that is not here as well.

Fake tensors have shapes, types and devices and no numbers, so any device that torch knows will do.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_networks import PROGRAM, shared_views
from torch._subclasses.fake_tensor import FakeTensorMode

from pipeline.core import capacity
from pipeline.core.blocks import Architecture
from pipeline.core.epoch import stop_loss, train_epoch
from pipeline.core.job import tables_of
from pipeline.core.members import EncodedRows, Member, Program, View
from pipeline.core.outcome import judge
from pipeline.core.wave import Wave, select, shapes_of, start, template, unite

DEVICE = torch.device("lazy")  # the one that torch lets tensors pretend to be on without a driver
ON_HOST = {"epoch", "best_epoch", "losses", "layers"}
MEMBERS = [Member(0, 1, dropout=0.2, clip=1.0, label_smoothing=0.1), Member(1, 2, l1=0.1)]
HIDDEN = (8, 8)

NETWORKS = {
    "plain": Architecture(1, HIDDEN),
    "linear": Architecture(1),
    "batch norm, embedded levels": Architecture(1, HIDDEN, norm="batch", embedding=3),
    "layer norm, residual, parametric": Architecture(1, HIDDEN, norm="layer", residual=True, parametric=True),
    "tied, scaled": Architecture(1, HIDDEN, tied=True, scaling=True),
    "TabM on bins": Architecture(1, HIDDEN, k=4, numeric="piecewise", embedding=3),
    "RealMLP's numbers": Architecture(1, HIDDEN, numeric="pbld", scaling=True),
    "periodic": Architecture(1, HIDDEN, numeric="periodic"),
}


def of_program(network: Architecture, **how: object) -> Program:
    return replace(PROGRAM, architecture=network, **how)  # type: ignore[arg-type]


PROGRAMS = {
    **{name: of_program(network) for name, network in NETWORKS.items()},
    "adam": of_program(NETWORKS["plain"], optimiser="adam", parametrisation="ntk"),
    "sgd, schedules": of_program(NETWORKS["plain"], optimiser="sgd", schedule="cosine", dropout_schedule="cosine"),
    **{loss: of_program(NETWORKS["plain"], loss=loss) for loss in ("absolute", "huber", "quantile")},
    "classes": of_program(replace(NETWORKS["TabM on bins"], n_outputs=3, logits=True), loss="cross_entropy"),
}


def views_for(program: Program, weighted: bool) -> list[View]:
    generator = torch.Generator().manual_seed(0)

    def rows(n: int) -> EncodedRows:
        target = torch.randn(n, 1, generator=generator)
        classes = torch.randint(3, (n,), generator=generator)
        weight = torch.rand(n, generator=generator) if weighted else None
        codes = torch.randint(6, (n, 2), generator=generator)
        labels = classes if program.loss == "cross_entropy" else target
        return EncodedRows(torch.randn(n, 5, generator=generator), codes, labels, weight)

    return [View(rows(n), (rows(10), rows(12)), n_levels=6, n_numeric=3) for n in (60, 64)]


def take_epoch(program: Program, views: list[View]) -> None:
    """Train, judge and compact a wave on the other device; torch refuses what mixes it with the host's."""
    net = template(program, views)
    wave = start(program, dict(enumerate(MEMBERS)), views, shapes_of(net), torch.device("cpu"))
    behind = wave.state["epoch"].numpy()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        state = {
            key: tensor if key in ON_HOST else mode.from_tensor(tensor).to(DEVICE) for key, tensor in wave.state.items()
        }
        moved = Wave(wave.seats, state)
        train, stops = tables_of(views, DEVICE)
        net.to(DEVICE)
        losses, measured = train_epoch(program, net, moved, train, behind)
        stopping = torch.stack([stop_loss(program, net, moved, table) for table in stops], dim=1)
        judge(program, moved, losses, stopping, measured)
        again = unite(select(moved, [1]), select(moved, [0]))
    assert {tensor.device for key, tensor in again.state.items() if key not in ON_HOST} == {DEVICE}
    assert {tensor.device.type for key, tensor in again.state.items() if key in ON_HOST} == {"cpu"}
    assert losses.device == stopping.device == DEVICE


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_epoch_mixes_no_devices(name: str, weighted: bool) -> None:
    take_epoch(PROGRAMS[name], views_for(PROGRAMS[name], weighted))


def test_rows_of_a_shared_sheet_are_read_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "CPU_COPIES", 0)
    take_epoch(PROGRAM, shared_views(0, 4, 3, [2, 1]))


def test_what_is_left_on_the_host_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this file itself: a tensor of the host's among the weights must not pass."""
    monkeypatch.setitem(globals(), "ON_HOST", {*ON_HOST, "weights/head.weight"})
    with pytest.raises((RuntimeError, AssertionError)):
        take_epoch(PROGRAM, shared_views(0, 4, 3, [2, 1]))
