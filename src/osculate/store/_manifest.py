"""The manifest: what every file of a folder held when it was committed."""

import hashlib
import os
import sys
from collections.abc import Collection, Mapping
from typing import BinaryIO, TypedDict

from ._atomic import write
from ._errors import FORMAT, CorruptFileError, FilePath
from ._json import parse, render

_MANIFEST = "manifest.json"
_CHUNK = 1 << 20


class Entry(TypedDict):
    """What the manifest knows of one file."""

    bytes: int
    sha256: str


def measure(content: bytes) -> Entry:
    """Returns what the manifest says of a file with this content."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def commit(
    folder: FilePath,
    names: Collection[str],
    known: Mapping[str, Entry] | None = None,
) -> dict[str, Entry]:
    """Records size and SHA-256 of these files in `manifest.json`, and no others.

    A crash before the new manifest is in place leaves the old one, which speaks of the
    old files: write new content under new names, commit, and only then remove what is
    no longer listed.

    Args:
        folder: The folder.
        names: Paths of files relative to it, separated by "/".
        known: What `measure` said of the content given to `write`, or an earlier
            manifest of a file not written since. These files are not read: damage done
            to them meanwhile is found by `verify`, not recorded.

    Returns:
        Size and SHA-256 by name.

    Raises:
        ValueError: If a name leaves the folder or is the manifest's own.
    """
    files, known = {}, known or {}
    for name in names:
        if not _is_inside(name):
            raise ValueError(
                f"`commit`: {name!r} is not the name of a file in {os.fspath(folder)}; "
                f"expected a relative path other than {_MANIFEST!r}, "
                "separated by '/'. Pass names such as 'state/000.npz'."
            )
        if name in known:
            files[name] = known[name]
            continue
        with open(os.path.join(folder, name), "rb") as file:
            os.fsync(file.fileno())  # an appended log may not have reached the disk
            files[name] = _measure(file)
    document = {"format": FORMAT, "files": files}
    signed = {**document, "digest": hashlib.sha256(render(document)).hexdigest()}
    write(os.path.join(folder, _MANIFEST), render(signed))
    return files


def entries(folder: FilePath) -> dict[str, Entry]:
    """Returns what the manifest says of each file, without looking at the files.

    Args:
        folder: The folder.

    Returns:
        Size and SHA-256 by name.

    Raises:
        CorruptFileError: If the manifest is missing or not as it was written. A newer
            one raises `NewerFormatError`.
    """
    path = os.path.join(folder, _MANIFEST)
    with _open(path, "this folder has no manifest") as file:
        document = parse(file.read(), path, "the manifest")
    digest = document.pop("digest", None)
    if digest != hashlib.sha256(render(document)).hexdigest():
        raise CorruptFileError(path, "the manifest", "its digest does not match")
    match document:
        case {"files": dict(files)}:
            return {name: _entry(path, name, found) for name, found in files.items()}
    raise CorruptFileError(path, "the manifest", "it lists no files")


def check(folder: FilePath, name: str, *, growing: bool = False) -> Entry:
    """Checks one file of a folder against the manifest.

    Args:
        folder: The folder.
        name: The file's name in the manifest.
        growing: Whether the file may have been appended to since.

    Returns:
        Its size and SHA-256 as recorded.

    Raises:
        CorruptFileError: If the manifest or the file is not as it was written. A newer
            manifest raises `NewerFormatError`.
    """
    listed = entries(folder)
    if name not in listed:
        what = f"not among the files of the manifest: {sorted(listed)}"
        raise CorruptFileError(os.path.join(folder, name), "the file", what)
    _compare(folder, name, listed[name], growing)
    return listed[name]


def verify(folder: FilePath, *, growing: Collection[str] = ()) -> dict[str, Entry]:
    """Checks every file of a folder against the manifest.

    The first missing, shortened or altered file raises `CorruptFileError`, a manifest
    of a newer version `NewerFormatError`. Files that are not listed are ignored.

    Args:
        folder: The folder.
        growing: Names of files that may have been appended to since; of these the
            recorded part is checked.

    Returns:
        Size and SHA-256 by name.
    """
    listed = entries(folder)
    for name, entry in listed.items():
        _compare(folder, name, entry, name in growing)
    return listed


def _compare(folder: FilePath, name: str, entry: Entry, growing: bool) -> None:
    path = os.path.join(folder, name)
    with _open(path, "missing, but listed in the manifest") as file:
        size = os.fstat(file.fileno()).st_size
        if size < entry["bytes"] or (size > entry["bytes"] and not growing):
            what = f"{size} bytes, recorded were {entry['bytes']}"
            raise CorruptFileError(path, "the file", what)
        if _measure(file, entry["bytes"]) != entry:
            where = f"the first {entry['bytes']} bytes" if growing else "the file"
            raise CorruptFileError(path, where, "its SHA-256 is not the recorded one")


def _open(path: str, absent: str) -> BinaryIO:
    """Opens a plain file; a folder, a pipe or nothing at all counts as absent."""
    if not os.path.isfile(path):
        raise CorruptFileError(path, "the file", absent)
    return open(path, "rb")


def _measure(file: BinaryIO, limit: int = sys.maxsize) -> Entry:
    """Reads at most `limit` bytes, a chunk at a time."""
    digest, count = hashlib.sha256(), 0
    while chunk := file.read(min(_CHUNK, limit - count)):
        digest.update(chunk)
        count += len(chunk)
    return {"bytes": count, "sha256": digest.hexdigest()}


def _entry(path: str, name: str, found: object) -> Entry:
    match found:
        case {"bytes": int(size), "sha256": str(digest)} if size >= 0:
            if _is_inside(name):
                return {"bytes": size, "sha256": digest}
    what = "not a file in this folder with its size and SHA-256"
    raise CorruptFileError(path, f"entry {name!r}", what)


def _is_inside(name: str) -> bool:
    return (
        name.isprintable()
        and "\\" not in name
        and name != _MANIFEST
        and all(part not in {"", ".", ".."} for part in name.split("/"))
    )
