"""NPZ: NumPy's archive, of named columns or of the arrays x, y, jacobian, hessian."""

import zipfile
from pathlib import Path

import numpy as np

from osculate.core import InputError

_DEFLATE = 1032  # no deflate stream expands more than this
_SLACK = 1 << 16  # bytes


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of an NPZ file by name; pickled objects are refused.

    Args:
        path: The file.

    Returns:
        The arrays.

    Raises:
        InputError: If the file is damaged, cut short or holds Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            for member in members:
                _check_size(archive, member, path)
            return {m.filename[:-4]: _array(archive, m) for m in members}
    except InputError:
        raise
    except Exception as error:  # zlib, struct, zipfile and NumPy each raise their own
        raise _damaged(path, str(error) or type(error).__name__) from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        file.read()  # to the end, where the checksum is compared
    return array


def _check_size(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Raises before anything is allocated where the sizes declared cannot be true."""
    size = path.stat().st_size
    if member.compress_size > size or (
        member.file_size > _DEFLATE * member.compress_size + _SLACK
    ):
        raise _damaged(path, f"{member.filename} declares more than the file holds")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise _damaged(path, f"{member.filename} has NPY version {version}")
        shape, _, dtype = read(file)
        start = file.tell()
    if dtype.hasobject:
        raise InputError(
            f"{path.name}, array {member.filename[:-4]!r}: got pickled Python objects; "
            "expected numbers.\n"
            "Save the array with a number type: array.astype(float)."
        )
    count = 1
    for length in shape:
        count *= length
    if count * dtype.itemsize != member.file_size - start:
        raise _damaged(path, f"{member.filename} declares the shape {shape}")


def _damaged(path: Path, why: str) -> InputError:
    return InputError(
        f"{path.name}: the NPZ file is damaged or cut short ({why[:120]}).\n"
        "Save or copy it again."
    )
