"""A stack goes through the whole pipeline: nested, blended, and repeated on rows that it is given as new ones."""

from __future__ import annotations

import json

import pytest
from audit import audit_stages
from shop import SLUG, TWO, Call, Shop, ran

STACK = f'{TWO}[ensemble]\nkind = "stack"\n'


def test_a_stack_is_run_and_repeated_on_new_rows(shop: Shop, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, data = shop.folder / "experiments" / SLUG, shop.folder / "data" / SLUG
    (folder / "stack.toml").write_text(STACK)
    opened = audit_stages(monkeypatch, roots=[shop.folder / "data", shop.folder / "experiments"])
    ran(call, "run", SLUG, "-e", "stack")
    assert {"split[nested]", "nested[ridge]", "nested[linear]"} <= opened.keys()
    (submission,) = (path for path in (shop.folder / "submissions" / SLUG).glob("*.csv") if "so-far" not in path.name)
    (blend,) = (data / "cache" / "ensemble").rglob("blend.json")
    assert len(json.loads(blend.read_text())["blend"]["offset"]) == 1
    kept = [path for path in (data / "cache" / "nested").rglob("*") if path.is_file()]
    assert not [path for path in kept if "fitted" in path.parts], "the models of pairs predict nothing new"
    ran(call, "predict", SLUG, str(data / "raw" / "test.csv"), "-e", "stack", "--out", str(shop.folder / "again.csv"))
    assert (shop.folder / "again.csv").read_bytes() == submission.read_bytes()
    (folder / "stack.toml").write_text(STACK.replace('"stack"', '"shrunk"'))
    said = ran(call, "run", SLUG, "-e", "stack").splitlines()
    assert "ensemble" in [line.split()[0] for line in said if line.strip()]
    assert not [line for line in said if line.startswith(("train[", "nested["))], "other minutes, the same models"
