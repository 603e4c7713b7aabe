"""Where tensors live: the first GPU that really works, else the CPU."""

from __future__ import annotations

import torch


def try_gpu(number: int = 0) -> torch.device:
    """Return GPU `number` if it runs a kernel, else the CPU: an old card may be listed and yet be useless."""
    device = torch.device(f"cuda:{number}")
    return device if number < torch.cuda.device_count() and _works(device) else torch.device("cpu")


def try_all_gpus() -> list[torch.device]:
    """Return every GPU that runs a kernel, or the CPU alone if there is none."""
    devices = [torch.device(f"cuda:{number}") for number in range(torch.cuda.device_count())]
    return [device for device in devices if _works(device)] or [torch.device("cpu")]


def _works(device: torch.device) -> bool:
    try:
        ones = torch.ones(2, 2, device=device)
        return bool((ones @ ones).sum().item() == 8)
    except (RuntimeError, AssertionError):
        return False
