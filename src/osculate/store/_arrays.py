"""Named arrays as the bytes of one NPZ file that proves its own content.

Member `header.json` describes the arrays (name, dtype, shape, SHA-256), members
`0.npy`, `1.npy`, ... hold them, uncompressed and in C order. `np.load` opens the file.
This module itself never asks NumPy or the ZIP archive what a member is: the bytes must
be the ones that it would have written for the array that the header announces.
"""

import hashlib
import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ._errors import FORMAT, CorruptFileError, FilePath, NewerFormatError
from ._json import parse, render

_HEADER = "header.json"
_DTYPE = re.compile(r"[<>|][biufcU]\d+")
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,  # also NotImplementedError and RecursionError
    TypeError,
    ValueError,  # also UnicodeDecodeError and JSONDecodeError
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def is_storable(dtype: Any) -> bool:
    """Whether arrays of this dtype can be saved: numbers, booleans and text.

    Args:
        dtype: The dtype of a NumPy or JAX array.

    Returns:
        False for objects, records, dates, keys and JAX's own small floats.
    """
    return isinstance(dtype, np.dtype) and bool(_DTYPE.fullmatch(dtype.str))


def pack(arrays: Mapping[str, np.ndarray], header: dict[str, Any]) -> bytes:
    """Returns named arrays and a header as the bytes of an NPZ file.

    The same content gives the same bytes in every process.

    Args:
        arrays: Arrays of numbers, booleans or text, by any name.
        header: What else belongs to them; JSON, without NaN.

    Returns:
        The bytes of the file, for `write`.

    Raises:
        TypeError: If an array has a dtype that the file cannot hold.
    """
    members, described = [], []
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        if not is_storable(array.dtype):
            raise TypeError(
                f"`pack`: array {name!r} has dtype {array.dtype}; expected numbers, "
                "booleans or text (float, complex, int, uint, bool, str). "
                "Convert it, e.g. by `.astype(float)`."
            )
        payload = array.tobytes()
        members.append(_npy_header(array.dtype.str, array.shape) + payload)
        described.append(
            {
                "name": name,
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "sha256": hashlib.sha256(payload).hexdigest(),
            }
        )
    document = {"format": FORMAT, "header": header, "arrays": described}
    return _zip([render(document), *members])


def unpack(data: bytes, path: FilePath) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Returns the arrays and the header that `pack` was given.

    Nothing is allocated that is larger than the file, whatever the file declares.

    Args:
        data: The bytes of the file.
        path: The file, for messages.

    Returns:
        The arrays by name, writable, and the header.

    Raises:
        CorruptFileError: If the content is not what was packed, in whatever way.
        NewerFormatError: If a newer version of this library packed it.
    """
    try:
        return _unpack(data, path)
    except (CorruptFileError, NewerFormatError):
        raise
    except _DAMAGE as error:
        what = f"unreadable ({type(error).__name__}: {error})"
        raise CorruptFileError(path, "the file", what) from error


def _unpack(
    data: bytes, path: FilePath
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    members = _unzip(data, path)
    document = parse(members.pop(_HEADER), path, _HEADER)
    described, header = document["arrays"], document["header"]
    if list(members) != [_member(i) for i in range(len(described))]:
        what = f"{len(described)} arrays announced, members found: {list(members)}"
        raise CorruptFileError(path, _HEADER, what)
    arrays = {}
    for entry, member in zip(described, members.values(), strict=True):
        arrays[entry["name"]] = _array(member, entry, path)
    names = [entry["name"] for entry in described]
    if names != sorted(set(names)) or type(header) is not dict:
        raise CorruptFileError(path, _HEADER, "altered since it was written")
    return arrays, header


def _array(member: bytes, entry: dict[str, Any], path: FilePath) -> np.ndarray:
    """Returns the array in a member's bytes, if it is the announced one."""
    where = f"array {entry['name']!r}"
    dtype, shape = entry["dtype"], tuple(entry["shape"])
    are_sizes = all(type(n) is int and n >= 0 for n in shape)
    if not are_sizes or not _DTYPE.fullmatch(dtype) or type(entry["name"]) is not str:
        raise CorruptFileError(path, where, f"dtype {dtype!r}, shape {shape!r}")
    header = _npy_header(dtype, shape)
    declared = len(header) + math.prod(shape) * np.dtype(dtype).itemsize
    if declared != len(member):
        what = f"{declared} bytes announced, {len(member)} bytes found"
        raise CorruptFileError(path, where, what)
    payload = memoryview(member)[len(header) :]
    if hashlib.sha256(payload).hexdigest() != entry["sha256"]:
        raise CorruptFileError(path, where, "its SHA-256 is not the recorded one")
    if not member.startswith(header):
        raise CorruptFileError(path, where, "its NPY header is not the announced one")
    return np.ndarray(shape, dtype, buffer=payload).copy()


def _npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Returns an NPY 1.0 header, spelled here so that no NumPy version alters it.

    Reference: NumPy Enhancement Proposal 1 (NPY format), version 1.0.
    """
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    padding = " " * (-(len(text) + 11) % 64)
    return b"\x93NUMPY\x01\x00" + struct.pack(
        f"<H{len(text) + len(padding) + 1}s",
        len(text) + len(padding) + 1,
        f"{text}{padding}\n".encode("ascii"),
    )


def _member(index: int) -> str:
    return f"{index}.npy"


def _zip(members: list[bytes]) -> bytes:
    """Returns an archive of the header and the arrays, free of clock and platform."""
    buffer = io.BytesIO()
    names = [_HEADER, *(_member(i) for i in range(len(members) - 1))]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in zip(names, members, strict=True):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def _unzip(data: bytes, path: FilePath) -> dict[str, bytes]:
    """Returns the members of an archive that is no larger inside than outside."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
            raise CorruptFileError(path, "the file", "its members are compressed")
        if sum(info.file_size for info in infos) > len(data):
            raise CorruptFileError(path, "the file", "its members exceed its size")
        if len({info.filename for info in infos}) != len(infos):
            raise CorruptFileError(path, "the file", "two members have one name")
        return {info.filename: archive.read(info) for info in infos}
