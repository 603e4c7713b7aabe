"""Memory, planned before training starts: how the rows are kept, and how many members train at once.

If it is short after all, fewer do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pipeline.core.blocks import Network, row_units
from pipeline.core.epoch import chunk_rows
from pipeline.core.members import EncodedRows, Program, View
from pipeline.core.sheet import Sheet

CPU_COPIES = 2**30  # bytes of rows below which every view has a copy in memory: that is quicker than a shared sheet
GPU_COPIES = 0.25  # of a GPU's memory, the same
CPU_BYTES = 2**27  # for a wave on a CPU; a constant, so that waves are the same on every machine
GPU_SHARE = 0.8  # of what is free on a GPU once the rows are there
STATE = 5  # numbers kept a parameter: weights, two moments, gradients, and one to work with; and the best ones
PASSES = 6  # numbers kept a unit and row of a batch, on the way forward and back


def shared_sheet(views: Sequence[View], device: torch.device) -> Sheet | None:
    """Return the sheet that views read while they train: where they have one, and copies for all would be too large.

    Otherwise every view gets its copy. Which of the two it is changes no bit of what comes out. The host has the sheet
    in any case; on a GPU it must also be smaller than the copies.
    """
    sheets = {id(rows.excerpt.sheet): rows.excerpt.sheet for rows in _all_rows(views) if rows.excerpt is not None}
    copied = copied_bytes(views)
    if len(sheets) != 1 or any(rows.excerpt is None for rows in _all_rows(views)) or copied <= _comfortable(device):
        return None
    (sheet,) = sheets.values()
    return sheet if device.type == "cpu" or sheet.n_bytes < copied else None


def copied_bytes(views: Sequence[View]) -> int:
    """Return what all views' dense columns take if each view has a copy of its own."""
    return sum(len(rows) * rows.width * rows.dense.element_size() for rows in _all_rows(views))


def _all_rows(views: Sequence[View]) -> list[EncodedRows]:
    return [rows for view in views for rows in view.all_rows]


def _comfortable(device: torch.device) -> int:
    if device.type != "cuda":
        return CPU_COPIES
    return int(GPU_COPIES * torch.cuda.get_device_properties(device).total_memory)


def plan_capacity(program: Program, views: Sequence[View], net: Network, n_members: int, device: torch.device) -> int:
    """Return how many members train at once, so that the waves they would make are equally large."""
    fit = max(1, _free_bytes(device) // _member_bytes(program, views, net))
    n_waves = -(-n_members // fit)
    return -(-n_members // n_waves)


def _free_bytes(device: torch.device) -> int:
    return int(GPU_SHARE * torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else CPU_BYTES


def _member_bytes(program: Program, views: Sequence[View], net: Network) -> int:
    n_parameters = sum(parameter.numel() for parameter in net.parameters())
    batch = max(PASSES * program.batch_size, 2 * chunk_rows(program.architecture)) * row_units(net)
    order = max(len(view.train) for view in views)
    state = STATE + max(1, len(views[0].stops))
    return views[0].train.dense.element_size() * (state * n_parameters + batch) + 8 * order


def is_out_of_memory(error: Exception) -> bool:
    """Say whether an error means that a device, or the host, had no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)
