"""CSV: comma, UTF-8, one header line, an empty cell where a value is missing."""

import csv
import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from osculate.core import InputError

from ._columns import Columns


def read_csv(path: Path) -> Columns:
    """Returns the columns of a CSV file.

    Args:
        path: The file.

    Returns:
        The columns; rows are called by their line in the file.

    Raises:
        InputError: If the file is not such a text, or has no rows of data.
    """
    text = _decoded(path)
    headers, first = _header(text, path)

    @cache
    def lines() -> list[int]:
        return [line for line, _ in _rows(text, path)][1:]

    def place(row: int) -> str:
        return f"line {lines()[row]}"

    numbers = _numbers(text, first, len(headers))
    if numbers is not None:
        return Columns(path.name, headers, lambda i: numbers[:, i], place)
    rows = _cells(text, path, headers)
    return Columns(path.name, headers, lambda i: _column(rows, i), place)


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path.name}, line {line}: got the byte 0x{raw[error.start]:02x}, which "
            "is not UTF-8.\n"
            "Save the file as CSV in UTF-8."
        ) from None


def _rows(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields (line, cells) of every line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""))
    line = 1
    try:
        for cells in reader:
            if cells and (len(cells) > 1 or cells[0].strip()):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path.name}, line {line}: not CSV: {error}.\nSave the file as CSV."
        ) from None


def _header(text: str, path: Path) -> tuple[tuple[str, ...], int]:
    """Returns the headers, and how many lines come before the first row of data."""
    rows = _rows(text, path)
    line, cells = next(rows, (0, []))
    if not cells:
        raise InputError(
            f"{path.name}: the file is empty; expected a header line and rows.\n"
            "Save the table again."
        )
    headers = tuple(cell.strip() for cell in cells)
    if len(headers) == 1 and any(mark in headers[0] for mark in ";\t"):
        raise InputError(
            f"{path.name}, line {line}: got one column {headers[0][:40]!r}; expected "
            "columns separated by commas.\n"
            "Save the file with commas between columns and points in numbers."
        )
    if all(_looks_like_number(header) for header in headers):
        raise InputError(
            f"{path.name}, line {line}: got numbers; expected a header line with the "
            "names of the columns.\n"
            "Add a first line such as: T [K],p [MPa],h [kJ/kg],dh/dT"
        )
    following = next(rows, None)
    if following is None:
        raise InputError(
            f"{path.name}: the file has a header and no rows of data.\nAdd rows."
        )
    return headers, following[0] - 1


def _looks_like_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(text: str, first: int, width: int) -> np.ndarray | None:
    """Returns all cells at once where each is a number, else `None`."""
    try:
        numbers = np.loadtxt(
            io.StringIO(text, newline=None),  # any line ending
            delimiter=",",
            skiprows=first,
            comments=None,
            quotechar='"',
            ndmin=2,
        )
    except ValueError:
        return None
    return numbers if numbers.shape[1] == width else None


def _cells(text: str, path: Path, headers: tuple[str, ...]) -> list[list[str]]:
    """Returns the cells of every row, as many as there are headers."""
    rows = []
    for line, cells in list(_rows(text, path))[1:]:
        if len(cells) != len(headers):
            raise InputError(
                f"{path.name}, line {line}: got {len(cells)} cells; expected "
                f"{len(headers)}, one per column of the header.\n"
                "Correct the line; a number must not hold a comma."
            )
        rows.append(cells)
    return rows


def _column(rows: list[list[str]], position: int) -> np.ndarray:
    """Returns one column as numbers if all its cells are, else as text."""
    cells = [row[position] for row in rows]
    try:
        if not any("_" in cell for cell in cells):
            return np.array([float(cell or "nan") for cell in cells])
    except ValueError:
        pass
    return np.array(cells, dtype=object)
