"""Losses by what they are made to find: quantiles, and the probabilities of ordered classes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from pipeline.core.blocks import Architecture
from pipeline.core.fused import predict, train
from pipeline.core.losses import LOSSES, Loss, loss_of, ordinal, ordinal_probabilities, quantile
from pipeline.core.members import EncodedRows, Member, Program, View

NONE = torch.zeros(1)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_the_quantile_loss_is_least_at_the_quantile(level: float) -> None:
    target = torch.linspace(0, 1, 1001, dtype=torch.float64).reshape(1, -1, 1)
    tried = torch.linspace(0, 1, 101, dtype=torch.float64)
    losses = [float(quantile(torch.full_like(target, value), target, NONE, level).mean()) for value in tried]
    assert tried[losses.index(min(losses))] == pytest.approx(level, abs=0.011)


@pytest.mark.parametrize("level", [0.2, 0.8])
def test_a_network_learns_the_quantile_it_is_asked_for(level: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2000, 1, generator=generator)
    rows = EncodedRows(x, torch.zeros(2000, 0, dtype=torch.int64), x + torch.rand(2000, 1, generator=generator))
    program = Program(Architecture(1, (16,)), "quantile", 40, 100, schedule="cosine", level=level)
    (member,) = train(program, [Member(0, 1, lr=0.02)], [View(rows)])
    below = (rows.target <= predict(program.architecture, [member.state], rows)[0]).float()
    assert float(below.mean()) == pytest.approx(level, abs=0.03)
    assert float(below[x[:, 0] > 0.5].mean()) == pytest.approx(level, abs=0.06)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-8, 8), min_size=1, max_size=6), st.data())
def test_the_ordinal_loss_is_minus_the_logarithm_of_the_classes_probability(
    logits: list[float], data: st.DataObject
) -> None:
    output = torch.tensor([[logits]], dtype=torch.float64)
    probabilities = ordinal_probabilities(output)
    assert probabilities.shape == (1, 1, len(logits) + 1)
    assert (probabilities >= 0).all()
    assert float(probabilities.sum()) == pytest.approx(1)
    code = data.draw(st.integers(0, len(logits)))
    loss = float(ordinal(output, torch.tensor([[code]]), NONE))
    assert loss == pytest.approx(-float(probabilities[0, 0, code].log()), abs=1e-9)


def test_ordered_classes_are_learnt() -> None:
    generator = torch.Generator().manual_seed(0)
    dense = torch.randn(600, 2, generator=generator)
    codes = torch.bucketize(dense[:, 0] + 0.5 * dense[:, 1], torch.tensor([-1.0, 0.0, 1.0]))
    rows = EncodedRows(dense, torch.zeros(600, 0, dtype=torch.int64), codes)
    program = Program(Architecture(3, (16,)), "ordinal", 40, 50, schedule="cosine")
    (member,) = train(program, [Member(0, 1, lr=0.02)], [View(rows)])
    found = ordinal_probabilities(predict(program.architecture, [member.state], rows)[0]).argmax(dim=-1)
    assert (found == codes).float().mean() > 0.95


@pytest.mark.parametrize(
    ("name", "expected"), [("squared", 2.5), ("absolute", 1.5), ("huber", 1.0), ("quantile", 0.875)]
)
def test_several_values_of_a_row_count_by_their_mean(name: Loss, expected: float) -> None:
    output, target = torch.zeros(1, 1, 2), torch.tensor([[[1.0, -2.0]]])
    assert loss_of(name, 0.25)(output, target, NONE).item() == pytest.approx(expected)


def test_rows_count_by_weight_and_what_stops_knows_no_label_smoothing() -> None:
    generator = torch.Generator().manual_seed(0)
    train_rows, stop_rows = (
        EncodedRows(
            torch.randn(n, 2, generator=generator),
            torch.zeros(n, 0, dtype=torch.int64),
            torch.randint(3, (n,), generator=generator),
            torch.linspace(0, 2, n),
        )
        for n in (30, 20)
    )
    program = Program(Architecture(3, (8,)), "cross_entropy", 1, 30)
    (member,) = train(program, [Member(0, 1, lr=0.0, label_smoothing=0.2)], [View(train_rows, (stop_rows,))])
    for rows, smoothing, found in zip((train_rows, stop_rows), (0.2, 0.0), member.losses[0], strict=True):
        logits = predict(program.architecture, [member.state], rows)[0]
        losses = cross_entropy(logits, rows.target, reduction="none", label_smoothing=smoothing)
        assert found == pytest.approx(float((losses * rows.weight).mean()), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_row_has_the_same_loss_in_one_network_and_among_many(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(3, 7, 4, generator=generator)
    coded = name in ("cross_entropy", "ordinal")
    target = torch.randint(4, (3, 7), generator=generator) if coded else torch.randn(3, 7, 4, generator=generator)
    smoothing = torch.tensor([0.0, 0.1, 0.2])
    losses = loss_of(name, 0.3)(output, target, smoothing)
    assert losses.shape == (3, 7)
    for member in range(3):
        own = loss_of(name, 0.3)(output[[member]], target[[member]], smoothing[[member]])
        torch.testing.assert_close(own[0], losses[member])
