"""The doors of this room: `read` and `read_points`."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from osculate.core import InputError, did_you_mean
from osculate.diff import TENSORS

from ._arrays import LAYOUT, default_names, matrix, table_of_arrays
from ._build import build_table, table_of_columns
from ._columns import Columns, columns_of
from ._csv import read_csv
from ._headers import column_names, listed, split_unit
from ._kinds import find_file
from ._npz import read_npz
from ._parquet import read_parquet
from ._roles import asked_names, assign_roles
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


def read(
    source: Source, *, inputs: Names | None = None, outputs: Names | None = None
) -> Table:
    """Returns the Table of a file, a DataFrame or columns by name.

    Columns `d<y>/d<x>`, `d2<y>/d<x>2`, `d2<y>/d<x1>d<x2>` (or `_d` for `/d`) are
    derivatives. Names that occur as denominators are inputs, all other columns are
    outputs, unless `inputs` and `outputs` say otherwise; columns they do not name are
    then ignored, and print notation (`h_T`, `h_Tp`) is read as well. Units stand in
    brackets after the name: `T [K]`. An empty cell or NaN is missing.

    Args:
        source: Path of a `.csv`, `.npz` or `.parquet` file; a DataFrame; a mapping
            from name to 1-D array; or a Table. An NPZ file holds one 1-D array per
            column, or `x`, `y` and perhaps `jacobian`, `hessian`, `inputs`,
            `outputs`, shaped as for `table`.
        inputs: Names of the inputs; needed where the columns do not tell.
        outputs: Names of the outputs; needed where there are no derivatives.

    Returns:
        The table.

    Raises:
        InputError: If the source cannot be used; the message says what to do.
    """
    if isinstance(source, Table):
        return source if inputs is outputs is None else _cast(source, inputs, outputs)
    content = _open(source)
    if isinstance(content, Columns):
        roles = assign_roles(content.names, content.source, inputs, outputs)
        return table_of_columns(content, roles)
    found = _table_of_npz(source, content)
    return found if inputs is outputs is None else _cast(found, inputs, outputs)


def read_points(source: Source, inputs: Names) -> Float64[np.ndarray, "N D"]:
    """Returns points at which to predict: the input columns of a source.

    All other columns are ignored, whatever they hold. No row is dropped.

    Args:
        source: As for `read`. The array `x` of an NPZ file without names is taken as
            it stands.
        inputs: Names of the D inputs, in the order wanted.

    Returns:
        Points `(N, D)`, N >= 1, in the order of the rows and in the source's units.

    Raises:
        InputError: If a column is missing, or a cell is not a finite number.
    """
    inputs = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    if isinstance(source, Table):
        content = _columns_of_points(source.name, source.inputs, source.x)
    else:
        content = _open(source)
    if not isinstance(content, Columns):
        x = matrix(_name(source), "x", content["x"])
        names = default_names("x", x.shape[1])
        if "inputs" in content:
            names = tuple(map(str, content["inputs"]))
        elif len(inputs) == len(names):
            names = inputs
        content = _columns_of_points(_name(source), names, x)
    return _points(content, inputs)


def _points(columns: Columns, inputs: tuple[str, ...]) -> np.ndarray:
    """Returns the named columns as points `(N, D)`, every one a finite number."""
    names = [split_unit(header)[0] for header in columns.headers]
    for name in inputs:
        if names.count(name) != 1:
            came = f"{names.count(name)} columns" if name in names else "no column"
            raise InputError(
                f"{columns.source}: {came} {name!r}; the columns are {listed(names)}."
                f"{did_you_mean(name, names)}\n"
                f"Expected every input of the model once: {listed(inputs)}.\n"
                "Correct the header."
            )
    found = []
    for position in map(names.index, inputs):
        numbers = columns.numbers(position)
        bad = ~np.isfinite(numbers)
        if bad.any():
            row = int(np.argmax(bad))
            came = "an empty cell or NaN" if np.isnan(numbers[row]) else numbers[row]
            raise InputError(
                f"{columns.source}, {columns.place(row)}, column "
                f"{columns.headers[position]!r}: got {came}; expected a finite "
                "number in every cell of an input.\n"
                "Correct the cell, or remove the row."
            )
        found.append(numbers)
    x = np.stack(found, axis=1)
    if not len(x):
        raise InputError(f"{columns.source}: no rows of data.\nAdd rows.")
    return x


def _columns_of_points(name: str, names: tuple[str, ...], x: np.ndarray) -> Columns:
    return Columns(name, names, lambda position: x[:, position])


def _name(source: object) -> str:
    if isinstance(source, str | os.PathLike):
        return Path(source).name
    return f"<{type(source).__name__}>"


def _open(source: Any) -> Columns | dict[str, np.ndarray]:
    """Returns the columns of a source, or the arrays of an NPZ file laid out so."""
    if isinstance(source, str | os.PathLike):
        path = find_file(Path(source))
        if path.suffix.lower() == ".csv":
            return read_csv(path)
        if path.suffix.lower() == ".parquet":
            return read_parquet(path)
        arrays = read_npz(path)
        if "x" in arrays and set(arrays) <= set(LAYOUT):
            return arrays
        return _nonempty(columns_of(path.name, arrays))
    if isinstance(source, Mapping):
        return _nonempty(columns_of(_name(source), source))
    if isinstance(source, Frame):
        names = list(source.columns)
        column_names([str(name) for name in names], _name(source))
        frame = {str(name): source[name] for name in names}
        return _nonempty(columns_of(_name(source), frame))
    raise InputError(
        f"`data.read`: got {type(source).__name__}; expected a path, a Table, a "
        "DataFrame, or a mapping from name to 1-D array.\n"
        "For arrays call `data.table(x, y, jacobian=...)`."
    )


def _nonempty(columns: Columns) -> Columns:
    if not len(columns.cells(0)):
        raise InputError(f"{columns.source}: no rows of data.\nAdd rows.")
    return columns


def _table_of_npz(source: object, arrays: dict[str, np.ndarray]) -> Table:
    if "y" not in arrays:
        raise InputError(
            f"{_name(source)}: got the arrays {listed(arrays)}; expected `y` beside "
            "`x`.\n"
            "Save the values as `y`, shape (N, M)."
        )
    names = {
        role: [str(n) for n in np.atleast_1d(arrays[role])] if role in arrays else None
        for role in ("inputs", "outputs")
    }
    return table_of_arrays(_name(source), arrays, **names)


def _cast(table: Table, inputs: Names | None, outputs: Names | None) -> Table:
    """Returns the table with other roles: those asked for, in that order."""
    every = (*table.inputs, *table.outputs)
    asked = asked_names(inputs, every, table.name, "inputs")
    wanted = asked_names(outputs, every, table.name, "outputs")
    inputs = asked or tuple(n for n in table.inputs if n not in (wanted or ()))
    outputs = wanted or tuple(n for n in table.outputs if n not in inputs)
    if not inputs or not outputs or set(inputs) & set(outputs):
        raise InputError(
            f"{table.name}: got inputs {list(inputs)} and outputs {list(outputs)}; "
            "expected at least one of each, and none in both.\n"
            "Pass `inputs=[...]` and `outputs=[...]`."
        )
    values = np.where(table.known["value"], table.y["value"], np.nan)
    plain = dict(zip(every, (*table.x.T, *values.T), strict=True))
    y = {"value": np.stack([plain[n] for n in outputs], axis=1)}
    N, M, D = len(table), len(outputs), len(inputs)
    for order in TENSORS[1:]:
        if order in table.y:
            full = np.where(table.known[order], table.y[order], np.nan)
            y[order] = np.full((N, M) + (full.ndim - 2) * (D,), np.nan)
            for new, old in _moves(table, inputs, outputs, full.ndim - 2):
                y[order][:, *new] = full[:, *old]
    x = np.stack([plain[n] for n in inputs], axis=1)
    return build_table(table.name, inputs, outputs, x, y, table.headers)


def _moves(
    table: Table, inputs: tuple[str, ...], outputs: tuple[str, ...], order: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yields (new index, old index) of every derivative that keeps its meaning."""
    kept = [d for d, name in enumerate(inputs) if name in table.inputs]
    for m, output in enumerate(outputs):
        if output not in table.outputs:
            continue
        for below in np.ndindex(*(order * (len(kept),))):
            new = tuple(kept[i] for i in below)
            old = tuple(table.inputs.index(inputs[d]) for d in new)
            yield (m, *new), (table.outputs.index(output), *old)
