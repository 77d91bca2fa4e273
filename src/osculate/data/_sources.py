"""What a table can be read from, and how it is opened."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from osculate.core import InputError

from ._arrays import LAYOUT
from ._columns import Columns, columns_of
from ._csv import read_csv
from ._headers import column_names, listed
from ._kinds import find_file
from ._npz import read_npz
from ._parquet import read_parquet
from ._table import Table


@runtime_checkable
class Frame(Protocol):
    """What a DataFrame has, be it of pandas or of polars."""

    @property
    def columns(self) -> Iterable[Any]:
        """Names of the columns."""
        ...

    def __getitem__(self, name: Any, /) -> Any:
        """Returns one column."""
        ...


Source = str | os.PathLike[str] | Table | Mapping[str, Any] | Frame
Names = str | Iterable[str]


def name_of(source: object) -> str:
    """Returns what a source is called in messages: its file, or `<DataFrame>`."""
    if isinstance(source, Table):
        return source.name
    if isinstance(source, str | os.PathLike):
        return Path(source).name
    return f"<{type(source).__name__}>"


def open_source(source: Any) -> Columns | dict[str, np.ndarray]:
    """Returns the columns of a source, or the arrays of an NPZ file laid out so.

    Args:
        source: A path, a DataFrame or a mapping.

    Returns:
        Columns by name; or `x` and perhaps `y`, `jacobian`, ...

    Raises:
        InputError: If the source cannot be used.
    """
    if isinstance(source, str | os.PathLike):
        path = find_file(Path(source))
        if path.suffix.lower() == ".csv":
            return read_csv(path)
        if path.suffix.lower() == ".parquet":
            return read_parquet(path)
        arrays = read_npz(path)
        if "x" in arrays and set(arrays) <= set(LAYOUT):
            return arrays
        _refuse_other_layouts(path.name, arrays)
        return _nonempty(columns_of(path.name, arrays))
    if isinstance(source, Mapping):
        return _nonempty(columns_of(name_of(source), source))
    if isinstance(source, Frame):
        names = list(source.columns)
        column_names([str(name) for name in names], name_of(source))
        frame = {str(name): source[name] for name in names}
        return _nonempty(columns_of(name_of(source), frame))
    raise InputError(
        f"`data.read`: got {type(source).__name__}; expected a path, a Table, a "
        "DataFrame, or a mapping from name to 1-D array.\n"
        "For arrays call `data.table(x, y, jacobian=...)`."
    )


def _refuse_other_layouts(name: str, arrays: dict[str, np.ndarray]) -> None:
    shapes = {label: array.shape for label, array in arrays.items() if array.ndim != 1}
    if shapes:
        label, shape = next(iter(shapes.items()))
        raise InputError(
            f"{name}: got the arrays {listed(arrays)}, {label!r} of shape {shape}; "
            "expected one 1-D array\nper column, or arrays called "
            f"{listed(LAYOUT)} and no other.\n"
            "Rename or remove arrays."
        )


def _nonempty(columns: Columns) -> Columns:
    if not len(columns.cells(0)):
        raise InputError(f"{columns.source}: no rows of data.\nAdd rows.")
    return columns
