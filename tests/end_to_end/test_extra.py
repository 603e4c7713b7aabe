"""Labelled rows beside train go through the whole pipeline: fitted, never scored, in the keys and the provenance."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from audit import audit_stages
from shop import PLAIN, SLUG, Call, Shop, ran

from pipeline.engine.key import hash_file

EXTRA = '[extra]\nfiles = ["original.csv"]\nweight = 0.5\n[submit]\nclip = "train"\n'
POSTPROCESS = "def postprocess(predictions, rows):\n    return predictions + rows['sex'].to_numpy() / 10\n"
FEATURE = "def heavy(rows):\n    return rows['bmi'] > 26\n"


def test_extra_rows_are_fitted_and_accounted_for(shop: Shop, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, raw = shop.folder / "experiments" / SLUG, shop.folder / "data" / SLUG / "raw"
    (folder / "features.py").write_text(FEATURE)
    (folder / "postprocess.py").write_text(POSTPROCESS)
    (folder / "plain.toml").write_text(PLAIN)
    (folder / "more.toml").write_text(PLAIN + EXTRA)
    ran(call, "ingest", SLUG, "-e", "plain")
    train = pd.read_csv(raw / "train.csv")
    rows = pd.concat([train.head(40).assign(bmi=lambda own: own["bmi"] + 0.01), train.head(7)])
    rows.drop(columns=["glucose", "id"]).to_csv(raw / "original.csv", index=False)

    opened = audit_stages(monkeypatch, roots=[shop.folder / "data", shop.folder / "experiments"])
    said = " ".join(ran(call, "run", SLUG, "-e", "more").split())
    assert "7 extra rows are copies of train's, the target included: left out" in said
    assert "40 extra rows are trained on in every fold and validated in none" in said
    readers = {name for name, files in opened.items() if any("extra" in path.name for path in files)}
    assert readers >= {"train[ridge]", "train[linear]", "tune[linear]", "budget"}
    assert not readers & {"split", "ensemble", "score", "submit", "preprocess"}

    (provenance,) = (shop.folder / "submissions" / SLUG).glob("*.json")
    assert json.loads(provenance.read_text())["raw_files"]["original.csv"] == hash_file(raw / "original.csv")
    assert "raw file original.csv" in " ".join(ran(call, "explain", str(provenance.with_suffix(".csv"))).split())
    assert "extra rows" in ran(call, "audit", SLUG, "-e", "more")
    predicted = ran(call, "predict", SLUG, str(raw / "test.csv"), "-e", "more", "--out", str(shop.folder / "again.csv"))
    assert (shop.folder / "again.csv").read_bytes() == provenance.with_suffix(".csv").read_bytes(), predicted

    planned = {line.split()[0]: line for line in call("plan", SLUG, "-e", "plain").stdout.splitlines() if line.strip()}
    assert "run" not in planned["split"]
    assert "extra is no longer read" in planned["train[ridge]"]
    rows.head(39).to_csv(raw / "original.csv", index=False)
    again = [line.split()[0] for line in call("plan", SLUG, "-e", "more").stdout.splitlines() if " run" in line]
    assert again[:2] == ["ingest[extra", "preprocess[extra"]
