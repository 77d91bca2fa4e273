"""The door of this room: `read`."""

import numpy as np

from osculate.core import InputError

from ._arrays import table_of_arrays
from ._build import table_of_columns
from ._cast import cast
from ._columns import Columns
from ._enough import check_table
from ._headers import listed
from ._like import check_like, check_names
from ._roles import assign_roles
from ._sources import Names, Source, name_of, open_source
from ._table import Table


def read(
    source: Source,
    *,
    inputs: Names | None = None,
    outputs: Names | None = None,
    like: Table | None = None,
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
        like: The table that a model was fitted to, where this one is to test it: its
            roles are taken, and a column with another unit is refused. Columns may then
            be constant.

    Returns:
        The table.

    Raises:
        InputError: If the source cannot be used; the message says what to do.
    """
    if like is not None:
        if inputs is not None or outputs is not None:
            raise InputError(
                "`data.read`: got `like` beside `inputs` or `outputs`; `like` brings "
                "both.\nPass one or the other."
            )
        table = _read_like(source, like)
        check_like(table, like)
    elif isinstance(source, Table):
        if inputs is outputs is None:
            return source
        table = cast(source, inputs, outputs)
    else:
        table = _read(source, inputs, outputs)
    check_table(table, constant=like is not None)
    return table


def _read(source: Source, inputs: Names | None, outputs: Names | None) -> Table:
    content = open_source(source)
    if isinstance(content, Columns):
        roles = assign_roles(content.names, content.source, inputs, outputs)
        return table_of_columns(content, roles)
    table = _table_of_npz(name_of(source), content)
    return table if inputs is outputs is None else cast(table, inputs, outputs)


def _read_like(source: Source, like: Table) -> Table:
    """Returns the table of a source in the roles of another."""
    content = source if isinstance(source, Table) else open_source(source)
    if isinstance(content, dict):
        names = {"inputs": np.array(like.inputs), "outputs": np.array(like.outputs)}
        content = _table_of_npz(name_of(source), names | content)
    wanted = (*like.inputs, *like.outputs)
    whose = f"input and output of {like.name}"
    if isinstance(content, Table):
        names = (*content.inputs, *content.outputs)
        check_names(content.name, names, wanted, whose)
        return cast(content, like.inputs, like.outputs)
    check_names(content.source, content.names, wanted, whose)
    roles = assign_roles(content.names, content.source, like.inputs, like.outputs)
    return table_of_columns(content, roles)


def _table_of_npz(name: str, arrays: dict[str, np.ndarray]) -> Table:
    if "y" not in arrays:
        raise InputError(
            f"{name}: got the arrays {listed(arrays)}; expected `y` beside "
            "`x`.\n"
            "Save the values as `y`, shape (N, M)."
        )
    names = {
        role: [str(n) for n in np.atleast_1d(arrays[role])] if role in arrays else None
        for role in ("inputs", "outputs")
    }
    return table_of_arrays(name, arrays, **names)
