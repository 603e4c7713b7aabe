"""Fixtures for the tests of the core."""

from __future__ import annotations

import pytest
import torch

from pipeline.core import fused


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """What tests draw from torch's own generator does not depend on the tests before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in one thread unless a test asks for more, so that it can count and interrupt epochs."""
    monkeypatch.setattr(fused, "cpu_jobs", lambda n_members: 1)  # noqa: ARG005
