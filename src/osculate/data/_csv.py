"""CSV: comma, UTF-8, one header line, an empty cell where a value is missing."""

import io
from functools import cache
from pathlib import Path

import numpy as np

from osculate.core import InputError

from ._columns import Columns
from ._csv_header import Parts, rows_of, split_header


def read_csv(path: Path) -> Columns:
    """Returns the columns of a CSV file.

    Args:
        path: The file.

    Returns:
        The columns; rows are called by their line in the file.

    Raises:
        InputError: If the file is not such a text, or has no rows of data.
    """
    name = path.name
    parts = split_header(_decoded(path), name)

    @cache
    def lines() -> list[int]:
        return [line for line, _ in rows_of(parts.lines, name, parts.first)]

    def place(row: int) -> str:
        return f"line {lines()[row]}"

    numbers = _numbers(parts)
    if numbers is not None:
        return Columns(name, parts.headers, lambda i: numbers[:, i], place)
    rows = _cells(parts, name)
    return Columns(name, parts.headers, lambda i: _column(rows, i), place)


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path.name}, line {line}: got the byte 0x{raw[error.start]:02x}, which "
            "is not UTF-8.\n"
            "Save the file as CSV in UTF-8 (in Excel: CSV UTF-8)."
        ) from None


def _numbers(parts: Parts) -> np.ndarray | None:
    """Returns all cells at once where each is a number, else `None`."""
    try:
        numbers = np.loadtxt(
            io.StringIO(parts.body, newline=None),  # any line ending
            delimiter=",",
            comments=None,
            quotechar='"',
            ndmin=2,
        )
    except ValueError:
        return None
    return numbers if numbers.shape[1] == len(parts.headers) else None


def _cells(parts: Parts, name: str) -> list[list[str]]:
    """Returns the cells of every row, as many as there are headers."""
    rows = []
    for line, cells in rows_of(parts.lines, name, parts.first):
        if len(cells) != len(parts.headers):
            raise _wrong_length(f"{name}, line {line}", cells, len(parts.headers))
        rows.append(cells)
    return rows


def _wrong_length(where: str, cells: list[str], width: int) -> InputError:
    """Returns the error for a row with more or fewer cells than the header."""
    if cells[0].lstrip().startswith("#"):
        return InputError(
            f"{where}: got a comment; expected a row of {width} cells.\n"
            "Remove the line: comments may stand above the header only."
        )
    several = "" if len(cells) == 1 else "s"
    return InputError(
        f"{where}: got {len(cells)} cell{several}; expected {width}, one per column of "
        "the header.\n"
        "Correct the line: no comma inside a number, none at the end of the line."
    )


def _column(rows: list[list[str]], position: int) -> np.ndarray:
    """Returns one column as numbers if all its cells are, else as text."""
    cells = [row[position] for row in rows]
    try:
        if not any("_" in cell for cell in cells):
            return np.array([float(cell or "nan") for cell in cells])
    except ValueError:
        pass
    return np.array(cells, dtype=object)
