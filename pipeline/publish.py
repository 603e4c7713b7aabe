"""Puts a submission where its user looks for it, with its provenance beside it, and walks that provenance back."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.atomic import put_bytes
from pipeline.engine.key import hash_file
from pipeline.engine.store import Result, Store
from pipeline.errors import SubmissionError, nearest
from pipeline.learned import worth, worth_name
from pipeline.wording import first_few


def publish(folder: Path, experiment: str, submit: Result, results: Mapping[str, Result]) -> Path:
    """Write <experiment>-<sha8>.csv and .json into `folder`, each whole or not at all, and return the CSV's path.

    The name carries the hash of the file's bytes: the same submission is the same file, another never overwrites it.
    """
    sha256 = submit.manifest["outputs"]["submission.csv"]["sha256"]
    path = folder / published_name(experiment, sha256)
    provenance = json.loads((submit.folder / "provenance.json").read_text(encoding="utf-8"))
    provenance |= {
        "experiment": experiment,
        "sha256": sha256,
        "submit_key": submit.key,
        "raw_files": raw_files(results),
        "own_files": {name: files(result) for name, result in results.items() if _is_made_elsewhere(result)},
        "results": {name: result.key for name, result in results.items()},
        "expected": _expected(results),
    }
    content = (submit.folder / "submission.csv").read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SubmissionError(f"{submit.folder / 'submission.csv'} is damaged", hint="run again: it will be made anew")
    folder.mkdir(parents=True, exist_ok=True)
    _replace(path, content)
    _replace(path.with_suffix(".json"), (json.dumps(provenance, indent=1, sort_keys=True) + "\n").encode())
    return path


def published_name(experiment: str, sha256: str) -> str:
    """Return the name of a submission's file."""
    return f"{experiment}-{sha256[:8]}.csv"


def publish_so_far(folder: Path, experiment: str, content: bytes) -> Path:
    """Write the submission of an experiment that is still at work, and return its path."""
    path = folder / so_far_name(experiment)
    _replace(path, content)
    return path


def so_far_name(experiment: str) -> str:
    """Return the name of a submission that waits for a better one."""
    return f"{experiment}-so-far.csv"


def publish_studies(folder: Path, experiment: str, results: Mapping[str, Result]) -> None:
    """Write the trials of every search as <experiment>.<model>.trials.parquet, and its best, for others to start from.

    Searches that start from it read only the best, so that more trials which are no better start none of them anew.
    Of a whole run also what each kind of model was worth, by which others can share out their minutes.
    """
    if "ensemble" in results:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(worth(results), indent=1, sort_keys=True)
        _replace(folder / worth_name(experiment), f"{text}\n".encode())
    for name, result in results.items():
        stage, _, model = name.rstrip("]").partition("[")
        if stage == "tune":
            folder.mkdir(parents=True, exist_ok=True)
            for file in ("trials.parquet", "best.json"):
                _replace(folder / f"{experiment}.{model}.{file}", (result.folder / file).read_bytes())


def check_place(folder: Path) -> None:
    """Make the folder of submissions, and refuse one that cannot be written before the work rather than after it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _expected(results: Mapping[str, Result]) -> dict[str, float | None]:
    """Return the private score to expect, and its 90 % interval; nothing where no stage has said it."""
    if "score" not in results:
        return {}
    found = json.loads((results["score"].folder / "score.json").read_text(encoding="utf-8"))
    return {name: found[name] for name in ("expected", "low", "high")}


def files(result: Result) -> dict[str, str]:
    """Return the hashes of the files that a result was made from, by name."""
    manifest = result.manifest
    return {manifest["sources"][role]: sha256 for role, sha256 in sorted(manifest["parts"]["sources"].items())}


def raw_files(results: Mapping[str, Result]) -> dict[str, str]:
    """Return the hashes of the raw files of a run, those of extra rows included, by name."""
    found = [files(result) for name, result in results.items() if name.partition("[")[0] == "ingest"]
    return {name: sha256 for own in found for name, sha256 in own.items()}


def _is_made_elsewhere(result: Result) -> bool:
    return result.name.startswith("train[") and bool(result.manifest["sources"])


def _replace(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    put_bytes(path, content)


def kept_keys(folder: Path) -> set[str]:
    """Return the keys of all results that the submissions of a folder were made from."""
    return {key for provenance in provenances(folder) for key in provenance["results"].values()}


def provenances(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield what lies beside the submissions of a folder; JSON files that `publish` did not write are passed over."""
    for path in sorted(folder.glob("*.json")):
        if found := _provenance(path):
            yield found


def _provenance(path: Path) -> dict[str, Any]:
    """Return what `publish` wrote into a file; nothing where it did not write it, or the file is not there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, FileNotFoundError, IsADirectoryError):
        return {}
    return found if _is_ours(found) else {}


def _is_ours(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("results"), dict):
        return False
    words = [found.get(name) for name in ("experiment", "sha256", "submit_key")]
    return all(isinstance(word, str) for word in [*words, *found["results"].values()])


@dataclass(frozen=True)
class Origin:
    """One line of a walk back from a submission: how deep, what it is, and its hash (of a file) or key."""

    depth: int
    what: str
    digest: str
    detail: str = ""
    is_file: bool = False


def check_submission(path: Path) -> None:
    """Refuse a submission that is not there, with the nearest of its folder."""
    if path.is_dir():
        known = sorted(file.name for file in path.glob("*.csv"))
        hint = f"one of: {first_few(known)}" if known else "`pipeline run` writes one to submissions/<slug>/"
        raise SubmissionError(f"{path} is a folder, expected a CSV file", hint=hint)
    if not path.is_file():
        known = [file.name for file in path.parent.glob("*.csv")]
        hint = nearest(path.name, known) if known else "`pipeline run` writes one to submissions/<slug>/"
        raise SubmissionError(f"{path} does not exist", hint=hint)


def trace(submission: Path, store: Store) -> Iterator[Origin]:
    """Yield where a submission comes from, stage by stage, down to the hashes of the raw files.

    Of several runs that made these very bytes it is the one that the file beside it names; without that, the newest.
    """
    check_submission(submission)
    sha256 = hash_file(submission)
    results = list(store.results())
    found = [r for r in results if r.manifest["outputs"].get("submission.csv", {}).get("sha256") == sha256]
    beside = _provenance(submission.with_suffix(".json"))
    if not found:
        raise SubmissionError(
            f"{submission} (sha256 {sha256[:16]}…) was not made by any result below {store.root}",
            hint="it was edited, made elsewhere, or its results were removed by `pipeline gc`",
        )
    by_key = {result.key: result for result in results}
    yield Origin(0, submission.name, sha256, "the file's bytes are those that were made", is_file=True)
    made = {name: key for name, key in beside.get("results", {}).items() if key in by_key}
    last = max(found, key=lambda r: (r.key == made.get("submit"), r.manifest["finished"]))
    yield from _walk(last, made if last.key == made.get("submit") else {}, by_key, 1, set())


def _walk(
    result: Result, made: Mapping[str, str], by_key: Mapping[str, Result], depth: int, seen: set[str]
) -> Iterator[Origin]:
    """Walk back by the results of one run, `made`; where it does not name one, by what a result says that it read."""
    manifest = result.manifest
    again = result.key in seen
    seen.add(result.key)
    yield Origin(depth, result.name, result.key, "see above" if again else _made(manifest))
    if again:
        return
    for role, name in sorted(manifest["sources"].items()):
        what = "own file" if _is_made_elsewhere(result) else "raw file"
        yield Origin(depth + 1, f"{what} {name}", manifest["parts"]["sources"][role], role, is_file=True)
    inputs = {made.get(origin["node"], origin["key"]): origin["node"] for origin in manifest["inputs"].values()}
    for key, node in inputs.items():
        if key in by_key:
            yield from _walk(by_key[key], made, by_key, depth + 1, seen)
        else:
            yield Origin(depth + 1, node, key, "no longer in the cache")


def _made(manifest: Mapping[str, Any]) -> str:
    return f"made {manifest['started'][:16].replace('T', ' ')} UTC in {manifest['seconds']:.1f} s"
