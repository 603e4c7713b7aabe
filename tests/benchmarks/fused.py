"""make bench-fused: fused training against loops over single networks, and against the machine's matrix products.

Interleaved, in one process, warm; medians. Results land in tests/benchmarks/results/: fused.json, and fused.md for
people. `--quick` trains for fewer epochs and writes nothing.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from pipeline.core.blocks import Architecture
from pipeline.core.fused import train
from pipeline.core.members import EncodedRows, Member, Program, Trained, View
from pipeline.core.precision import Precision
from tests.benchmarks.loops import HIDDEN, N_FOLDS, Part, Setting, book, folds, tuned
from tests.benchmarks.machine import machine, multiplies_bfloat16, timed
from tests.benchmarks.turns import interleaved, publish, table

THREADS = 2
REPEATS = 5
PRODUCT_STEPS = 20
N_TRIALS = 20
ASKED = {("book", 64): 8.0, ("tuned", 64): 2.5, ("book", 256): 3.0, ("tuned", 256): 2.2, "members": 8.0, "share": 0.55}
KINDS = {
    "matrix products": ("aten::bmm", "aten::baddbmm", "aten::mm", "aten::addmm"),
    "optimiser": ("aten::_fused_adam_", "aten::unbind", "aten::select", "aten::as_strided"),
    "gathering rows": ("aten::index_select",),
}


def main() -> None:
    """Measure, print, and write unless it was a quick look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer epochs; nothing is written")
    quick = parser.parse_args().quick
    torch.set_num_threads(THREADS)
    parts = folds()
    epochs = 5 if quick else 100
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine() | {"threads": THREADS, "torch": torch.__version__},
        "columns": parts[0].X.shape[1],
        "epochs": epochs,
        "folds": [five_folds(parts, Setting(epochs, batch_size)) for batch_size in (64, 256)],
        "members": [many_members(parts, Setting(max(2, epochs // 5), batch_size)) for batch_size in (64, 256)],
        "products": [share_of_products(parts, Setting(max(2, epochs // 5), 256), n) for n in (1, 4)],
    }
    text = _markdown(found)
    if not quick:
        publish("fused", found, text)
    print(text)  # noqa: T201 - this is what the command is for


def five_folds(parts: Sequence[Part], setting: Setting) -> dict[str, Any]:
    """Cross-validate one network by each contender."""

    def fused(seed: int, precision: Precision = "full") -> float:
        members = [Member(fold, seed * N_FOLDS + fold, setting.lr, dropout=setting.dropout) for fold in range(N_FOLDS)]
        return _error(train(replace(_program(setting), precision=precision), members, _views(parts)))

    def in_one_group(seed: int) -> float:
        with patch("pipeline.core.fused.cpu_jobs", lambda n_members: 1):  # noqa: ARG005
            return fused(seed)

    loops = {"book": _over_folds(book, parts, setting), "tuned": _over_folds(tuned, parts, setting)}
    own = {"fused": fused, "fused, one group": in_one_group}
    if multiplies_bfloat16():
        own["fused, bfloat16"] = partial(fused, precision="bfloat16")
    return {"batch_size": setting.batch_size, "contenders": interleaved(loops | own, REPEATS)}


def many_members(parts: Sequence[Part], setting: Setting) -> dict[str, Any]:
    """Cross-validate many trials, fused; the book's loop trains two of them, and its time is scaled."""
    lrs = np.geomspace(3e-4, 3e-3, N_TRIALS).tolist()

    def fused(seed: int) -> float:
        members = [
            Member(fold, seed * 1000 + trial * N_FOLDS + fold, lr, dropout=setting.dropout)
            for trial, lr in enumerate(lrs)
            for fold in range(N_FOLDS)
        ]
        return _error(train(_program(setting), members, _views(parts)))

    def loop(seed: int) -> float:
        chosen = (lrs[N_TRIALS // 4], lrs[3 * N_TRIALS // 4])
        return statistics.mean(_over_folds(book, parts, replace(setting, lr=lr))(seed) for lr in chosen)

    found = interleaved({"book, 10 members": loop, "fused": fused}, REPEATS)
    scaled = found["book, 10 members"]["seconds"] * N_TRIALS * N_FOLDS / 10
    ratio = scaled / found["fused"]["seconds"]
    return {"batch_size": setting.batch_size, "epochs": setting.epochs, "contenders": found, "ratio": ratio}


def share_of_products(parts: Sequence[Part], setting: Setting, n_seeds: int) -> dict[str, Any]:
    """Compare training, without any evaluation, with the time torch.bmm alone takes for the same products.

    The head's products are counted as work, but the pace of torch.bmm is measured at the hidden layers' shapes: at
    the head's it is far slower, which would flatter us.
    """
    n_members, sizes = n_seeds * N_FOLDS, (parts[0].X.shape[1], *HIDDEN, 1)
    views = [View(view.train) for view in _views(parts)]
    signals = [torch.randn(n_members, setting.batch_size, size) for size in sizes[:-1]]
    layers = [(x, torch.randn(n_members, x.shape[2], y.shape[2]), y) for x, y in pairwise(signals)]

    def fused(seed: int) -> None:
        members = [
            Member(number % N_FOLDS, seed * 1000 + number, setting.lr, dropout=setting.dropout)
            for number in range(n_members)
        ]
        train(_program(setting), members, views)

    def products(seed: int) -> None:
        del seed
        for _ in range(PRODUCT_STEPS):
            for layer, (x, weight, gradient) in enumerate(layers):
                torch.bmm(x, weight), torch.bmm(x.mT, gradient), layer and torch.bmm(gradient, weight.mT)

    found = interleaved({"fused": fused, "products": products}, REPEATS)
    pace = PRODUCT_STEPS * n_members * setting.batch_size * _operations(sizes[:-1]) / found["products"]["seconds"]
    n_rows = n_seeds * setting.epochs * sum(len(part.X) for part in parts)
    return {
        "batch_size": setting.batch_size,
        "n_members": n_members,
        "gflops_of_bmm": pace / 1e9,
        "share": n_rows * _operations(sizes) / pace / found["fused"]["seconds"],
        "foreign": found["fused"]["foreign"],
        "time_by_kind": _time_by_kind(lambda: fused(0)),
    }


def _operations(sizes: Sequence[int]) -> int:
    """Floating-point operations of the products for one row: forward, weights' gradients, all inputs' but the first."""
    products = [2 * a * b for a, b in pairwise(sizes)]
    return 2 * sum(products) + sum(products[1:])


def _time_by_kind(call: Callable[[], None]) -> dict[str, float]:
    """Return the share of a call's time that each kind of operation takes by itself, all members in one group.

    The profiler sees one thread of Python only.
    """
    with (
        patch("pipeline.core.fused.cpu_jobs", lambda n_members: 1),  # noqa: ARG005
        profile(activities=[ProfilerActivity.CPU]) as found,
    ):
        seconds = timed(call).seconds
    own = {event.key: event.self_cpu_time_total / 1e6 / seconds for event in found.key_averages()}
    kinds = {kind: sum(own.get(name, 0.0) for name in names) for kind, names in KINDS.items()}
    others = sum(share for name, share in own.items() if name.startswith("aten::")) - sum(kinds.values())
    kinds["other tensor operations"] = others
    return kinds | {"Python, autograd, random numbers": 1 - sum(kinds.values())}


def _over_folds(
    loop: Callable[[Part, Setting], float], parts: Sequence[Part], setting: Setting
) -> Callable[[int], float]:
    def cross_validate(seed: int) -> float:
        torch.manual_seed(seed)
        return statistics.mean(loop(part, setting) for part in parts)

    return cross_validate


def _program(setting: Setting) -> Program:
    network = Architecture(n_outputs=1, hidden=HIDDEN, activation="relu")
    return Program(network, "squared", setting.epochs, setting.batch_size, init="torch", optimiser="adam")


def _views(parts: Sequence[Part]) -> list[View]:
    def rows(X: torch.Tensor, y: torch.Tensor) -> EncodedRows:
        return EncodedRows(X, torch.zeros(len(X), 0, dtype=torch.int64), y)

    return [View(rows(part.X, part.y), (rows(part.X_valid, part.y_valid),)) for part in parts]


def _error(trained: Sequence[Trained]) -> float:
    """Return the mean validation error after the last epoch, as the loops report it."""
    return statistics.mean(float(np.sqrt(member.losses[-1, 1])) for member in trained)


def _markdown(found: dict[str, Any]) -> str:
    on = found["machine"]
    return "\n\n".join(
        [
            "# Fused training",
            f"`make bench-fused`, {found['date']}, {on['threads']} of {on['cores']} cores of {on['cpu']}, torch "
            f"{on['torch']}, float32. A {found['columns']}-256-128-1 network on House Prices, dropout 0.2, Adam. "
            f'Medians of {REPEATS}, in turns, warm. "Others" counts the cores that others kept busy meanwhile: where '
            "it isn't near 0, times of what needs two threads say little.",
            f"Five folds, {found['epochs']} epochs, an evaluation after each:",
            _folds_table(found["folds"]),
            f"{N_TRIALS * N_FOLDS} members, {N_TRIALS} trials in five folds; the book's loop trains 10, scaled:",
            _members_table(found["members"]),
            "Training without evaluation against `torch.bmm` for its products alone, and where the time goes:",
            _products_table(found["products"]),
        ]
    )


def _folds_table(found: Sequence[dict[str, Any]]) -> str:
    rows = []
    for row in found:
        fused = row["contenders"]["fused"]["seconds"]
        for name, own in row["contenders"].items():
            asked = ASKED.get((name, row["batch_size"]))
            cells = [row["batch_size"], name, f"{own['seconds']:.2f}", f"{own['seconds'] / fused:.2f}", asked or ""]
            rows.append([*cells, f"{own['error']:.4f} ± {own['se']:.4f}", f"{own['foreign']:.2f}"])
    return table(["batch", "contender", "seconds", "fused is faster by", "asked", "error ± se", "others"], rows)


def _members_table(found: Sequence[dict[str, Any]]) -> str:
    rows = []
    for row in found:
        own = row["contenders"]["fused"]
        measured = [f"{own['seconds']:.2f}", f"{row['ratio']:.2f}", ASKED["members"], f"{own['foreign']:.2f}"]
        rows.append([row["batch_size"], row["epochs"], *measured])
    return table(["batch", "epochs", "fused, seconds", "fused is faster by", "asked", "others"], rows)


def _products_table(found: Sequence[dict[str, Any]]) -> str:
    kinds = list(found[0]["time_by_kind"])
    rows = []
    for row in found:
        shares = [row["share"], ASKED["share"], *(row["time_by_kind"][kind] for kind in kinds)]
        measured = [f"{row['gflops_of_bmm']:.0f}", f"{row['foreign']:.2f}", *(f"{share:.0%}" for share in shares)]
        rows.append([row["n_members"], row["batch_size"], *measured])
    return table(["members", "batch", "bmm, GFLOP/s", "others", "share of bmm", "asked", *kinds], rows)


if __name__ == "__main__":
    main()
