"""A run that starts from what another one left behind reads that, says so to the cache, and reads nothing else."""

from __future__ import annotations

import pytest
from audit import audit_stages
from shop import PLAIN, SLUG, Call, Shop, ran


def test_trials_and_worths_of_another_run_are_declared(shop: Shop, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shop.folder / "experiments" / SLUG
    (folder / "first.toml").write_text(PLAIN)
    ran(call, "run", SLUG, "-e", "first")
    (folder / "next.toml").write_text(f'worth_from = ["first"]{PLAIN}start_from = ["first"]\n')
    opened = audit_stages(monkeypatch, roots=[shop.folder / "data", shop.folder / "experiments"])
    ran(call, "run", SLUG, "-e", "next")
    for name, read in (("budget", "first.worth.json"), ("tune[linear]", "first.linear.best.json")):
        assert folder / "studies" / read in opened[name]
