"""Datasets and notebooks of the small Kaggle: what is pushed, version by version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Body = Mapping[str, Any]


class Refused(Exception):  # noqa: N818 - what the server says, not what goes wrong in it
    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message


@dataclass
class Shelf:
    """Versions of datasets (their file's content, and what else was said) and of notebooks, by "user/name".

    polls_until_ready: so often a new version is asked for before it is ready. without: what a notebook may not read.
    """

    user: str
    token: str
    polls_until_ready: int = 0
    ends_as: str = "READY"
    without: tuple[str, ...] = ()
    datasets: dict[str, list[tuple[bytes, Body]]] = field(default_factory=dict)
    notebooks: dict[str, list[Body]] = field(default_factory=dict)
    polls: int = 0

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of the API that this part answers."""
        datasets = ("GetDataset", "CreateDataset", "CreateDatasetVersion", "GetDatasetStatus")
        return (*datasets, "GetKernel", "SaveKernel", "IntrospectToken")

    def answer(self, method: str, body: Body, blobs: Mapping[str, bytes]) -> dict[str, Any]:
        """Return the answer, as JSON."""
        if method == "IntrospectToken":
            return {"active": body["token"] == self.token, "username": self.user}
        if method in ("GetKernel", "SaveKernel"):
            return self._save_kernel(body) if method == "SaveKernel" else self._get_kernel(body)
        name = f"{body['ownerSlug']}/{body.get('datasetSlug') or body['slug']}"
        if method in ("CreateDataset", "CreateDatasetVersion"):
            return self._add(method, name, body, blobs)
        if name not in self.datasets:
            raise Refused(403, "Permission 'datasets.get' was denied")
        ready = len(self.datasets[name]) - (self.polls < self.polls_until_ready)
        if method == "GetDataset":
            return {"ref": name, "currentVersionNumber": ready}
        self.polls += 1
        return {"status": self.ends_as if ready == len(self.datasets[name]) else "BLOBS_RECEIVED"}

    def _add(self, method: str, name: str, body: Body, blobs: Mapping[str, bytes]) -> dict[str, Any]:
        if (name in self.datasets) != (method == "CreateDatasetVersion"):
            return {"status": "error", "error": "The requested title is already in use by a dataset"}
        (file,) = body.get("files") or body["body"]["files"]
        self.datasets.setdefault(name, []).append((blobs[file["token"]], body))
        self.polls = 0
        return {"status": "ok", "url": f"https://www.kaggle.com/datasets/{name}"}

    def _get_kernel(self, body: Body) -> dict[str, Any]:
        found = self.notebooks.get(f"{body['userName']}/{body['kernelSlug']}")
        if found is None:
            raise Refused(404, "Not found")
        return {"metadata": {"currentVersionNumber": len(found)}}

    def _save_kernel(self, body: Body) -> dict[str, Any]:
        self.notebooks.setdefault(body["slug"], []).append(body)
        lacking = [source for source in body["competitionDataSources"] if source in self.without]
        page = f"https://www.kaggle.com/code/{body['slug']}"
        return {"url": page, "versionNumber": len(self.notebooks[body["slug"]]), "invalidCompetitionSources": lacking}
