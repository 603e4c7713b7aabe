"""Minutes that are left become more fits: entries of their own, in the ensemble, cached like everything else."""

from __future__ import annotations

import json

import pytest
from audit import audit_stages
from shop import SLUG, TWO, Call, Shop, ran

SPARE = f"use_spare_minutes = true{TWO}[models.lightgbm]\nrounds = 20\n"


def test_what_is_left_is_used_and_found_again(shop: Shop, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shop.folder / "experiments" / SLUG
    (folder / "spare.toml").write_text(SPARE)
    opened = audit_stages(monkeypatch, roots=[shop.folder / "data", shop.folder / "experiments"])
    said = " ".join(ran(call, "run", SLUG, "-e", "spare").split())
    assert "minutes are left: more fits of every fold, by other seeds: lightgbm (4), linear (4)" in said
    (provenance,) = (shop.folder / "submissions" / SLUG).glob("spare-*.json")
    results = json.loads(provenance.read_text())["results"]
    assert {"budget[spare]", "train[lightgbm+more]", "train[linear+more]"} <= results.keys() & opened.keys()
    assert " run " not in call("plan", SLUG, "-e", "spare").stdout
    again = shop.folder / "again.csv"
    raw = shop.folder / "data" / SLUG / "raw"
    ran(call, "predict", SLUG, str(raw / "test.csv"), "-e", "spare", "--out", str(again))
    assert again.read_bytes() == provenance.with_suffix(".csv").read_bytes()
