"""Devices: the CPU stands in where no GPU works."""

from __future__ import annotations

import torch

from pipeline.core import devices


def test_a_device_that_is_returned_runs_a_kernel() -> None:
    for device in (devices.try_gpu(), *devices.try_all_gpus()):
        assert torch.ones(2, device=device).sum().item() == 2


def test_a_number_beyond_the_last_gpu_is_the_cpu() -> None:
    assert devices.try_gpu(99) == torch.device("cpu")


def test_a_card_that_fails_its_first_kernel_is_not_used(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(devices, "_works", lambda device: False)  # noqa: ARG005
    assert devices.try_gpu() == torch.device("cpu")
    assert devices.try_all_gpus() == [torch.device("cpu")]
