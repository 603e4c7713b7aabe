"""A run whose MLflow server is down makes the same bytes, and what it had to tell waits."""

from __future__ import annotations

import shutil

import pytest
from shop import SLUG, Call, Shop, ran

from pipeline.engine.track import Journal

QUICK = "minutes = 5\n[split]\nn_folds = 3\n[models.linear]\nepochs = 15\n"


def test_with_the_server_down_the_same_bytes_come_out(shop: Shop, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop.folder / "experiments" / SLUG / "quick.toml").write_text(QUICK)
    ran(call, "run", SLUG, "-e", "quick")
    before, journal = shop.submissions, Journal(shop.folder / "experiments" / "journal.jsonl")
    assert len(before) == 1
    assert journal.lines() == []

    shutil.rmtree(shop.folder / "data" / SLUG / "cache")
    shutil.rmtree(shop.folder / "submissions")
    monkeypatch.setenv("PIPELINE_TRACKING", "on")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # where nobody listens
    said = " ".join(ran(call, "run", SLUG, "-e", "quick").split())
    assert shop.submissions == before
    assert "MLflow at http://127.0.0.1:9 did not take it" in said
    (line,) = journal.lines()
    assert (line["action"], line["competition"], line["experiment"]) == ("log", SLUG, "quick")
    assert "submit" in line["results"]
