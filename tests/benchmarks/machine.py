"""What a measurement ran on, and how much of it others used meanwhile."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAT = Path("/proc/stat")
TICKS = os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, Any]:
    """Return processor, cores, Python and system."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}


def code() -> str:
    """Return the last commit that changed the pipeline or its experiments, with a + where files differ from it."""
    parts = ("--", "pipeline", "experiments")
    last, changed = (
        subprocess.run(["git", *words, *parts], capture_output=True, text=True, check=False).stdout.strip()
        for words in (("log", "-1", "--format=%h"), ("status", "--porcelain"))
    )
    return (last or "unknown") + ("+" if changed else "")


def multiplies_bfloat16() -> bool:
    """Say whether the processor has units for products of bfloat16 (AMX, or those of AVX-512)."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and not {"amx_bf16", "avx512_bf16"}.isdisjoint(cpuinfo.read_text().split())


@dataclass(frozen=True)
class Timing:
    """Seconds of a call; result: what it returned; foreign: cores that other processes kept busy meanwhile."""

    seconds: float
    result: Any
    foreign: float


def timed(call: Callable[[], Any]) -> Timing:
    """Call and take the time."""
    busy, own, began = _busy_seconds(), time.process_time(), time.perf_counter()
    result = call()
    seconds, own = time.perf_counter() - began, time.process_time() - own
    return Timing(seconds, result, max(0.0, (_busy_seconds() - busy - own) / seconds))


def _busy_seconds() -> float:
    """Return how long all cores have been busy since the machine started; 0 where the system does not say."""
    if not STAT.is_file():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, STAT.read_text().split(maxsplit=9)[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS
