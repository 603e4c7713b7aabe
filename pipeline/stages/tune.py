"""tune: Optuna proposes waves of trials, each wave is cross-fitted together; what it found must stand a test.

The folds are not the final ones, and those of the test are others again. The stored study holds finished trials only.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from pipeline.engine.stage import Job
from pipeline.files import read_folds, write_json
from pipeline.seeds import derive
from pipeline.tuning import storage, study
from pipeline.tuning.choice import UNCORRECTED, UNKNOWN, Optimism, optimism, persistence, safest
from pipeline.tuning.guard import Verdict, confirm
from pipeline.tuning.halving import first_wave, wave_of
from pipeline.tuning.search import Search, read_oof, search_of
from pipeline.types import VALID, Folds
from pipeline.uncertainty import rows_ratio

MOSTLY = 0.7
"""Part of their rows from which on fresh folds are those of the search: on them its choice flatters, and is counted.

Of 40 recipes that were worth nothing, the test kept one in half of 76 searches with eight groups, whose folds share
nine tenths of their rows, and in 16 % of 150 with sixty groups, which is what it is made for.
"""
N_SHOWN = 5
"""Trials in the table that is shown while a search runs."""
STATES = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "given up", TrialState.FAIL: "failed"}


def run(job: Job) -> dict[str, Any]:
    """Write trials.parquet (number, state, error, se, rungs, one column a parameter), best.json and recipe.json.

    Where labels are decided afterwards trials are judged by the log loss, and the column `error` is called so.
    best.json holds the parameters of the best trials, for other searches to start with. The recipe is that of the best
    trial if it is better than the default on fresh folds, else the default. optimism.json says by how much its error is
    too low on folds that it was not chosen on, because it was chosen on the same rows (None where nobody knows).
    """
    search = search_of(job)
    began = time.monotonic()
    with storage.opened(search.folder, f"{search.entry}-{job.progress.name}") as kept:
        trials = fill(search, kept)
    seconds = round(time.monotonic() - began, 1)
    _write_trials(search, trials)
    write_json(job.out / "best.json", study.best_of(trials.values(), search.space))
    best = _best(search, trials)
    verdict = _settle(search, best, len(trials))
    carried = _carried(search, best, trials, verdict)
    write_json(job.out / "optimism.json", {"optimism": carried})
    if carried is None and verdict is not None:
        job.log.warn(f"{search.entry}: {UNCORRECTED}")
        verdict = replace(verdict, text=f"{verdict.text}; {UNCORRECTED}")
    cut = [f"{len(trials)} of {search.n_trials} trials"] * (len(trials) < search.n_trials)
    if verdict is not None and verdict.truncated:
        cut.append(f"the test of what was found: {verdict.truncated}")
    facts = _facts(trials, best, verdict) | {"seconds_searching": seconds}
    return facts | ({"truncated": cut} if cut else {})


def fill(search: Search, kept: storage.Trials) -> dict[int, FrozenTrial]:
    """Run waves until all trials are there, or time is up; return them by their places, in order.

    A wave that time cuts short is not judged.
    """
    job, shown = search.job, 0
    with job.log.progress(f"tune {search.entry}", search.n_trials) as bar:
        while True:
            done = {place: trial for place, trial in kept.finished().items() if place < search.n_trials}
            bar.advance(len(done) - shown, note=_note(done.values(), search.measure))
            bar.table(*_leaders(done, search))
            shown = len(done)
            if shown == search.n_trials or job.log.late():
                break
            open_places = [place for place in range(search.n_trials) if place not in done]
            wave = wave_of(open_places[0], job.config["wave"], job.config["reduction"])
            wave = range(wave.start, min(wave.stop, search.n_trials))
            # of a killed wave all are fitted again, from where they were: in another company the last bits are others
            begun = any(folder.exists() for folder in search.wave_folders)
            places = kept.claim([place for place in wave if begun or place not in done])
            if not places:
                kept.wait()
            elif not _fit(search, kept, done, places, wave):
                break
    return dict(sorted(done.items()))


def _fit(search: Search, kept: storage.Trials, done: Mapping[int, FrozenTrial], places: list[int], wave: range) -> bool:
    """Fit these places of a wave, and keep them; say no if time was up.

    A first wave is compared to itself if all of it is there: not where others fit some of it, or few trials are asked.
    """
    earlier = [done[place] for place in range(wave.start)]
    whole = kept.alone and len(wave) == first_wave(search.job.config["wave"], search.job.config["reduction"])
    beside = [done[place] for place in wave if place in done and place not in places]
    config, seed = search.job.config, derive(search.job.seed, "wave", wave.start)
    how = {"sampler": config["sampler"], "seed": seed, "start": search.start, "n_early": len(search.early)}
    trials = study.ask_wave(earlier, search.space, len(wave), **how)
    asked = [trials[place - wave.start] for place in places]
    entries = search.cross_fit(asked, earlier, beside if whole and not earlier else None)
    if any(entry.truncated for entry in entries):
        return False
    for place, trial, entry in zip(places, asked, entries, strict=True):
        if not entry.failed:
            np.save(search.oof_path(place), entry.oof.astype(np.float32))
        kept.tell(place, study.finished(trial, entry, rows_ratio(search.folds)))
    for folder in search.wave_folders:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _leaders(done: Mapping[int, FrozenTrial], search: Search) -> tuple[list[str], list[list[str]]]:
    """Return the best trials so far as a table: header and rows."""
    finished = [place for place, trial in done.items() if trial.state is TrialState.COMPLETE]
    best = sorted(finished, key=lambda place: done[place].value or 0.0)[:N_SHOWN]
    rows, space = list[list[str]](), search.space
    for place in best:
        own = study.values(done[place].params, space)
        figure = f"{done[place].value:.5f} ± {done[place].user_attrs['se']:.5f}"
        rows.append([str(place), figure, *(_short(own.get(name)) for name in space)])
    return ["trial", search.measure, *space], rows


def _short(value: Any) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _note(trials: Iterable[FrozenTrial], measure: str) -> str:
    trials = list(trials)
    errors = [trial.value for trial in trials if trial.value is not None]
    best = f"best{'' if measure == 'error' else ' ' + measure} {min(errors):.5f}" if errors else "none finished yet"
    return f"{best}, {sum(trial.state is TrialState.PRUNED for trial in trials)} given up"


@dataclass(frozen=True)
class Best:
    """The trial that a search ends with; optimism: by how much the choice among all finished ones flatters it."""

    place: int
    trial: FrozenTrial
    optimism: Optimism

    @property
    def corrected(self) -> float | None:
        """Its error with the choice counted, if that is known."""
        corrected = (self.trial.value or 0.0) + self.optimism.cautious
        return corrected if math.isfinite(corrected) else None


def _best(search: Search, trials: Mapping[int, FrozenTrial]) -> Best | None:
    places = [place for place, trial in trials.items() if trial.state is TrialState.COMPLETE]
    if not places:
        return None
    errors = np.array([study.fold_errors(trials[place]) for place in places])
    place = places[safest(errors, rows_ratio(search.folds))]
    paths, flattery = [search.oof_path(place) for place in places], UNKNOWN
    if all(path.is_file() for path in paths):  # those of other machines are not here
        oofs = [read_oof(path) for path in paths]
        flattery = optimism(search.table, search.folds, oofs, search.job.seed)
    return Best(place, trials[place], flattery)


def _settle(search: Search, best: Best | None, n_tried: int) -> Verdict | None:
    """Write the recipe that is used: what was found if it stands the test, else the one that was wanted.

    None where there was no time for a single trial: what is wanted is fitted as it is already.
    """
    job, recipe, verdict = search.job, search.wanted if search.n_trials else None, None
    if best is None and n_tried:
        verdict = Verdict(False, math.nan, math.nan, f"the default is kept: all of {n_tried} trials failed")
    elif best is not None and search.is_default(best.trial):
        verdict = Verdict(False, 0.0, 0.0, "the default is kept: no trial was better")
    elif best is not None:
        found = search.recipe(best.trial)
        folds, seed = read_folds(job.inputs["fresh"]), derive(job.seed, "confirm")
        optimism = best.optimism.cautious if _shared(folds, search.folds) > MOSTLY else None
        verdict = confirm(search, found, folds, seed, optimism)
        recipe = found if verdict.kept else search.wanted
    if verdict is not None:
        job.log.info(f"{search.entry}: {verdict.text}")
    write_json(job.out / "recipe.json", recipe and recipe.model_dump(mode="json"))
    return verdict


def _carried(
    search: Search, best: Best | None, trials: Mapping[int, FrozenTrial], verdict: Verdict | None
) -> float | None:
    """Return what of the choice's optimism is left on other folds of the same rows; 0 where the default is kept.

    Where the default was not a trial, or was given up, all of it counts; so it does where folds cannot be others.
    """
    if best is None or verdict is None or not verdict.kept:
        return 0.0
    flattery, fresh = best.optimism.plain, read_folds(search.job.inputs["fresh"])
    places = [place for place, trial in trials.items() if search.is_default(trial)]
    default = [path for path in map(search.oof_path, places) if path.is_file()]
    if math.isfinite(flattery) and default and _shared(fresh, search.folds) < 1:
        searched = search.folds, [read_oof(path) for path in (search.oof_path(best.place), default[0])]
        flattery *= persistence(search.table, searched, (fresh, verdict.oofs), search.job.seed)
    return max(flattery, 0.0) if math.isfinite(flattery) else None


def _shared(fresh: Folds, searched: Folds) -> float:
    """Return which part of a fresh fold's rows validate together in one fold of the search, too, on average.

    All of them in time; nearly all where there are hardly more groups than folds.
    """
    own, other = ([folds.role[key] == VALID for key in folds] for folds in (fresh, searched))
    return float(np.mean([max((rows & found).sum() for found in other) / rows.sum() for rows in own]))


def _facts(trials: Mapping[int, FrozenTrial], best: Best | None, verdict: Verdict | None) -> dict[str, Any]:
    counts = {state: sum(t.state is key for t in trials.values()) for key, state in STATES.items()}
    facts: dict[str, Any] = {"trials": len(trials), "failed": counts["failed"], "given_up": counts["given up"]}
    if best is not None:
        facts |= {"best": best.trial.value, "corrected": best.corrected, "best_number": best.place}
    return facts | ({} if verdict is None else {"kept": verdict.kept, "verdict": verdict.text})


def _write_trials(search: Search, trials: Mapping[int, FrozenTrial]) -> None:
    columns = ["number", "state", search.measure, "se", "rungs", *search.space]
    rows = [
        {
            "number": place,
            "state": STATES[trial.state],
            search.measure: trial.value,
            "se": trial.user_attrs.get("se"),
            "rungs": study.rung_errors(trial),
        }
        | study.written(trial.params, search.space)
        for place, trial in trials.items()
    ]
    frame = pd.DataFrame(rows, columns=columns).astype({search.measure: float, "se": float})
    frame.to_parquet(search.job.out / "trials.parquet", index=False)
