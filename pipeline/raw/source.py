"""A competition's file as text: found on disk or inside archives, unpacked, decoded, or refused with the reason."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataError, nearest

TABLES = "tables"
"""The folder in which ingest keeps what train and test were joined with, for new rows to be joined with it."""

DOWNLOAD = "download the competition's data again"
UNLESS_OWN = f"{DOWNLOAD}, unless it is a file of your own"
BINARY = {
    b"PAR1": "a parquet file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
    b"SQLite format": "an SQLite database",
}


@dataclass(frozen=True)
class Text:
    """A file's text as UTF-8 bytes with line feeds; name is what messages call it, notes say what was adapted."""

    name: str
    content: bytes
    notes: tuple[str, ...] = ()


def members_of(sources: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Return what a node's config says of sources that lie in archives: the key of a file has no name of a member.

    Refuses a missing file as `locate` does.
    """
    members = {role: member for role, path in sources.items() if (member := locate(path)[1])}
    return {"members": members} if members else {}


def locate(path: Path) -> tuple[Path, str]:
    """Return the file on disk and the member inside it: `raw/all.zip/train.csv` is member train.csv of raw/all.zip.

    A missing file is a DataError that names the nearest files of the folder it should be in.
    """
    for parent in (path, *path.parents):
        if parent.is_file():
            member = path.relative_to(parent).as_posix()
            return parent, "" if member == "." else member
        if parent.is_dir():
            break
    if path.is_dir():
        raise DataError(f"{path} is a folder, expected a CSV file", hint=nearest(path.name, _files(path)))
    if not path.parent.is_dir():
        raise DataError(f"{path} does not exist", hint=f"put the competition's files into {path.parent}")
    raise DataError(f"{path} does not exist", hint=f"in {path.parent}: {nearest(path.name, _files(path.parent))}")


def role_of(table: str) -> str:
    """Return what `ingest` calls a file beside train and test among its sources."""
    return f"table {table}"


def sample_there(folder: Path, name: str) -> str:
    """Return the sample's name, or that of the only submission beside where it should be: gender_submission.csv."""
    path = folder / name
    if path.exists() or not path.parent.is_dir():  # a member of an archive is looked for by its own name only
        return name
    others = [file for file in path.parent.glob("[!.]*submission*.csv*") if file.is_file()]
    return others[0].relative_to(folder).as_posix() if len(others) == 1 else name


def _files(folder: Path) -> list[str]:
    return [entry.name + "/" * entry.is_dir() for entry in folder.iterdir() if not entry.name.startswith(".")]


def fingerprint(path: Path) -> dict[str, str | int]:
    """Return the name, sha256 and size in bytes of the file on disk that holds `path`."""
    file, member = locate(path)
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"file": "/".join(filter(None, (file.name, member))), "sha256": digest, "bytes": file.stat().st_size}


def read_text(path: Path) -> Text:
    """Read a CSV file: plain, gzipped, or in a zip (recognised by content, not by name)."""
    file, member = locate(path)
    name = "/".join(filter(None, (file.name, member)))
    content = _unpack(file.read_bytes(), file.name, member)
    _refuse_other_kinds(content, name)
    return _decode(content, name)


def members(file: Path) -> list[str]:
    """Return the names of the data files in a zip archive; a file that is none is a DataError."""
    try:
        with zipfile.ZipFile(file) as archive:
            return _data_members(archive)
    except zipfile.BadZipFile as error:
        _refuse_other_kinds(file.read_bytes(), file.name)
        raise DataError(f"{file.name} is called a zip archive, but is none ({error})", hint=DOWNLOAD) from error


def _data_members(archive: zipfile.ZipFile) -> list[str]:
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    return [name for name in names if not name.startswith("__MACOSX") and not Path(name).name.startswith(".")]


def _unpack(content: bytes, name: str, member: str) -> bytes:
    try:
        if content[:2] == b"\x1f\x8b":
            return _unpack(gzip.decompress(content), name, member)
        if content[:4] == b"PK\x03\x04":
            return _unpack_zip(content, name, member)
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{name}: the archive is damaged ({error})", hint=DOWNLOAD) from error
    except RuntimeError as error:  # what zipfile raises for an encrypted member
        raise DataError(f"{name}: the archive cannot be unpacked ({error})", hint="unpack it yourself") from error
    if member:
        raise DataError(f"{name} is not a zip archive, so it has no member {member}", hint="check [files]")
    return content


def _unpack_zip(content: bytes, name: str, member: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = _data_members(archive)
        if "xl/workbook.xml" in names:
            raise DataError(f"{name} is an Excel file, expected CSV", hint="save it as CSV")
        # an archive in an archive: all.zip/train.csv.zip/train.csv
        outer = next((n for n in names if member == n or member.startswith(f"{n}/")), None)
        if member and outer is None:
            raise DataError(f"{name} has no member {member}", hint=nearest(member, names))
        if not member:
            tables = [n for n in names if n.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".txt"))]
            if len(tables) != 1:
                found = ", ".join(sorted(names)) or "nothing"
                raise DataError(f"{name} should hold one CSV file, found: {found}", hint=f"write {name}/<member>")
            outer = tables[0]
        assert outer is not None
        return _unpack(archive.read(outer), f"{name}/{outer}", member.removeprefix(outer).removeprefix("/"))


def _refuse_other_kinds(content: bytes, name: str) -> None:
    start = content[:2000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        raise DataError(f"{name} is empty ({len(content)} bytes), expected a CSV file", hint=UNLESS_OWN)
    if re.match(rb"(?i)<(!doctype|!--|\?xml|(html|head|body|title|meta|script|style|div|p|h1|a)[\s>])", start):
        hint = "a login or error page was saved in place of the data: log in, accept the rules, " + DOWNLOAD
        raise DataError(f"{name}, line 1: found an HTML page, expected CSV", hint=hint)
    if re.match(rb"\{\s*\"|\[\s*\{", start):
        hint = "an error message may have been saved in place of the data: " + DOWNLOAD
        raise DataError(
            f"{name}, line 1: found JSON, expected CSV: {start[:100].decode(errors='replace')!r}", hint=hint
        )
    if start.startswith(b"version https://git-lfs"):
        hint = "run `git lfs pull` where the file comes from"
        raise DataError(f"{name}, line 1: found a Git LFS pointer ({len(content)} bytes), expected CSV", hint=hint)
    for magic, kind in BINARY.items():
        if content.startswith(magic):
            raise DataError(f"{name} is {kind}, expected CSV", hint="convert it to CSV")


def _decode(content: bytes, name: str) -> Text:
    notes = []
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
        if b"\0" in content:
            offset = content.index(b"\0")
            raise DataError(f"{name}, {_place(content, offset)}: found a NUL byte, expected text", hint=DOWNLOAD)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        text, note = _decode_western(content, name, error)
        notes.append(note)
    if encoding == "utf-16":
        notes.append(f"{name}: read as UTF-16")
    if "\r" in text and "\n" not in text:
        notes.append(f"{name}: lines end with CR alone")
    return Text(name, text.replace("\r\n", "\n").replace("\r", "\n").encode(), tuple(notes))


def _decode_western(content: bytes, name: str, error: UnicodeDecodeError) -> tuple[str, str]:
    """Windows-1252 leaves five bytes without a meaning, so that it can still say no; latin-1 would take anything."""
    where = _place(content, error.start)
    found = f"{name}, {where}: byte 0x{content[error.start]:02x} is not UTF-8"
    try:
        return content.decode("cp1252"), f"{found}: read as Windows-1252"
    except UnicodeDecodeError as other:
        where = f"byte 0x{content[other.start]:02x} in {_place(content, other.start)}"
        raise DataError(f"{found}, nor is {where} Windows-1252", hint="save the file as UTF-8") from None


def _place(content: bytes, offset: int) -> str:
    line = content.count(b"\n", 0, offset) + 1
    return f"line {line} (byte {offset})"
