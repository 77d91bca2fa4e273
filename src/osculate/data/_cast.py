"""A table with other roles: what was an input may become an output."""

from collections.abc import Iterator

import numpy as np

from osculate.core import InputError
from osculate.diff import TENSORS

from ._build import build_table
from ._roles import asked_names
from ._sources import Names
from ._table import Table


def cast(table: Table, inputs: Names | None, outputs: Names | None) -> Table:
    """Returns the table with other roles: those asked for, in that order.

    Args:
        table: Any table.
        inputs: Names of the inputs, or `None` for those that are not asked for as
            outputs.
        outputs: Names of the outputs, or `None` likewise.

    Returns:
        The table; what was known of the derivatives that are lost is left out.

    Raises:
        InputError: If there is no such column, or none is left for a role.
    """
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
