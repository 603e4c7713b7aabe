"""A zip archive from the network, unpacked only where every member stays below its folder and its size is sane."""

from __future__ import annotations

import errno
import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from pipeline.errors import KaggleError
from pipeline.log import Log

LARGEST_RATIO = 200
"""Text seldom shrinks more than tenfold, a table of zeros by some hundreds, a bomb a thousandfold (deflate's limit)."""
HARMLESS_BYTES = 200 * 1024**2
"""Below this a ratio says nothing."""
MOST_MEMBERS = 100_000
CHUNK_BYTES = 1 << 20
DAMAGE = (
    *(zipfile.BadZipFile, EOFError, struct.error, zlib.error, lzma.LZMAError, ValueError, OverflowError),
    *(RuntimeError, FileExistsError, NotADirectoryError, IsADirectoryError),
)
"""What zipfile raises for damaged, encrypted and contradictory archives (NotImplementedError is a RuntimeError)."""


def unpack(archive: Path, folder: Path, log: Log) -> None:
    """Unpack an archive into a new folder. Raises KaggleError for one that is damaged, or that is not to be trusted."""
    try:
        with zipfile.ZipFile(archive) as packed:
            members = packed.infolist()
            _check_names(members)
            _check_sizes(members, archive.stat().st_size, shutil.disk_usage(archive.parent).free)
            folder.mkdir(parents=True)
            _copy(packed, [member for member in members if not member.is_dir()], folder, log)
    except DAMAGE as error:
        raise _damaged(archive, error) from None
    except OSError as error:
        if error.errno == errno.EINVAL:  # a place before the start of the file
            raise _damaged(archive, error) from None
        raise


def _copy(packed: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], folder: Path, log: Log) -> None:
    with log.progress("files unpacked", len(members)) as bar:
        for member in members:
            target = folder / member.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(member) as source, target.open("xb") as file:  # reads no more than the size it declares
                shutil.copyfileobj(source, file, CHUNK_BYTES)
            bar.advance(note=member.filename)


def _check_names(members: Sequence[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise _distrusted(f"it has {len(members)} members, more than {MOST_MEMBERS}")
    seen: set[str] = set()
    for member in members:
        name, mode = member.filename, member.external_attr >> 16
        path = PurePosixPath(name)
        if not name or path.is_absolute() or PureWindowsPath(name).drive or "\\" in name or ".." in path.parts:
            raise _distrusted(f"its member {name!r} leads out of its folder")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _distrusted(f"its member {name!r} is a link or a device, expected a file")
        if str(path) in seen:
            raise _distrusted(f"its member {name!r} is there twice")
        seen.add(str(path))


def _check_sizes(members: Sequence[zipfile.ZipInfo], packed_bytes: int, free_bytes: int) -> None:
    size = sum(member.file_size for member in members)
    if size > HARMLESS_BYTES and size > LARGEST_RATIO * packed_bytes:
        found = f"{packed_bytes / 1e6:.1f} MB would become {size / 1e9:.1f} GB, more than {LARGEST_RATIO} times as much"
        raise _distrusted(found)
    if size > free_bytes:
        found = f"unpacking takes {size / 1e9:.1f} GB, {free_bytes / 1e9:.1f} GB are free"
        raise KaggleError(found, hint="make room, or choose another disk with --data before the command")


def _damaged(archive: Path, error: Exception) -> KaggleError:
    archive.unlink()  # or the next attempt would take it for whole
    found = f"what Kaggle sent is not an archive that can be unpacked ({type(error).__name__}: {error})"
    return KaggleError(found, hint="run the same command again")


def _distrusted(why: str) -> KaggleError:
    return KaggleError(f"the archive is not unpacked: {why}", hint="look at it by hand, and tell Kaggle of it")
