"""Fused training: a member's result is its own, and the same as a plain network's in a plain loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_networks import (
    MEMBERS,
    NETWORK,
    PROGRAM,
    SIZES,
    assert_alike,
    assert_same_bits,
    largest_difference,
    rows_of,
    shared_views,
    views_of,
)
from torch import Tensor, nn

from pipeline.core import batches, capacity, job, optimiser
from pipeline.core.blocks import Architecture, build
from pipeline.core.fused import predict, train
from pipeline.core.init import initialise
from pipeline.core.members import EncodedRows, Member, Program, View


@pytest.fixture(params=["together", "by kernels"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways in which the optimiser takes a step."""
    monkeypatch.setattr(optimiser, "KERNEL_PARAMETERS", 0 if request.param == "by kernels" else 10**9)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("init", ["xavier", "spread"])
def test_a_member_trains_alike_alone_and_among_others(kind: str, init: str) -> None:
    program = replace(PROGRAM, optimiser=kind, init=init)
    views = views_of(SIZES)
    together = train(program, MEMBERS, views)
    for member, shared in zip(MEMBERS, together, strict=True):
        assert_alike(train(program, [replace(member, view=0)], [views[member.view]]), [shared])


@pytest.mark.usefixtures("way")
def test_neighbours_of_equal_rates_and_other_widths_learn_by_factors_of_their_own() -> None:
    views = views_of([(64, 6), (64, 5), (64, 7)])
    members = [Member(view, 10 + view, lr=0.01, weight_decay=0.1) for view in range(3)]
    for member, shared in zip(members, train(PROGRAM, members, views), strict=True):
        assert_alike(train(PROGRAM, [replace(member, view=0)], [views[member.view]]), [shared])


@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_a_member_trains_alike_alone_among_five_and_among_two_hundred(dtype: torch.dtype, within: float) -> None:
    """In float32 members drift apart by rounding alone: here, after 24 steps, by less than 1e-5."""
    views = views_of(SIZES, dtype)
    crowd = [
        replace(member, seed=100 * copy + member.seed, clip=1.0, l1=1e-3) for copy in range(40) for member in MEMBERS
    ]
    among_many = train(PROGRAM, crowd, views)[:5]
    assert_alike(train(PROGRAM, crowd[:5], views), among_many, within)
    for member, shared in zip(crowd, among_many, strict=False):
        assert_alike(train(PROGRAM, [replace(member, view=0)], [views[member.view]]), [shared], within)


class Plain(nn.Module):
    """The same network in torch's own parts."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 16), nn.Linear(16, 8), nn.Linear(8, 1)]).double()

    def forward(self, x: Tensor, masks: Sequence[Tensor]) -> Tensor:
        for layer, mask in zip(self.layers, masks, strict=False):
            x = torch.tanh(layer(x)) * mask
        return self.layers[-1](x)


def plain_start(seed: int) -> Plain:
    start = build(replace(NETWORK, scaling=False), 6, dtype=torch.float64)
    initialise(start, "xavier", seed, torch.zeros(1, 6), torch.zeros(1, 0))
    net = Plain()
    for layer, ours in zip(net.layers, [*(block.linear for block in start.blocks), start.head], strict=True):
        layer.weight.data, layer.bias.data = ours.weight.data.T.clone(), ours.bias.data[0].clone()
    return net


def plain_loop(member: Member, rows: EncodedRows, kind: str, epochs: int, batch_size: int) -> Plain:
    """An ordinary loop, given the member's batches and masks."""
    net = plain_start(member.seed)
    groups = [
        {"params": [layer.weight for layer in net.layers], "weight_decay": member.weight_decay},
        {"params": [layer.bias for layer in net.layers], "weight_decay": 0.0},
    ]
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    steps = kinds[kind](groups, lr=member.lr)
    drop = round(256 * member.dropout)
    for epoch in range(epochs):
        plan = batches.plan_epoch([member.seed], np.array([len(rows)]), batch_size, epoch)
        for step, n in enumerate(plan.counts[:, 0]):
            at = plan.order[0, step * batch_size : step * batch_size + n]
            noise = torch.from_numpy(batches.draw_noise(plan, slice(step, step + 1), 24)[0, :n])
            masks = ((noise >= drop).double() * 256 / (256 - drop)).split([16, 8], dim=1)
            loss = (net(rows.dense[at], masks) - rows.target[at]).square().mean()
            steps.zero_grad()
            loss.backward()
            steps.step()
    return net


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_a_member_equals_a_plain_network_in_a_plain_loop(kind: str) -> None:
    program = Program(replace(NETWORK, scaling=False), "squared", 3, 16, init="xavier", optimiser=kind)
    views = [View(view.train) for view in views_of([(70, 6), (33, 6)])]
    members = [Member(view, 5 + view, lr=0.02, weight_decay=0.3, dropout=0.25) for view in (0, 1)]
    for member, trained in zip(members, train(program, members, views), strict=True):
        net = plain_loop(member, views[member.view].train, kind, 3, 16)
        for number, layer in enumerate(net.layers):
            name = "head" if number == 2 else f"blocks.{number}.linear"
            torch.testing.assert_close(trained.state[f"{name}.weight"], layer.weight.data.T, rtol=0, atol=1e-9)
            torch.testing.assert_close(trained.state[f"{name}.bias"][0], layer.bias.data, rtol=0, atol=1e-9)


KINDS = {
    "piecewise": {"numeric": "piecewise", "numeric_width": 3, "numeric_parts": 4},
    "periodic": {"numeric": "periodic", "numeric_width": 3, "numeric_parts": 4},
    "pbld": {"numeric": "pbld", "numeric_width": 3, "numeric_parts": 4, "parametric": True},
    "batch norm": {"norm": "batch"},
    "layer norm": {"norm": "layer", "residual": True, "tied": True, "hidden": (8, 8, 8)},
    "members inside": {"k": 3, "scaling": False, "numeric": "piecewise", "numeric_width": 2, "numeric_parts": 3},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_member_trains_alike_alone_and_among_others(kind: str) -> None:
    init = "torch" if kind == "members inside" else "spread"
    program = replace(PROGRAM, architecture=replace(NETWORK, **KINDS[kind]), init=init)
    views = [replace(view, n_numeric=4) for view in views_of(SIZES)]
    for member, shared in zip(MEMBERS, train(program, MEMBERS, views), strict=True):
        (alone,) = train(program, [replace(member, view=0)], [views[member.view]])
        assert largest_difference(alone.state, shared.state) < 1e-9
        np.testing.assert_allclose(alone.losses, shared.losses, rtol=0, atol=1e-9)


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_members_inside_a_network_learn_each_from_its_own_loss(loss: str) -> None:
    """As a plain loop over the network's own forward pass does, batches of all rows, no dropout."""
    network = Architecture(n_outputs=1 if loss == "squared" else 3, hidden=(6, 5), k=4, logits=loss != "squared")
    rows = views_of([(30, 6)])[0].train
    if loss == "cross_entropy":
        rows = replace(rows, target=torch.randint(3, (30,), generator=torch.Generator().manual_seed(0)))
    program = Program(network, loss, 3, 30, init="torch")
    (trained,) = train(program, [Member(0, 1, lr=0.01)], [View(rows)])
    net = build(network, 6, dtype=torch.float64)
    initialise(net, "torch", 1, rows.dense, rows.codes)
    steps = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(3):
        steps.zero_grad()
        losses = [
            (output - rows.target).square().mean()
            if loss == "squared"
            else nn.functional.cross_entropy(output, rows.target)
            for output in net(rows.dense).unbind(dim=1)
        ]
        (sum(losses) / 4).backward()
        steps.step()
    assert largest_difference(trained.state, dict(net.named_parameters())) < 1e-9
    predicted = predict(network, [trained.state], rows)[0]
    torch.testing.assert_close(predicted, net.eval()(rows.dense).detach())


def test_bins_let_a_network_without_hidden_layers_follow_a_curve() -> None:
    x = torch.linspace(-3, 3, 400).unsqueeze(1)
    rows = EncodedRows(x, torch.zeros(400, 0, dtype=torch.int64), torch.sin(3 * x))
    network = Architecture(n_outputs=1, numeric="piecewise", numeric_width=4, numeric_parts=24)
    (member,) = train(Program(network, "squared", 60, 64), [Member(0, 1, lr=0.03)], [View(rows, n_numeric=1)])
    error = (predict(replace(network, n_numeric=1), [member.state], rows)[0] - rows.target).square().mean()
    assert float(error) < 0.02


def test_batch_norm_predicts_with_the_statistics_it_has_seen() -> None:
    rows = replace(rows_of(0, 64), dense=5 + 3 * rows_of(0, 64).dense)
    network = Architecture(n_outputs=1, hidden=(8,), norm="batch")
    (member,) = train(Program(network, "squared", 80, 64), [Member(0, 1, lr=1e-4)], [View(rows)])
    seen = rows.dense @ member.state["blocks.0.linear.weight"] + member.state["blocks.0.linear.bias"]
    torch.testing.assert_close(member.state["blocks.0.norm.mean"][0], seen.mean(0), rtol=0, atol=0.05)
    one = predict(network, [member.state], EncodedRows(rows.dense[:1], rows.codes[:1], rows.target[:1]))
    torch.testing.assert_close(one[0], predict(network, [member.state], rows)[0, :1])


def test_the_same_call_gives_the_same_bits() -> None:
    views = views_of(SIZES, torch.float32)
    assert_same_bits(train(PROGRAM, MEMBERS, views), train(PROGRAM, MEMBERS, views))


@pytest.fixture(params=["copied", "shared"])
def two_views(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[View]:
    """Both ways in which rows are kept."""
    if request.param == "copied":
        return views_of([(40, 6), (30, 6)], torch.float32)
    for limit in ("CPU_COPIES", "GPU_COPIES"):
        monkeypatch.setattr(capacity, limit, 0)
    return shared_views(0, 4, 3, [2, 1])


def test_an_epoch_never_reads_from_the_device(two_views: list[View], monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[str] = []

    def guard(name: str) -> None:
        original = getattr(job, name)

        def guarded(*arguments: object) -> object:
            inside.append(name)
            result = original(*arguments)
            inside.remove(name)
            return result

        monkeypatch.setattr(job, name, guarded)

    def refuse(name: str) -> None:
        original = getattr(Tensor, name)

        def refusing(self: Tensor, *arguments: object, **options: object) -> object:
            assert not inside, f"Tensor.{name} in {inside}"
            return original(self, *arguments, **options)

        monkeypatch.setattr(Tensor, name, refusing)

    for name in ("train_epoch", "stop_loss"):
        guard(name)
    for name in ("item", "tolist", "cpu", "numpy", "nonzero", "__bool__", "__float__", "__int__", "__index__"):
        refuse(name)
    train(PROGRAM, [Member(0, 1, dropout=0.2, clip=1.0), Member(1, 2, l1=0.1)], two_views)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_epoch_on_a_gpu_never_waits_for_it(two_views: list[View], monkeypatch: pytest.MonkeyPatch) -> None:
    def strict(name: str) -> None:
        original = getattr(job, name)

        def guarded(*arguments: object) -> object:
            torch.cuda.set_sync_debug_mode("error")
            try:
                return original(*arguments)
            finally:
                torch.cuda.set_sync_debug_mode("default")

        monkeypatch.setattr(job, name, guarded)

    for name in ("train_epoch", "stop_loss"):
        strict(name)
    members = [Member(0, 1, dropout=0.2, clip=1.0), Member(1, 2, l1=0.1)]
    on_gpu = train(PROGRAM, members, two_views, devices=[torch.device("cuda")])
    assert_alike(on_gpu, train(PROGRAM, members, two_views), 1e-3)


def test_classes_with_embeddings_are_learnt() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(6, (400, 1), generator=generator)
    rows = EncodedRows(torch.randn(400, 2, generator=generator), codes, (codes[:, 0] % 3))
    network = Architecture(n_outputs=3, hidden=(16,), embedding=4)
    program = Program(network, "cross_entropy", 30, 32, init="lecun", schedule="cosine")
    (member,) = train(program, [Member(0, 1, lr=0.02, label_smoothing=0.1)], [View(rows, n_levels=6)])
    chosen = predict(replace(network, n_levels=6), [member.state], rows)[0].argmax(dim=-1)
    assert (chosen == rows.target).float().mean() > 0.98


def test_a_linear_member_recovers_the_weights_that_made_the_data() -> None:
    generator = torch.Generator().manual_seed(0)
    dense = torch.randn(1000, 2, generator=generator)
    target = dense @ torch.tensor([[2.0], [-3.4]]) + 4.2 + 0.01 * torch.randn(1000, 1, generator=generator)
    rows = EncodedRows(dense, torch.zeros(1000, 0, dtype=torch.int64), target)
    program = Program(Architecture(n_outputs=1), "squared", 30, 32, init="normal", optimiser="sgd")
    (member,) = train(program, [Member(0, 1, lr=0.03)], [View(rows)])
    torch.testing.assert_close(member.state["head.weight"], torch.tensor([[2.0], [-3.4]]), atol=0.01, rtol=0)
    torch.testing.assert_close(member.state["head.bias"], torch.tensor([[4.2]]), atol=0.01, rtol=0)


def test_tied_and_residual_layers_train_fused_as_they_do_in_a_plain_network() -> None:
    network = Architecture(n_outputs=1, hidden=(8, 8, 8), residual=True, tied=True)
    views = [View(view.train) for view in views_of([(30, 6), (20, 6)])]
    program = Program(network, "squared", 3, 30, init="he")
    _, trained = train(program, [Member(0, 1), Member(1, 2, lr=0.01)], views)
    net = build(network, 6, dtype=torch.float64)
    rows = views[1].train
    initialise(net, "he", 2, rows.dense, rows.codes)
    steps = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(3):
        steps.zero_grad()
        (net(rows.dense) - rows.target).square().mean().backward()
        steps.step()
    assert largest_difference(trained.state, dict(net.named_parameters())) < 1e-9
    torch.testing.assert_close(predict(network, [trained.state], rows)[0], net(rows.dense).detach())
