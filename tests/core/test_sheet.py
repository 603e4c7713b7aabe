"""Columns that views share: the same bits as with a copy for each view, in less memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_networks import MEMBERS, PROGRAM, assert_alike, assert_same_bits, shared_views, views_of

from pipeline.core import capacity, checkpoint, job, sheet
from pipeline.core.fused import predict, train
from pipeline.core.members import EncodedRows, View
from pipeline.core.rungs import NONE
from pipeline.core.sheet import Excerpt, Reading, Sheet
from pipeline.core.table import DeviceTable, copy, share

CPU = torch.device("cpu")
SHORT = replace(PROGRAM, epochs=2)
dtypes = st.sampled_from([torch.float32, torch.float64])


def written_out(views: Sequence[View]) -> list[View]:
    """Return the views with all of their columns written out, which know of no sheet."""

    def whole(rows: EncodedRows | None) -> EncodedRows | None:
        return rows and EncodedRows(rows.columns(slice(None)), rows.codes, rows.target)

    return [View(whole(view.train), tuple(map(whole, view.stops))) for view in views]


@pytest.fixture
def no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "CPU_COPIES", 0)


def tables_of(views: Sequence[View]) -> list[DeviceTable]:
    train, stops = job.tables_of(views, CPU)
    return [train, *stops]


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(0, 4),
    st.integers(0, 4),
    st.lists(st.integers(0, 3), min_size=2, max_size=3),
    dtypes,
    st.sampled_from([3.0, float("inf")]),
)
def test_shared_and_copied_columns_train_to_the_same_bits(
    seed: int, n_numbers: int, n_flags: int, own: list[int], dtype: torch.dtype, soft: float
) -> None:
    views = shared_views(seed, n_numbers, n_flags, [1 + n for n in own], dtype, soft)
    members = [replace(MEMBERS[view], view=view) for view in range(len(views))]
    plain = train(SHORT, members, written_out(views))
    assert_same_bits(train(SHORT, members, views), plain)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capacity, "CPU_COPIES", 0)
        patch.setattr(sheet, "CPU_PIECE", 50)
        assert all(table.shared for table in tables_of(views))
        assert_same_bits(train(SHORT, members, views), plain)


def test_a_number_is_shifted_divided_and_limited_and_a_missing_one_is_filled() -> None:
    nan = float("nan")
    numbers = torch.tensor([[10.0, 2.0], [nan, 4.0], [1e9, nan]], dtype=torch.float64)
    flags = torch.tensor([[1], [0], [1]], dtype=torch.uint8)
    of = torch.tensor([[10.0, 2.0], [2.0, 4.0], [0.5, -0.5]], dtype=torch.float64)
    reading = Reading(*of, torch.tensor([2, 3, 1, 0]))
    for soft, farthest in ((float("inf"), 1e6), (3.0, 3.0)):
        excerpt = Excerpt(Sheet(numbers, flags, 1e6, soft), reading, torch.tensor([2, 0, 1]))
        found = excerpt.columns(slice(None), torch.tensor([[7.0], [8.0], [9.0]]))
        assert excerpt.columns(slice(0), torch.zeros(0, 1)).shape == (0, 4)
        half = 0.5 if soft > 3 else 0.5 / (1 + 1 / 36) ** 0.5
        wanted = [[1, 7, -0.5, farthest], [1, 8, 0, 0], [0, 9, half, 0.5]]
        torch.testing.assert_close(found, torch.tensor(wanted))


@pytest.mark.usefixtures("no_copies")
def test_a_member_on_a_shared_sheet_trains_alike_alone_and_among_others() -> None:
    views = shared_views(0, 4, 3, [1, 0, 3, 2, 1], torch.float64)
    together = train(PROGRAM, MEMBERS, views)
    for member, shared in zip(MEMBERS, together, strict=True):
        assert_alike(train(PROGRAM, [replace(member, view=0)], [views[member.view]]), [shared])


def test_rows_of_a_sheet_are_predicted_like_rows_written_out() -> None:
    views = shared_views(0, 4, 3, [2])
    (member,) = train(SHORT, MEMBERS[:1], views)
    states = [member.state]
    (plain,) = written_out(views)
    assert torch.equal(
        predict(PROGRAM.architecture, states, views[0].train), predict(PROGRAM.architecture, states, plain.train)
    )


def test_memory_is_planned_by_what_copies_take() -> None:
    views = shared_views(0, 6, 20, [1] * 5)
    copies = [copy(list(rows), CPU) for rows in zip(*(view.all_rows for view in views), strict=True)]
    assert capacity.copied_bytes(views) == sum(table.rows.dense.nbytes for table in copies)
    with pytest.MonkeyPatch.context() as patch:
        for comfortable, shared in ((capacity.copied_bytes(views), False), (capacity.copied_bytes(views) - 1, True)):
            patch.setattr(capacity, "CPU_COPIES", comfortable)
            assert (capacity.shared_sheet(views, CPU) is not None) == shared
            assert [table.shared is not None for table in tables_of(views)] == [shared, shared]


@pytest.mark.parametrize(("n_views", "shared"), [(1, False), (5, True)])
def test_a_gpu_takes_the_sheet_only_where_it_is_smaller_than_copies(
    n_views: int, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "_comfortable", lambda _: 0)
    views = [View(view.train) for view in shared_views(0, 6, 0, [1] * n_views)]
    assert (capacity.shared_sheet(views, torch.device("cuda")) is not None) == shared
    assert capacity.shared_sheet(views, CPU) is not None


def test_a_shared_table_holds_the_sheet_once() -> None:
    views = shared_views(0, 6, 20, [1] * 5)
    excerpt = views[0].train.excerpt
    assert excerpt is not None
    n_rows = sum(len(view.train) for view in views)
    table = share([view.train for view in views], CPU, excerpt.sheet)
    assert excerpt.sheet.n_bytes == 60 * (6 * 8 + 20)
    assert sum(part.nbytes for part in table.rows.parts) == n_rows * (2 * 4 + 4)  # own columns and one of zeros, target
    assert table.shared is not None
    assert table.shared.sheet.numbers.data_ptr() == excerpt.sheet.numbers.data_ptr()


@pytest.mark.usefixtures("no_copies")
def test_views_without_a_sheet_or_with_different_ones_are_copied() -> None:
    one, other = shared_views(0, 4, 3, [0]), shared_views(1, 4, 3, [0])
    for views in (views_of([(40, 6), (30, 5)]), [*one, *written_out(other)], [*one, *other]):
        assert capacity.shared_sheet(views, CPU) is None
        train(SHORT, MEMBERS[:2], views)


def test_a_run_that_died_with_copies_goes_on_with_a_shared_sheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    views = shared_views(0, 4, 3, [1, 0, 3, 2, 1])
    undisturbed = train(PROGRAM, MEMBERS, views)
    begun: list[int] = []
    train(PROGRAM, MEMBERS, views, checkpoint=tmp_path, stop=lambda: begun.append(1) or len(begun) == 2)
    monkeypatch.setattr(capacity, "CPU_COPIES", 0)
    begun.clear()
    assert_same_bits(train(PROGRAM, MEMBERS, views, checkpoint=tmp_path, advance=begun.append), undisturbed)
    assert begun[0] > len(MEMBERS), "it began anew"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("part", ["sheet", "reading", "positions"])
def test_other_columns_are_another_plan(part: str) -> None:
    def plan(views: Sequence[View]) -> checkpoint.Plan:
        return checkpoint.plan_of(PROGRAM, {}, views, NONE, CPU)

    (view,) = shared_views(0, 4, 3, [1])
    found = view.train.excerpt
    assert found is not None
    others = {
        "sheet": replace(found, sheet=replace(found.sheet, numbers=found.sheet.numbers + 1)),
        "reading": replace(found, reading=replace(found.reading, centre=found.reading.centre + 1)),
        "positions": replace(found, at=found.at.flip(0)),
    }
    other = replace(view, train=replace(view.train, excerpt=others[part]))
    assert plan([other])["rows"] != plan([view])["rows"] == plan(shared_views(0, 4, 3, [1]))["rows"]
