"""What a run was configured with, read back from its manifests: a TOML file may have changed since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.engine.plan import flat
from pipeline.engine.sealed import OWN
from pipeline.engine.store import Result
from pipeline.publish import files

SHORT = 8
"""Characters of a hash that tell two versions of a file apart, as in a submission's name."""


def settings(results: Mapping[str, Result]) -> dict[str, Any]:
    """Return the configuration of a run under the names of its TOML files, flat: {"split.n_folds": 5}.

    Competition facts stand below "competition."; of seeds only the derived one of the ensemble is known. KeyError where
    a result that a setting is read from is not there.
    """
    parts = {name: result.manifest["parts"] for name, result in results.items()}
    facts = dict(parts["preprocess"]["config"])
    budget = parts["budget"]["config"]
    nested: dict[str, Any] = {
        "minutes": budget["minutes"],
        "preprocess": {"features": facts.pop("features", _features(parts)), **facts.pop("preprocess", {})},
        "split": parts["split"]["config"],
        "models": {name: _model(name, model, parts) for name, model in budget["models"].items()},
        "tune": budget["tune"] | _tune(parts),
        "ensemble": parts["ensemble"]["config"],
        "seed_of_ensemble": parts["ensemble"]["seed"],
        "competition": facts,
    }
    return flat(nested | _if_stated(results, parts))


def _features(parts: Mapping[str, Any]) -> list[str]:
    """Return the functions of features.py whose columns a run has, which early runs state as inputs alone."""
    return [role.removeprefix("feature:") for role in parts["preprocess"]["inputs"] if role.startswith("feature:")]


def _if_stated(results: Mapping[str, Result], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what few experiments state, and that code of their own finishes predictions."""
    found: dict[str, Any] = {}
    if pace := parts["budget"]["config"].get("pace"):
        found["pace"] = pace
    if pseudo := parts["budget"]["config"].get("pseudo"):
        found["pseudo"] = pseudo
    if prepared := parts.get("preprocess[extra rows]"):
        files = results["ingest[extra rows]"].facts["files"].values()
        own = {"weight": prepared["config"]["factor"], "copies": prepared["config"]["copies"]}
        found["extra"] = {"files": ", ".join(sorted(file["file"] for file in files)), **own}
    if "budget[spare]" in parts:
        found["use_spare_minutes"] = True
    if "postprocess" in parts["ensemble"].get("plugins", ()):
        found["postprocess.py"] = "used"
    return found


def origins(results: Mapping[str, Result]) -> dict[str, str]:
    """Return what a run was made from that no TOML file says, by the start of its hash: own code, and files.

    Of features.py one line a function: {"features.py:age": "1f3a5b7c", "raw file train.csv": "0d2e4f60"}.
    """
    found: dict[str, str] = {}
    for node, result in results.items():
        code = result.manifest["parts"].get("code", {})
        found |= {name: digest[:SHORT] for name, digest in code.items() if name.partition(":")[0] in OWN}
        if node != "submit":  # which alone reads the solution of a practice competition, to judge
            kind = "raw file" if node.partition("[")[0] == "ingest" else node
            found |= {f"{kind} {name}": sha256[:SHORT] for name, sha256 in files(result).items()}
    return found


def differing(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the keys of flat settings in which runs differ; of a model that not all have, only its kind.

    Of a function of features.py only whether its texts differ: preprocess.features says who has it.
    """
    runs = list(runs)
    shared = set.intersection(*({_model_of(key) for key in run} for run in runs)) if runs else set()
    keys = {key for run in runs for key in run if _model_of(key) in shared or key.endswith(".kind")}
    return sorted(key for key in keys if _differs(key, runs))


def _differs(key: str, runs: Iterable[Mapping[str, Any]]) -> bool:
    told = [run for run in runs if key in run or not key.startswith("features.py:")]
    return any(run.get(key) != told[0].get(key) for run in told)


def _model_of(key: str) -> str:
    """Return "mlp" for "models.mlp.lr", and nothing for keys of other sections."""
    return key.split(".")[1] if key.startswith("models.") else ""


def _model(name: str, model: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    tune = parts.get(f"tune[{name}]")
    space = {"space": {name: _searched(d) for name, d in tune["config"]["space"].items()}} if tune else {}
    refit = {"refit": True} if model.get("refit") else {}
    return {"kind": model["kind"], **refit, **model["recipe"], **space}


def _searched(dimension: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in dimension.items() if name != "when" or value}


def _tune(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section that all searches of a run share."""
    found = [parts[f"tune[{name}]"]["config"] for name in _variants(parts, "tune")]
    return {key: value for config in found for key, value in config.items() if key not in ("entry", "space")}


def _variants(parts: Mapping[str, Any], stage: str) -> list[str]:
    return [name[len(stage) + 1 : -1] for name in parts if name.startswith(f"{stage}[")]
