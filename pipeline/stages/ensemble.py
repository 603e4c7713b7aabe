"""Stage ensemble: every model's predictions as one, scored on rows that neither weights nor choices were fitted on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from pipeline.blenders import best, mean
from pipeline.blenders._alone import as_submitted, is_decided
from pipeline.blenders._blend import Blend, Blends
from pipeline.blenders._blender import Blender
from pipeline.blenders._library import Library, build_library
from pipeline.blenders._reference import weights_optimism
from pipeline.blenders._worth import places_by_model, worth_table
from pipeline.engine.stage import Job
from pipeline.entries import AS_SUBMITTED, BEST, ENSEMBLE, EQUAL, TUNED, read_library
from pipeline.errors import ConfigError, ModelError
from pipeline.files import read_folds, read_json, read_target, write_entry, write_json
from pipeline.honesty.averaging import Finished, gain_alone, gain_blended
from pipeline.postprocess import Finisher
from pipeline.seeds import derive
from pipeline.types import CrossFit, Folds, Metric, StopOn
from pipeline.uncertainty import cv_figure, rows_ratio
from pipeline.wording import first_few


@dataclass(frozen=True)
class Judge:
    """What every row of the leaderboard is computed with: predictions count as they would be submitted."""

    target: np.ndarray
    folds: Folds
    metric: Metric
    finisher: Finisher

    @property
    def finish(self) -> Finished | None:
        """What becomes of predictions of one target before they are submitted, None where nothing does."""
        return None if self.finisher.is_plain or self.target.ndim > 1 else self.finisher.of_apart

    def fold_errors(self, oof: np.ndarray) -> np.ndarray:
        """Return the error (n_repeats, n_folds) of predictions (n_repeats, n_train, n_outputs)."""
        return self.folds.errors(self.metric, self.target, self.finisher.oof(oof))

    def figures(self, finished: np.ndarray) -> dict[str, Any]:
        """Return error, score, standard error (None with one fold) and fold errors as JSON values.

        finished: predictions (n_repeats, n_train, n_outputs) as they would be submitted.
        """
        errors = self.folds.errors(self.metric, self.target, finished)
        figure = cv_figure(errors, rows_ratio(self.folds))
        return {
            "cv_error": figure.mean,
            "cv_score": self.metric.as_score(figure.mean),
            "se": figure.se if np.isfinite(figure.se) else None,
            "fold_errors": errors.tolist(),
            "rows_covered": int((~np.isnan(finished).any(axis=2)).sum()),
        }

    def as_submitted(self, entries: Mapping[str, CrossFit]) -> Mapping[str, CrossFit]:
        """Return entries as each would be submitted by itself; the same ones where that is as they are."""
        if self.finisher.is_plain and not is_decided(self.metric):
            return entries
        return {name: as_submitted(entry, self.finisher, self.metric) for name, entry in entries.items()}


def run(job: Job) -> dict[str, Any]:
    """Fit the blend; write ensemble.safetensors, {weights,temperatures,blend,leaderboard,worth,result}.json, and, where
    predictions are not submitted as they are, as-submitted/<entry>.safetensors: every entry as it would be by itself.

    Reads preprocess (rows.parquet), split, the entries of every input `train:<name>`, for a nested blender those of
    every `nested:<name>`, and, of what was tuned, `tune:<name>` (optimism.json). config: options of the blender. Raises
    ModelError where an entry misses rows that the folds validate, ConfigError where there is nothing to blend,
    FeatureError where postprocess.py fails.
    """
    metric = Metric.from_module(job.plugins["metric"])
    target = read_target(job.inputs["preprocess"])
    folds = read_folds(job.inputs["split"])
    judge = Judge(target, folds, metric, _finisher(job, target, folds))
    entries = read_library(job.inputs)
    covered = judge.folds.covered
    _check_coverage(entries, covered)
    nested = read_library(job.inputs, "nested")
    library = _calibrated(build_library(entries, target, metric, judge.folds, nested), job)
    blender = _among_nested(_blender(job.plugins["blender"], job.config.get("options", {})), library, nested, job)
    blends, without = _cross_fit(library, blender, job)
    blend = library.fit(blender, derive(job.seed, ENSEMBLE))
    weights = {name: float(w) for name, w in zip(library.names, blend.weights, strict=True)}
    shares = {name: weight for name, weight in weights.items() if weight}
    temperatures = {name: float(t) for name, t in zip(library.names, blend.temperatures, strict=True) if name in shares}
    temperatures[ENSEMBLE] = blend.last_temperature
    known = _known(library, blend, shares, judge, job) | _of_references(entries, library, judge, job)
    stop_on = _stop_on(entries, blender.names(library.names))
    each = judge.as_submitted(entries)
    rows = _leaderboard(each, blends, shares, known, judge, stop_on)
    write_entry(job.out, ENSEMBLE, _result_entry(blends[ENSEMBLE], blend.apply(library.test), stop_on, judge))
    if each is not entries:
        (job.out / AS_SUBMITTED).mkdir()
        for name, entry in each.items():
            write_entry(job.out / AS_SUBMITTED, name, replace(entry, curves=None))
    write_json(job.out / "weights.json", shares)
    write_json(job.out / "temperatures.json", temperatures)
    finish = judge.finisher.to_dict()
    write_json(job.out / "blend.json", {"names": list(library.names), "blend": blend.to_dict(), "finish": finish})
    write_json(job.out / "leaderboard.json", rows)
    write_json(job.out / "worth.json", _worth(blends[ENSEMBLE], without, weights, judge))
    write_json(job.out / "result.json", _result(rows, judge, len(library.names)))
    return _facts(covered, library, job)


def _finisher(job: Job, target: np.ndarray, folds: Folds) -> Finisher:
    """Return how predictions are finished: by the experiment's settings, then by the competition's postprocess.py."""
    settings = job.config.get("finish", {})
    finisher = Finisher(settings.get("clip"), settings.get("round"), None, target, folds)
    if "postprocess" not in job.plugins:
        return finisher
    schema = read_json(job.inputs["ingest"] / "schema.json")
    shown = [schema["id"], *(column["name"] for column in schema["columns"])]
    train, test = (pd.read_parquet(job.inputs["ingest"] / f"{part}.parquet")[shown] for part in ("train", "test"))
    return replace(finisher, own=job.plugins["postprocess"].postprocess, train=train, test=test)


def _check_coverage(entries: Mapping[str, CrossFit], covered: np.ndarray) -> None:
    for name, entry in entries.items():
        missing = np.isnan(entry.oof).any(axis=2) & covered
        if missing.any():
            raise ModelError(
                f"entry '{name}' has no out-of-fold prediction for {int(missing.sum())} of "
                f"{int(covered.sum())} rows that the folds validate",
                hint="leave the model out, or repair it: every validated row needs a prediction",
            )


def _calibrated(library: Library, job: Job) -> Library:
    """Return the library with the calibration that the experiment asks for."""
    isotonic = job.config.get("calibration") == "isotonic"
    if isotonic and not library.of_classes:
        raise ConfigError(
            "[ensemble] calibration = 'isotonic': it makes probabilities true, and this target has values",
            hint="leave the line out",
        )
    return replace(library, isotonic=isotonic)


def _blender(module: ModuleType, options: Mapping[str, Any]) -> Blender:
    settings: type[BaseModel] = module.Options
    try:
        return Blender(module, settings(**options))
    except ValidationError as error:
        known = ", ".join(settings.model_fields) or "none"
        raise ConfigError(f"ensemble.options: {error}", hint=f"options of this blender: {known}") from error


def _among_nested(blender: Blender, library: Library, nested: Mapping[str, CrossFit], job: Job) -> Blender:
    """Return a nested blender that may use what has nested predictions; while nothing has, equal weights stand in."""
    if not blender.nested:
        return blender
    usable = [name in nested and nested[name].stop_on != "fold" for name in library.names]
    if not any(usable):
        job.log.info("ensemble: nothing is nested yet, so that there are equal weights in place of the stack")
        return Blender(mean, mean.Options())
    left_out = [name for name, use in zip(library.names, usable, strict=True) if not use]
    if left_out:
        unused = f"{len(left_out)} of {len(usable)} entries"
        job.log.info(f"ensemble: {unused} cannot be nested and are not used: {first_few(left_out)}")
    return replace(blender, among=np.flatnonzero(usable))


def _cross_fit(library: Library, blender: Blender, job: Job) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return cross-fitted predictions: of the ensemble and the two plain ways beside it; of it without each model."""
    models = places_by_model(blender, library.names)
    blenders = [
        replace(blender, left_out=list(models.values())),
        *(Blender(own, own.Options()) for own in (mean, best)),
    ]
    with job.log.progress("ensemble", (len(blenders) + len(models)) * library.n_parts) as bar:
        found = library.cross_fit(blenders, derive(job.seed, "cross-fit"), bar.advance)
    ensemble, *without, equal, single = found
    return {ENSEMBLE: ensemble, EQUAL: equal, BEST: single}, dict(zip(models, without, strict=True))


def _worth(
    oof: np.ndarray, without: Mapping[str, np.ndarray], weights: Mapping[str, float], judge: Judge
) -> list[dict[str, Any]]:
    errors = {model: judge.fold_errors(other) for model, other in without.items()}
    return worth_table(judge.fold_errors(oof), errors, weights, rows_ratio(judge.folds))


def _known(
    library: Library, blend: Blend | Blends, shares: Mapping[str, float], judge: Judge, job: Job
) -> dict[str, dict[str, float]]:
    """Return by how much the errors of entries and ensemble are to be corrected before they are expected in private.

    averaging: lower, because all folds' models are averaged; tuning: higher, because recipes were chosen on these rows.
    A blend is as much too good as its entries are by their weights.
    """
    how = derive(job.seed, "averaging"), judge.finish
    tuning = dict.fromkeys(library.names, 0.0) | {
        f"{node.removeprefix('tune:')}{TUNED}": read_json(folder / "optimism.json")["optimism"] or 0.0
        for node, folder in job.inputs.items()
        if node.startswith("tune:")
    }
    known = {name: {"averaging": gain_alone(library, name, *how), "tuning": tuning[name]} for name in library.names}
    flattered = max(sum(share * tuning[name] for name, share in shares.items()), 0.0)
    return known | {ENSEMBLE: {"averaging": gain_blended(library, blend, *how), "tuning": flattered}}


def _of_references(
    entries: Mapping[str, CrossFit], library: Library, judge: Judge, job: Job
) -> dict[str, dict[str, float]]:
    """Return the same for references; what they chose on the rows that score them is their base models' weights."""
    found = {}
    for name in (name for name, entry in entries.items() if entry.reference):
        one = build_library({name: replace(entries[name], reference=False)}, judge.target, judge.metric, judge.folds)
        chosen = weights_optimism(library, name, lambda oof: float(judge.fold_errors(oof).mean()), job.seed)
        gain = gain_alone(one, name, derive(job.seed, "averaging"), judge.finish)
        found[name] = {"averaging": gain, "tuning": chosen}
    return found


def _leaderboard(
    entries: Mapping[str, CrossFit],
    blends: Mapping[str, np.ndarray],
    shares: Mapping[str, float],
    known: Mapping[str, Mapping[str, float]],
    judge: Judge,
    stop_on: StopOn,
) -> list[dict[str, Any]]:
    """Return a row an entry and a blend, best first; `kind` tells them apart.

    A blend's predictions are cross-fitted ("best single" is chosen on other folds too, and labels are decided on
    others), so that all rows can be compared; only a reference, AutoGluon's own ensemble, has seen the rows that it is
    scored on. entries: as each would be submitted. known: what `_known` returns, by entry. stop_on: of the ensemble;
    equal weights and the best single entry are of all entries.
    """
    rows = [
        {"entry": name, "kind": "entry", "stop_on": entry.stop_on, "reference": entry.reference}
        | {"weight": shares.get(name, 0.0)}
        | judge.figures(entry.oof)
        for name, entry in entries.items()
    ]
    stops = dict.fromkeys(blends, _stop_on(entries, entries)) | {ENSEMBLE: stop_on}
    rows += [
        {"entry": name, "kind": "blend", "stop_on": stops[name], "reference": False, "weight": None}
        | judge.figures(judge.finisher.oof(oof))
        for name, oof in blends.items()
    ]
    nothing = {"averaging": 0.0, "tuning": 0.0}
    rows = [row | (nothing | dict(known.get(str(row["entry"]), {}))) for row in rows]
    return sorted(rows, key=lambda row: (row["cv_error"], row["entry"]))


def _stop_on(entries: Mapping[str, CrossFit], names: Collection[str]) -> StopOn:
    """Return "fold" where any entry that may be blended, one of `names`, was stopped on the rows that score it, else
    "inner" or "none".

    Weights fitted on other folds may draw on entries that the final weights leave out.
    """
    found = {entry.stop_on for name, entry in entries.items() if name in names and not entry.reference}
    return next(kind for kind in ("fold", "inner", "none") if kind in found)


def _result_entry(oof: np.ndarray, test: np.ndarray, stop_on: StopOn, judge: Judge) -> CrossFit:
    unknown = np.full((judge.folds.n_repeats, judge.folds.n_folds), np.nan)
    finished = judge.finisher.oof(oof), judge.finisher.of_test(test)
    return CrossFit(*finished, judge.fold_errors(oof), unknown, unknown, stop_on)


def _result(rows: list[dict[str, Any]], judge: Judge, n_entries: int) -> dict[str, Any]:
    """Return what is printed of a run, so that printing needs no table library."""
    row = next(row for row in rows if row["entry"] == ENSEMBLE)
    shown = {key: row[key] for key in ("cv_score", "cv_error", "se", "fold_errors", "rows_covered", "stop_on")}
    return shown | {
        "metric": judge.metric.name,
        "greater_is_better": judge.metric.greater_is_better,
        "n_folds": judge.folds.n_folds,
        "n_repeats": judge.folds.n_repeats,
        "n_entries": n_entries,
        "valid_to_train": rows_ratio(judge.folds),
    }


def _facts(covered: np.ndarray, library: Library, job: Job) -> dict[str, Any]:
    uncovered = int((~covered).sum())
    if uncovered:
        job.log.info(f"ensemble: {uncovered} of {covered.size} rows are validated by no fold and were left out")
    return {
        "n_entries": len(library.names),
        "n_rows_uncovered": uncovered,
        "averages": "logs" if library.logs else "values",
    }
