"""Points at which to predict: the input columns of any table."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from osculate.core import InputError

from ._arrays import default_names, matrix
from ._columns import Columns
from ._headers import split_unit
from ._like import check_names, check_units
from ._sources import Names, Source, name_of, open_source
from ._table import Table


def read_points(
    source: Source, inputs: Names, *, units: Mapping[str, str] | None = None
) -> Float64[np.ndarray, "N D"]:
    """Returns points at which to predict: the input columns of a source.

    All other columns are ignored, whatever they hold. No row is dropped.

    Args:
        source: As for `read`. The array `x` of an NPZ file without names is taken as
            it stands.
        inputs: Names of the D inputs, in the order wanted.
        units: Unit of each input, by name; a column that states another one is refused.

    Returns:
        Points `(N, D)`, N >= 1, in the order of the rows and in the source's units.

    Raises:
        InputError: If a column is missing, a unit differs, or a cell is not a finite
            number.
    """
    inputs = (inputs,) if isinstance(inputs, str) else tuple(inputs)
    columns = _columns(source, inputs)
    names = [split_unit(header)[0] for header in columns.headers]
    check_names(columns.source, names, inputs, "input of the model")
    at = {name: names.index(name) for name in inputs}
    headers = {name: columns.headers[i] for name, i in at.items()}
    check_units(columns.source, headers, units or {}, "the model")
    x = np.stack([_finite(columns, position) for position in at.values()], axis=1)
    if not len(x):
        raise InputError(f"{columns.source}: no rows of data.\nAdd rows.")
    return x


def _columns(source: Source, inputs: tuple[str, ...]) -> Columns:
    """Returns the columns of a source, arrays without names called as the inputs."""
    if isinstance(source, Table):
        headers = tuple(source.headers.get(name, name) for name in source.inputs)
        return _of_matrix(source.name, headers, source.x)
    content = open_source(source)
    if isinstance(content, Columns):
        return content
    x = matrix(name_of(source), "x", content["x"])
    names = default_names("x", x.shape[1])
    if "inputs" in content:
        names = tuple(map(str, np.atleast_1d(content["inputs"])))
    elif len(inputs) == len(names):
        names = inputs
    return _of_matrix(name_of(source), names, x)


def _of_matrix(name: str, headers: tuple[str, ...], x: np.ndarray) -> Columns:
    return Columns(name, headers, lambda position: x[:, position])


def _finite(columns: Columns, position: int) -> Float64[np.ndarray, " N"]:
    """Returns one column, every cell of which is a finite number."""
    numbers = columns.numbers(position)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(np.argmax(bad))
        came = "an empty cell or NaN" if np.isnan(numbers[row]) else numbers[row]
        raise InputError(
            f"{columns.source}, {columns.place(row)}, column "
            f"{columns.headers[position]!r}: got {came}; expected a finite number in "
            "every cell of an input.\n"
            "Correct the cell, or remove the row."
        )
    return numbers
