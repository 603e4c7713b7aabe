"""No stage opens a file that its node does not declare, over the whole graph, AutoGluon and tuning included.

For the checks of an audit see test_audit_command.py.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from audit import audit_stages
from shop import SLUG, Shop


def test_stages_read_and_write_what_they_declare(
    shop: Shop, call: Callable[..., subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop.folder / "experiments" / SLUG / "features.py").write_text(
        'def pressure_by_age(rows):\n    return (rows["bp"] * rows["age"]).rename("pressure by age")\n'
    )
    opened = audit_stages(monkeypatch, roots=[shop.folder / "data", shop.folder / "experiments"])
    assert call("run", SLUG, "-e", "quick").returncode == 0
    expected = {"ingest", "preprocess[pressure_by_age]", "train[autogluon]", "tune[mlp]", "ensemble", "submit"}
    assert expected <= opened.keys()
    assert all(opened.values())
