"""make bench-growth: how time and memory of fused training grow with rows, members and columns.

Every measurement is a process of its own, so that its peak memory is its own too. Results land in
tests/benchmarks/results/: growth.json, growth.md and growth.svg.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tests.benchmarks.machine import machine
from tests.benchmarks.turns import RESULTS, publish, table

BASE = {"rows": 4_000, "members": 20, "columns": 50}
GROWTH = {
    "rows": (1_000, 10_000, 100_000, 1_000_000),
    "members": (1, 5, 20, 100, 500),
    "columns": (10, 50, 200, 500, 2_000),
}
FEWER = {"rows": {"members": 5, "columns": 20}}
HIDDEN = (64, 64)
BATCH = 256
THREADS = 2
EPOCHS = 2
REPEATS = 3
MEBIBYTE = 2**20
MEASURED = {"seconds": "seconds an epoch", "mebibytes": "peak, MiB"}


def main() -> None:
    """Measure all sizes, fit, draw, write."""
    if len(sys.argv) > 1:
        print(json.dumps(_measure(**json.loads(sys.argv[1]))))  # noqa: T201 - a child's answer
        return
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine() | {"threads": THREADS},
        "growth": {name: _grow(name) for name in GROWTH},
    }
    text = _markdown(found)
    publish("growth", found, text)
    _draw(found["growth"])
    print(text)  # noqa: T201 - this is what the command is for


def _measure(rows: int, members: int, columns: int) -> dict[str, float]:
    """Train in this process; return the seconds of an epoch, and the mebibytes that training took at its peak."""
    import torch

    from pipeline.core.blocks import Architecture
    from pipeline.core.fused import train
    from pipeline.core.members import EncodedRows, Member, Program, View

    torch.set_num_threads(THREADS)
    dense = torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))
    view = View(EncodedRows(dense, torch.zeros(rows, 0, dtype=torch.int64), dense[:, :1]))
    few = View(EncodedRows(*(part[:BATCH] for part in (view.train.dense, view.train.codes, view.train.target))))
    wanted = [Member(0, seed, dropout=0.1) for seed in range(members)]
    program = Program(Architecture(n_outputs=1, hidden=HIDDEN), "squared", EPOCHS, BATCH)
    train(program, wanted[:1], [few])
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    train(program, wanted, [view])
    seconds = (time.perf_counter() - began) / EPOCHS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"seconds": seconds, "mebibytes": peak * 1024 / MEBIBYTE}


def _grow(name: str) -> list[dict[str, float]]:
    sizes = [BASE | FEWER.get(name, {}) | {name: size} for size in GROWTH[name]]
    found: list[list[dict[str, float]]] = [[] for _ in sizes]
    for _ in range(REPEATS):
        for own, size in zip(found, sizes, strict=True):
            command = [sys.executable, "-m", "tests.benchmarks.growth", json.dumps(size)]
            own.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return [
        size | {key: statistics.median(one[key] for one in own) for key in own[0]}
        for size, own in zip(sizes, found, strict=True)
    ]


def exponent(sizes: list[float], values: list[float]) -> float:
    """Return the power by which values grow with sizes: the slope of the logarithms over the larger half."""
    upper = slice(len(sizes) // 2 - 1, None)
    return float(np.polyfit(np.log(sizes[upper]), np.log(np.maximum(values[upper], 1e-3)), 1)[0])


def _markdown(found: dict[str, Any]) -> str:
    on, parts = found["machine"], ["# Growth"]
    parts.append(
        f"`make bench-growth`, {found['date']}, {on['threads']} of {on['cores']} cores of {on['cpu']}. A "
        f"{'-'.join(map(str, HIDDEN))} network, batches of {BATCH}, dropout 0.1; medians of {REPEATS} processes. "
        "Memory is what the peak grew by once the rows were there. Exponents fit the larger half of the sizes.",
    )
    for name, rows in found["growth"].items():
        others = ", ".join(f"{rows[0][other]:,} {other}" for other in BASE if other != name)
        cells = [[f"{row[name]:,}", f"{row['seconds']:.3f}", f"{row['mebibytes']:.0f}"] for row in rows]
        slopes = [f"{exponent([r[name] for r in rows], [r[key] for r in rows]):.2f}" for key in MEASURED]
        header = [f"{name} ({others})", *MEASURED.values()]
        parts.append(table(header, [*cells, ["exponent", *slopes]]))
    return "\n\n".join([*parts, "![time and memory against size](growth.svg)"])


def _draw(growth: dict[str, list[dict[str, float]]]) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, len(growth), figsize=(11, 6), sharey="row", layout="constrained")
    for column, (name, rows) in enumerate(growth.items()):
        for axis, (key, label) in zip(axes[:, column], MEASURED.items(), strict=True):
            sizes, values = [row[name] for row in rows], [max(row[key], 1e-3) for row in rows]
            axis.loglog(sizes, values, "o-")
            axis.set_title(f"{label} ~ {name}^{exponent(sizes, values):.2f}", fontsize=10)
            axis.set_xlabel(name)
            axis.grid(alpha=0.3)
            axis.set_ylabel(label if not column else "")
    figure.savefig(RESULTS / "growth.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
