"""Named columns as a reader hands them over, and numbers out of their cells."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped

from osculate.core import InputError

from ._headers import column_names

_BLANK = ("", "nan", "-nan", "+nan", "na", "n/a", "#n/a", "null", "none")
_MARKED = re.compile(r"[+-]?\d[\d.,'\s]*")
_FORTRAN = re.compile(r"[+-]?[\d.]+[dD][+-]?\d+")
_NO_VALUE = ("NoneType", "NAType", "NaTType")


def row_number(row: int) -> str:
    """Returns how a row is called where there are no lines: `row 1` is the first."""
    return f"row {row + 1}"


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of N cells, not yet numbers, and what to call them in messages.

    Attributes:
        source: The file, or `<mapping>` and the like.
        headers: Header of each column, as it stands in the source.
        cells: Returns the cells `(N,)` of the column at a position.
        place: Returns what to call a row: `line 7`.
    """

    source: str
    headers: tuple[str, ...]
    cells: Callable[[int], Shaped[np.ndarray, " N"]]
    place: Callable[[int], str] = row_number

    @property
    def names(self) -> tuple[str, ...]:
        """Names without units."""
        return column_names(self.headers, self.source)

    def numbers(self, position: int) -> Float64[np.ndarray, " N"]:
        """Returns one column as numbers, NaN where a cell is missing.

        Args:
            position: Which column.

        Returns:
            The numbers.

        Raises:
            InputError: If a cell is not a number.
        """
        cells = np.asarray(self.cells(position))
        if cells.dtype.kind in "fiub":
            return cells.astype(np.float64)
        try:
            if cells.dtype.kind not in "OU":
                raise TypeError
            return np.array([_number(cell) for cell in cells.tolist()], np.float64)
        except (TypeError, ValueError):
            row = next(i for i, cell in enumerate(cells) if not _is_number(cell))
            raise InputError(
                f"{self.source}, {self.place(row)}, column "
                f"{self.headers[position]!r}: got {_shown(cells[row])}; expected a "
                "number, or an empty cell for a missing value.\n"
                f"{_advice(cells[row])}"
            ) from None


def _number(cell: object) -> float:
    """Returns a cell as a number, NaN where it is missing."""
    if isinstance(cell, str):
        cell = cell.strip()
        if cell.lower() in _BLANK:
            return np.nan
        if "_" in cell:
            raise ValueError
        return float(cell)
    if type(cell).__name__ in _NO_VALUE:
        return np.nan
    if isinstance(cell, bytes | complex | np.complexfloating):
        raise TypeError
    return float(cell)  # pyright: ignore[reportArgumentType]


def _is_number(cell: object) -> bool:
    try:
        _number(cell)
    except (TypeError, ValueError):
        return False
    return not isinstance(cell, np.generic) or cell.dtype.kind in "fiubU"


def _advice(cell: object) -> str:
    """Returns what to do about a cell that is no number."""
    text = str(cell).strip()
    if _MARKED.fullmatch(text):
        return "Write numbers with a decimal point, and thousands without a mark."
    if _FORTRAN.fullmatch(text):
        return "Write exponents with E, as in 1.0E+05."
    return "Correct the cell, or leave the column out (--inputs and --outputs)."


def _shown(cell: object) -> str:
    text = repr(cell.item() if isinstance(cell, np.generic) else cell)
    return text if len(text) <= 40 else text[:37] + "..."


def unmasked(array: object) -> np.ndarray:
    """Returns an array in which what was masked is NaN."""
    if isinstance(array, np.ma.MaskedArray) and array.mask.any():
        return np.where(array.mask, np.nan, np.asarray(array, np.float64))
    return np.asarray(array)


def _shape(array: np.ndarray) -> str:
    if array.dtype.kind == "O" and not array.shape:
        return "rows of different lengths"
    return f"an array of shape {array.shape}"


def columns_of(source: str, mapping: Mapping[str, object]) -> Columns:
    """Returns the columns of a mapping from name to 1-D array.

    Args:
        source: What to call it in messages.
        mapping: Name of each column to its cells, all of one length.

    Returns:
        The columns.

    Raises:
        InputError: If the columns differ in length, are not 1-D, or there are none.
    """
    arrays = {}
    for name, cells in mapping.items():
        try:
            array = unmasked(cells)
        except ValueError:  # rows of different lengths
            array = np.array(None)
        if not isinstance(name, str) or array.ndim != 1:
            raise InputError(
                f"{source}, column {name!r}: got {_shape(array)}; expected a name and "
                "one number per row, shape (N,).\n"
                "Pass one 1-D array per name, or `data.table(x, y, ...)` for arrays."
            )
        arrays[name] = array
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        longest = max(lengths, key=lambda n: lengths[n]) if lengths else None
        shortest = min(lengths, key=lambda n: lengths[n]) if lengths else None
        came = (
            f"got {lengths[longest]} rows in {longest!r} and {lengths[shortest]} in "
            f"{shortest!r}"
            if longest is not None and shortest is not None
            else "got no columns"
        )
        raise InputError(
            f"{source}: {came}; expected columns of one length.\n"
            "Pass one number per row for every column."
        )
    headers = tuple(arrays)
    return Columns(source, headers, lambda position: arrays[headers[position]])
