"""Fixtures for the tests of the core."""

from __future__ import annotations

import pytest

from pipeline.core import fused


@pytest.fixture(autouse=True)
def one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train in one thread unless a test asks for more, so that it can count and interrupt epochs."""
    monkeypatch.setattr(fused, "cpu_jobs", lambda n_members: 1)  # noqa: ARG005
