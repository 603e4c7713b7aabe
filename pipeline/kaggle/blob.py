"""A file to the place that Kaggle names for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.kaggle.client import CONNECT_SECONDS, Link
from pipeline.kaggle.refusals import understand

CHUNK_BYTES = 1 << 20
UPLOAD_SECONDS = 600


def put_file(link: Link, address: str, path: Path) -> None:
    """Send a file to an address that is signed: it needs no credentials and gets none. Raises KaggleError."""
    import requests

    n_bytes = path.stat().st_size
    total = -(-n_bytes // CHUNK_BYTES) or 1
    try:
        with path.open("rb") as file, link.log.progress("MB sent", total) as bar:
            sent = _Told(file, n_bytes, bar)
            requests.put(address, data=sent, timeout=(CONNECT_SECONDS, UPLOAD_SECONDS)).raise_for_status()
    except requests.exceptions.RequestException as error:
        raise understand(error, link.slug) from None


@dataclass(frozen=True)
class _Told:
    """A file's chunks, each of which moves the bar; its length goes ahead, as where a file itself is sent."""

    file: BinaryIO
    n_bytes: int
    bar: Any

    def __len__(self) -> int:
        return self.n_bytes

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.file.read(CHUNK_BYTES):
            yield chunk
            self.bar.advance()
