"""A bundle as Kaggle sees it: a private dataset, and a notebook without internet that reads it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

SCRIPT, NOTEBOOK = "predict.py", "predict.ipynb"
KERNEL, DATASET = "kernel-metadata.json", "dataset-metadata.json"
USER = "INSERT_USERNAME"
"""Stands for the user's name until somebody pushes, as in the files that Kaggle's client makes."""

LONGEST_TITLE = 50


def write_kernel(folder: Path, slug: str, experiment: str, user: str = USER) -> None:
    """Write the notebook, and the metadata of notebook and dataset, beside the script of a bundle."""
    source = (folder / SCRIPT).read_text(encoding="utf-8")
    _write_json(folder / NOTEBOOK, _notebook(source, slug, experiment))
    models, kernel = _title(slug, experiment, "models"), _title(slug, experiment, "inference")
    dataset = f"{user}/{_slugified(models)}"
    _write_json(folder / DATASET, {"title": models, "id": dataset, "licenses": [{"name": "other"}]})
    metadata = {
        "id": f"{user}/{_slugified(kernel)}",
        "title": kernel,
        "code_file": NOTEBOOK,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": False,
        "enable_internet": False,
        "dataset_sources": [dataset],
        "competition_sources": [slug],
        "kernel_sources": [],
    }
    _write_json(folder / KERNEL, metadata)


def _title(slug: str, experiment: str, what: str) -> str:
    tail = f" {experiment} {what}"
    return f"{slug[: LONGEST_TITLE - len(tail)]}{tail}"[-LONGEST_TITLE:]


def _slugified(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _notebook(source: str, slug: str, experiment: str) -> dict[str, Any]:
    """Return the script as a notebook: what it is, its functions, the call."""
    functions, _, _ = source.partition('\n\nif __name__ == "__main__":')
    cells = [
        ("markdown", f"# {slug}: inference\n\nExperiment `{experiment}`. Every file is verified before it is used."),
        ("code", functions.rstrip()),
        ("code", "main([])"),
    ]
    return {
        "cells": [_cell(number, kind, text) for number, (kind, text) in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(number: int, kind: str, text: str) -> dict[str, Any]:
    own: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text} | own


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
