"""One file from Kaggle, whole or not at all; what was cut off goes on where it stopped if it is still the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.atomic import put_json, read_json_if_sound
from pipeline.errors import KaggleError, UnansweredError
from pipeline.kaggle.client import Link, patiently
from pipeline.kaggle.refusals import understand

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Remote:
    """What identifies a file at Kaggle: its entity tag (or date), and its size in bytes, 0 where it is not told."""

    tag: str
    n_bytes: int

    @classmethod
    def of(cls, answer: Any) -> Remote:
        """Read the identity from an answer's headers."""
        headers = answer.headers
        plain = "Content-Encoding" not in headers  # a compressed answer's length is not the file's
        return cls(
            headers.get("ETag") or headers.get("Last-Modified") or "",
            int(headers.get("Content-Length") or 0) if plain else 0,
        )


def peek(link: Link, call: Callable[[Any], Any], request: Any) -> Remote:
    """Return the identity of a file without reading it."""
    answer = link.ask(call, request)
    answer.close()
    return Remote.of(answer)


def fetch(link: Link, call: Callable[[Any], Any], request: Any, path: Path) -> Remote:
    """Write what the SDK's `call` answers into `path`; one that is there whole already is kept.

    Beside it lie <path>.json, which identifies it, and <path>.part until it is whole; `forget` removes all of them.
    Raises KaggleError; after an UnansweredError the same call goes on from the bytes that are there.
    """
    remote: Remote = patiently(lambda: _some_more(link, call, request, path), link.log)
    return remote


def forget(path: Path) -> None:
    """Remove a fetched file and what lies beside it."""
    for name in (path, _part(path), _mark(path)):
        name.unlink(missing_ok=True)


def _some_more(link: Link, call: Callable[[Any], Any], request: Any, path: Path) -> Remote:
    """Read to the end, from where the part stops if it is of the same file, else from the start."""
    import requests

    part, mark = _part(path), _mark(path)
    answer = link.once(call, request)
    remote = Remote.of(answer)
    same = bool(remote.tag) and read_json_if_sound(mark) == asdict(remote)
    try:
        if same and path.is_file():
            return remote
        if same and part.is_file() and part.stat().st_size < remote.n_bytes:
            answer = _rest(link, answer, remote, part.stat().st_size)
        if answer.status_code != 206:
            part.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            put_json(mark, asdict(remote))
        _append(answer, part, remote, link)
    except requests.exceptions.RequestException as error:
        raise understand(error, link.slug) from None
    finally:
        answer.close()
    part.replace(path)
    return remote


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _rest(link: Link, answer: Any, remote: Remote, start: int) -> Any:
    """Ask the place that the SDK was led to for the rest; without such a place return the whole answer.

    The signed address needs no credentials and gets none. If-Range brings the whole file where it has changed.
    """
    import requests

    if answer.request.method != "GET":
        return answer
    answer.close()
    headers = {"Range": f"bytes={start}-", "If-Range": remote.tag, "Accept-Encoding": "identity"}
    rest = requests.get(answer.url, headers=headers, stream=True, timeout=60)
    rest.raise_for_status()
    link.log.info(f"going on after {start / 1e6:.1f} MB" if rest.status_code == 206 else "starting anew")
    return rest


def _append(answer: Any, part: Path, remote: Remote, link: Link) -> None:
    there = part.stat().st_size if part.is_file() else 0
    total = -(-remote.n_bytes // CHUNK_BYTES) or 1
    with part.open("ab") as file, link.log.progress("MB", total) as bar:
        bar.advance(there // CHUNK_BYTES)
        for chunk in answer.iter_content(CHUNK_BYTES):
            file.write(chunk)
            bar.advance()
        file.flush()
        os.fsync(file.fileno())
        size = file.tell()
    if remote.n_bytes and size < remote.n_bytes:
        raise UnansweredError(f"the connection ended after {size} of {remote.n_bytes} bytes", hint="run it again")
    if remote.n_bytes and size > remote.n_bytes:
        part.unlink()
        raise KaggleError(f"{size} bytes came, expected {remote.n_bytes}", hint="run the same command again")
