"""Mixed precision: products of rounded numbers, sums, weights and updates in full ones."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["full", "bfloat16"]


def products_in(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a network's matrix products are made of such numbers.

    "bfloat16" keeps 8 bits of each number, about 2 digits, and the whole range of float32, so that gradients need no
    scaling (Kalamkar et al. 2019, "A study of bfloat16 for deep learning training"). Units that multiply it, on GPUs
    and on CPUs with AMX, are several times as quick, those of AVX-512 twice, of which large batches get the more;
    elsewhere it is slower. Rounding weights and gradients at every step costs a small network as much as it saves
    (`make bench-fused`).
    """
    return nullcontext() if precision == "full" else torch.autocast(device.type, torch.bfloat16)
