"""What a file is, told by its first bytes and not by its ending."""

import codecs
from pathlib import Path

from osculate.core import InputError, did_you_mean

ENDINGS = {".csv": "CSV text", ".npz": "a ZIP archive (NPZ)", ".parquet": "Parquet"}
_MAGIC = {
    b"PAR1": "Parquet",
    b"PK\x03\x04": "a ZIP archive (NPZ)",
    b"PK\x05\x06": "a ZIP archive (NPZ)",
    b"\x93NUMPY": "a single NumPy array (NPY)",
    b"\x89PNG": "a PNG image",
    b"\x89HDF": "HDF5",
    b"%PDF": "PDF",
    b"\x1f\x8b": "gzip",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    codecs.BOM_UTF16_LE: "UTF-16 text",
    codecs.BOM_UTF16_BE: "UTF-16 text",
}


def kind_of(path: Path) -> str:
    """Returns in words what the first bytes of a file say that it is."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        return "an empty file"
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    return "binary" if b"\0" in head else "CSV text"


def find_file(source: str | Path) -> Path:
    """Returns the path of a table that can be read.

    Args:
        source: Path of the file.

    Returns:
        The path; its ending is known and agrees with its first bytes.

    Raises:
        InputError: If there is no such file, or it is not what its ending says.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        raise InputError(f"{path}: this is a folder.\nPass a file in it.")
    if not path.exists():
        folder = path.parent
        beside = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        where = f"in {str(folder)!r}" if folder.is_dir() else "(nor its folder)"
        raise InputError(
            f"{path}: no such file {where}.{did_you_mean(path.name, beside)}\n"
            "Check the path."
        )
    expected = ENDINGS.get(path.suffix.lower())
    if expected is None:
        came = f"the ending {path.suffix!r}" if path.suffix else "a name without ending"
        raise InputError(
            f"{path}: got {came}; expected one of {', '.join(ENDINGS)}.\n"
            "Save the table as one of these."
        )
    kind = kind_of(path)
    if kind != expected:
        raise InputError(
            f"{path}: the file is {kind}; its ending says {expected}.\n{_advice(kind)}"
        )
    return path


def _advice(kind: str) -> str:
    for ending, known in ENDINGS.items():
        if kind == known:
            return f"Rename it to end in {ending}, or save it again."
    if kind == "UTF-16 text":
        return "Save it again as CSV in UTF-8."
    return f"Save the table again, as one of {', '.join(ENDINGS)}."
