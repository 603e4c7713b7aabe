"""A model is fitted once more on all rows: what is judged stays to the byte, test and new rows are predicted by it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from audit import audit_stages
from shop import PLAIN, SLUG, Call, Shop, ran

from pipeline.engine.store import Result, Store
from pipeline.files import read_entries

SEARCHED = PLAIN.replace("[tune]", "[models.lightgbm]\nrounds = 60\n[tune]")
REFITTED = ("ridge", "linear", "linear-tuned")


def published(shop: Shop, experiment: str) -> tuple[Path, dict[str, Result]]:
    """Return a run's submission, and its results by node name."""
    (provenance,) = (shop.folder / "submissions" / SLUG).glob(f"{experiment}-*.json")
    keys = set(json.loads(provenance.read_text())["results"].values())
    store = Store(shop.folder / "data" / SLUG / "cache")
    return provenance.with_suffix(".csv"), {r.name: r for r in store.results() if r.key in keys}


def test_all_rows_are_learnt_and_nothing_else_changes(shop: Shop, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shop.folder / "experiments" / SLUG
    (folder / "plain.toml").write_text(SEARCHED)
    (folder / "more.toml").write_text(SEARCHED.replace("[models.l", "refit = true\n[models.l"))
    ran(call, "run", SLUG, "-e", "plain")
    planned = [line.split()[0] for line in call("plan", SLUG, "-e", "more").stdout.splitlines() if " run " in line]
    assert "train[ridge" in planned, "the refit"
    assert not {"train[ridge]", "train[linear]", "tune[linear]"}.intersection(planned)

    opened = audit_stages(monkeypatch, roots=[shop.folder / "data", shop.folder / "experiments"])
    ran(call, "run", SLUG, "-e", "more")
    assert opened.keys() >= {f"train[{name} refit]" for name in REFITTED}
    (_, before), (submission, after) = (published(shop, experiment) for experiment in ("plain", "more"))
    assert {name for name in after if "refit" in name} == {f"train[{name} refit]" for name in REFITTED}
    for name in REFITTED:
        (old,) = read_entries(before[f"train[{name}]"].folder / "entries").values()
        (new,) = read_entries(after[f"train[{name} refit]"].folder / "entries").values()
        assert new.oof.tobytes() == old.oof.tobytes()
        assert not np.allclose(new.test, old.test)
    blends = [read_entries(run["ensemble"].folder)["ensemble"] for run in (before, after)]
    assert blends[0].oof.tobytes() == blends[1].oof.tobytes()
    assert blends[0].test.tobytes() != blends[1].test.tobytes()
    rows = {row["entry"]: row for row in json.loads((after["ensemble"].folder / "leaderboard.json").read_text())}
    assert [rows[name]["averaging"] for name in REFITTED] == pytest.approx([0.0] * 3, abs=1e-9)
    assert rows["lightgbm"]["averaging"] > 0.1

    again = shop.folder / "again.csv"
    raw = shop.folder / "data" / SLUG / "raw"
    ran(call, "predict", SLUG, str(raw / "test.csv"), "-e", "more", "--out", str(again))
    assert again.read_bytes() == submission.read_bytes()
    assert "models.ridge.refit" in ran(call, "show", SLUG)
    assert "ridge" in ran(call, "score", SLUG, "-e", "more", "--entry", "ridge")
    assert "more: " in ran(call, "choose", SLUG)
    assert " run " not in call("plan", SLUG, "-e", "more").stdout
