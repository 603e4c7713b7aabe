"""Predict new rows with what a run has fitted: the way of the test rows through the pipeline, and nothing replayed.

A folder of what is fitted, as pipeline/inference/gather.py lays it out:

    fitted.json               the competition's facts, the form of the submission, the entries in use
    schema.json columns.json  how ingest typed the columns, and what preprocess made of them
    blend.json                weights and temperatures of all entries, and how predictions are finished
    tables/                   what new rows are joined with, where the competition has files beside train and test
    features.py               the competition's own features, where there are any; so postprocess.py
    models/<node>/<fold>/     what `train` kept of every fold and seed
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.blenders._blend import read_blend
from pipeline.blenders._library import in_logs
from pipeline.engine import plugins
from pipeline.engine.sealed import sealed
from pipeline.engine.stage import Plugin
from pipeline.errors import ModelError
from pipeline.features import apply_feature
from pipeline.files import read_json
from pipeline.inference.prepared import Prepared, read_prepared
from pipeline.models import _optional
from pipeline.postprocess import finish_of
from pipeline.raw.beside import read_tables, widened
from pipeline.raw.rows import NewRows, Say, read_rows
from pipeline.raw.sheet import read_sheet
from pipeline.stages.submit import read_form, write_submission

FACTS, FEATURES, POSTPROCESS, MODELS = "fitted.json", "features.py", "postprocess.py", "models"


def predict(fitted: Path, test: Path, sample: Path | None, out: Path, say: Say) -> int:
    """Write predictions for the rows of `test` to `out`, in the form of the competition's submission.

    sample: a sample submission for these rows, whose order is followed. Returns the number of rows. Raises DataError,
    FeatureError and ModelError, each with what is amiss.
    """
    facts, schema, prepared = read_json(fitted / FACTS), read_json(fitted / "schema.json"), read_prepared(fitted)
    sheet = None if sample is None else read_sheet(sample)
    rows = read_rows(widened(read_sheet(test), schema, read_tables(fitted), say), sheet, schema, prepared.needed, say)
    table = prepare(fitted, prepared, rows, test.name)
    _tell_new_levels(table, prepared, say)
    prediction = _finished(fitted, _blended(fitted, facts["entries"], table, say), rows.typed)
    ids = rows.typed[schema["id"]]
    asked = pd.DataFrame(
        {name: facts["sample"].get(name) for name in schema["sample_columns"]}, index=pd.Index(rows.written)
    )
    asked[schema["id"]] = ids.to_numpy()[rows.order]
    form = read_form(facts["competition"], asked, ids.to_numpy(), tuple(schema["classes"]))
    aside = out.with_name(f".{out.name}.partial")
    write_submission(aside, form, form.fill(prediction), schema)
    aside.replace(out)
    return len(ids)


def prepare(fitted: Path, prepared: Prepared, rows: NewRows, where: str) -> pd.DataFrame:
    """Return typed raw rows as rows of the fitted Table, the competition's own features among them."""
    made = {}
    if prepared.features:
        module = plugins.load(Plugin("competition_features", fitted / FEATURES))
        for name in prepared.features:
            with sealed(f"features.py: {name}()"):
                made[name] = apply_feature(getattr(module, name), name, rows.typed, where)
    return prepared.apply(rows.typed, made)


def _tell_new_levels(table: pd.DataFrame, prepared: Prepared, say: Say) -> None:
    for name, known in prepared.columns.items():
        if known is not None and (new := set(table[name].cat.categories) - set(known)):
            n_rows = int(table[name].isin(new).sum())
            say(f"{name}: {len(new)} levels in {n_rows} rows were never seen before, such as {min(new)!r}")


def _blended(fitted: Path, entries: Mapping[str, Mapping[str, str]], table: pd.DataFrame, say: Say) -> np.ndarray:
    """Return (n, n_outputs) of the ensemble.

    Entries without a weight take part as zeros, so that sums are added up in the order of the run, to the last bit.
    """
    stored = read_json(fitted / "blend.json")
    blend = read_blend(stored["blend"])
    found = {}
    for number, (name, entry) in enumerate(entries.items(), start=1):
        found[name] = predict_entry(fitted / MODELS / entry["node"], entry["kind"], name, table)
        say(f"{name}: {len(table)} rows predicted ({number} of {len(entries)} entries)")
    nothing = np.zeros_like(next(iter(found.values())))
    stacked = np.stack([found.get(name, nothing) for name in stored["names"]], axis=1)
    return blend.apply(in_logs(stacked) if blend.logs else stacked)


def _finished(fitted: Path, prediction: np.ndarray, rows: pd.DataFrame) -> np.ndarray:
    """Return predictions (n, n_outputs) as they are submitted; rows: typed raw rows, for postprocess.py."""
    state, own = read_json(fitted / "blend.json")["finish"], None
    if state["own"]:
        own = plugins.load(Plugin("competition_postprocess", fitted / POSTPROCESS)).postprocess
    return finish_of(state, own).apply(prediction, rows)


def predict_entry(folder: Path, kind: str, name: str, table: pd.DataFrame) -> np.ndarray:
    """Return (n, n_outputs): the mean over every fold that was kept of an entry, in their order."""
    model = plugins.load(plugins.find("models", kind, where=str(folder)))
    if not _optional.predicts_new_rows(model):
        raise ModelError(f"{name}: models of kind '{kind}' cannot predict new rows", hint="leave it out of the blend")
    folds = sorted(folder.iterdir(), key=lambda fold: [int(part) for part in fold.name.split("-")])
    return np.asarray(np.mean([model.load(fold, *name.split("/")[1:]).predict(table) for fold in folds], axis=0))
