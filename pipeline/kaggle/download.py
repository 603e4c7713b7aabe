"""A competition's files from Kaggle into data/<slug>/raw: aside, checked, hashed, then put in place by one rename."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from pipeline.atomic import put_json, read_json_if_sound
from pipeline.errors import DataError
from pipeline.kaggle.archive import unpack
from pipeline.kaggle.client import Link, request
from pipeline.kaggle.facts import ask_facts, save_facts
from pipeline.kaggle.fetch import Remote, fetch, forget, peek
from pipeline.wording import first_few

HASHES = "raw.json"
ASIDE = ".download"


@dataclass(frozen=True)
class Downloaded:
    """The raw folder, sha256 of Kaggle's files in it, how many of them were put there now, and what Kaggle knows."""

    raw: Path
    hashes: Mapping[str, str]
    new: int
    facts: Mapping[str, Any]


def download(link: Link, folder: Path) -> Downloaded:
    """Download a competition's files into <folder>/raw and their hashes into <folder>/raw.json.

    folder: data/<slug>. Files that are there are never replaced: where they are other than Kaggle's, a DataError says
    which. Raises KaggleError. Killed at any moment, the next call goes on.
    """
    aside = folder / ASIDE
    aside.mkdir(parents=True, exist_ok=True)
    with FileLock(aside / "lock"):
        facts = ask_facts(link)
        save_facts(folder, facts)
        wanted = request("DownloadDataFiles", competition_name=link.slug)
        if _is_current(folder, lambda: peek(link, link.api.download_data_files, wanted)):
            return Downloaded(folder / "raw", read_json_if_sound(folder / HASHES)["files"], 0, facts)
        archive = aside / "files.zip"
        remote = fetch(link, link.api.download_data_files, wanted, archive)
        new, hashes = _put_in_place(archive, folder, link)
        put_json(folder / HASHES, {"archive": asdict(remote), "files": hashes})
        forget(archive)
        return Downloaded(folder / "raw", hashes, new, facts)


def hash_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder, by its path in it."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _is_current(folder: Path, remote: Callable[[], Remote]) -> bool:
    """Tell whether raw/ holds, byte for byte, what Kaggle has now; Kaggle is asked only where raw/ is as it was put."""
    known = read_json_if_sound(folder / HASHES)
    if known is None or not known["archive"]["tag"]:
        return False
    there = hash_files(folder / "raw")  # with files of the user's own, such as extra rows
    if any(there.get(name) != sha256 for name, sha256 in known["files"].items()):
        return False
    return remote() == Remote(**known["archive"])


def _put_in_place(archive: Path, folder: Path, link: Link) -> tuple[int, dict[str, str]]:
    """Unpack aside and rename; where raw/ has files already, compare them, and add only what is not there.

    Return how many files were put there, and the hashes of all.
    """
    raw, unpacked = folder / "raw", folder / ASIDE / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)  # what a kill left
    unpack(archive, unpacked, link.log)
    hashes, there = hash_files(unpacked), hash_files(raw)
    if there:
        _check_same(raw, there, hashes)
        lacking = sorted(hashes.keys() - there.keys())
        for name in lacking:
            (raw / name).parent.mkdir(parents=True, exist_ok=True)
            (unpacked / name).replace(raw / name)
        shutil.rmtree(unpacked)
        return len(lacking), hashes
    unpacked.replace(raw)  # takes the place of an empty folder, too
    return len(hashes), hashes


def _check_same(raw: Path, there: Mapping[str, str], expected: Mapping[str, str]) -> None:
    other = sorted(name for name in expected.keys() & there.keys() if there[name] != expected[name])
    if other:
        raise DataError(
            f"{raw} has other files than Kaggle: {first_few(other)}",
            hint=f"nothing was changed; move {raw} away and run the same command again to have Kaggle's",
        )
