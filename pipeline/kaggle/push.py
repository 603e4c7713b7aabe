"""A bundle to Kaggle: its zip as a private dataset, or a new version of it, then the notebook that reads it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import Interrupted, KaggleError, UnansweredError
from pipeline.kaggle import client
from pipeline.kaggle.blob import put_file
from pipeline.kaggle.bundle import Bundle
from pipeline.kaggle.bundle_kernel import DATASET, KERNEL, write_kernel
from pipeline.kaggle.client import Link, filled, patiently, pause, username
from pipeline.kaggle.refusals import SITE, page

READY_SECONDS, POLL_SECONDS = 600.0, 5.0
ABSENT = (403, 404)
"""What Kaggle answers where one asks for what is not there: it does not tell it from what others keep private."""

T = TypeVar("T")


def push(link: Link, made: Bundle, experiment: str) -> str:
    """Upload a bundle, wait until Kaggle has unpacked it, save the notebook, which then runs; return its page.

    Where an answer is lost, Kaggle is asked what became of the request before it is repeated. A push that was cut off
    begins anew: the dataset then has one version more. Raises KaggleError.
    """
    write_kernel(made.folder, link.slug, experiment, username(link))
    dataset, notebook = (_read(made.folder / name) for name in (DATASET, KERNEL))
    place = f"{SITE}/datasets/{dataset['id']}"
    with _about(f"the dataset {dataset['id']}", place):
        files = _Dataset(link, *dataset["id"].split("/"))
        before = files.version()
        token = patiently(lambda: _upload_once(link, made.archive), link.log)
        files.add(token, before, dataset["title"], f"experiment {experiment}")
        files.wait(before, place)
    with _about(f"the notebook {notebook['id']}", f"{SITE}/code/{notebook['id']}"):
        return _save(link, notebook, (made.folder / notebook["code_file"]).read_text(encoding="utf-8"))


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


@contextmanager
def _about(what: str, place: str) -> Iterator[None]:
    """Say of every refusal what was refused; the hint of one that is no matter of rights is its page."""
    try:
        yield
    except KeyboardInterrupt:
        hint = "the same command begins anew: if the dataset was there already, it gets one version more"
        raise Interrupted(f"interrupted at {what}", hint=hint) from None
    except KaggleError as error:
        hint = error.hint if error.status in (0, 401, 403) else f"see {place}"
        raise KaggleError(f"{what}: {error}", hint=hint, status=error.status) from None


@dataclass(frozen=True)
class _Dataset:
    """A dataset at Kaggle, which may not be there yet."""

    link: Link
    owner: str
    slug: str

    @property
    def api(self) -> Any:
        return self.link.sdk.datasets.dataset_api_client

    def request(self, kind: str, **fields: Any) -> Any:
        from kagglesdk.datasets.types import dataset_api_service as types

        made = getattr(types, f"Api{kind}Request")()
        return filled(made, owner_slug=self.owner, **fields)

    def version(self) -> int:
        """Return the number of the newest version, 0 where there is none."""
        wanted = self.request("GetDataset", dataset_slug=self.slug)
        return _unless_absent(lambda: int(self.link.ask(self.api.get_dataset, wanted).current_version_number), 0)

    def add(self, token: str, before: int, title: str, notes: str) -> None:
        """Make an uploaded file the dataset, or its next version."""
        from kagglesdk.datasets.types import dataset_api_service as types

        files = [filled(types.ApiDatasetNewFile(), token=token)]
        if before:
            body = filled(types.ApiCreateDatasetVersionRequestBody(), version_notes=notes, files=files)
            call = self.api.create_dataset_version
            wanted = self.request("CreateDatasetVersion", dataset_slug=self.slug, body=body)
        else:
            facts = {"title": title, "license_name": "other", "is_private": True}
            call, wanted = self.api.create_dataset, self.request("CreateDataset", slug=self.slug, files=files, **facts)
        answer = _once(self.link, lambda: self.link.once(call, wanted), lambda: self.version() > before)
        if answer is not None and answer.error:
            raise KaggleError(f"Kaggle refused it: {answer.error}", status=400)

    def wait(self, before: int, place: str) -> None:
        """Wait until Kaggle has unpacked the new version: a notebook that starts earlier would not find it."""
        wanted = self.request("GetDatasetStatus", dataset_slug=self.slug)
        started, seconds = time.monotonic(), 0.0
        with self.link.log.progress("seconds waited for the dataset", round(READY_SECONDS)) as bar:
            while seconds <= READY_SECONDS:
                status = _unless_absent(lambda: self.link.ask(self.api.get_dataset_status, wanted).status.name, "")
                if status == "FAILED":
                    raise KaggleError("Kaggle could not unpack it", hint=f"see {place}")
                if status == "READY" and self.version() > before:
                    return
                time.sleep(POLL_SECONDS)
                bar.advance(round(time.monotonic() - started - seconds), note=status.lower())
                seconds = time.monotonic() - started
        found = f"it is not ready after {READY_SECONDS / 60:.0f} minutes"
        raise KaggleError(found, hint=f"see {place}; run the same command again when it is")


def _upload_once(link: Link, archive: Path) -> str:
    from kagglesdk.blobs.types.blob_api_service import ApiBlobType, ApiStartBlobUploadRequest

    facts = archive.stat()
    wanted = filled(
        ApiStartBlobUploadRequest(),
        type=ApiBlobType.DATASET,
        name=archive.name,
        content_length=facts.st_size,
        last_modified_epoch_seconds=int(facts.st_mtime),
    )
    begun = link.once(link.sdk.blobs.blob_api_client.start_blob_upload, wanted)
    put_file(link, begun.create_url, archive)
    return str(begun.token)


def _save(link: Link, metadata: dict[str, Any], text: str) -> str:
    from kagglesdk.kernels.types.kernels_api_service import ApiGetKernelRequest, ApiSaveKernelRequest

    api = link.sdk.kernels.kernels_api_client
    user, _, slug = metadata["id"].partition("/")
    known = filled(ApiGetKernelRequest(), user_name=user, kernel_slug=slug)
    wanted = filled(
        ApiSaveKernelRequest(),
        slug=metadata["id"],
        new_title=metadata["title"],
        text=text,
        language=metadata["language"],
        kernel_type=metadata["kernel_type"],
        is_private=metadata["is_private"],
        enable_gpu=metadata["enable_gpu"],
        enable_internet=metadata["enable_internet"],
        dataset_data_sources=metadata["dataset_sources"],
        competition_data_sources=metadata["competition_sources"],
    )

    def version() -> int:
        return _unless_absent(lambda: int(link.ask(api.get_kernel, known).metadata.current_version_number), 0)

    before = version()
    answer = _once(link, lambda: link.once(api.save_kernel, wanted), lambda: version() > before)
    if answer is None:
        return f"{SITE}/code/{metadata['id']}"
    if answer.error:
        raise KaggleError(f"Kaggle refused it: {answer.error}", status=400)
    lacking = [*(answer.invalid_dataset_sources or ()), *(answer.invalid_competition_sources or ())]
    if lacking:
        hint = f"are the rules accepted? {page(link.slug, 'rules')}"
        raise KaggleError(f"Kaggle saved it without its input {', '.join(lacking)}", hint=hint)
    return str(answer.url)


def _unless_absent(ask: Callable[[], T], otherwise: T) -> T:
    try:
        return ask()
    except KaggleError as error:
        if error.status in ABSENT:
            return otherwise
        raise


def _once(link: Link, make: Callable[[], Any], is_made: Callable[[], bool]) -> Any | None:
    """Ask for something that must not be made twice; None where it was made, though the answer never came."""
    for attempt in range(client.ATTEMPTS):
        try:
            return make()
        except UnansweredError as error:
            if is_made():
                return None
            if attempt == client.ATTEMPTS - 1:
                raise
            pause(error, attempt, link.log)
    return None
