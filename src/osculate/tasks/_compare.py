"""Which family predicts best what it was not fitted to."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, PyTree
from numpy import ndarray

from osculate import diff
from osculate.core import InputError
from osculate.data import Table

from ._budget import parse_budget
from ._build import Scales, units_of
from ._predict import predict_jet
from ._settings import Settings

MOST_KNOWN = 600  # entries of an output: the search of a process takes seconds then
LEAST_SECONDS = 60.0


class Compared(NamedTuple):
    """Root mean squares of held-out errors over all entries, in standard units.

    Attributes:
        network: Of networks.
        process: Of Gaussian processes; infinite where none could be conditioned.
        folds: Over how many folds.
        rows: Over how many rows.
    """

    network: float
    process: float
    folds: int
    rows: int

    @property
    def best(self) -> str:
        """Name of the family with the smaller error, if that is below the spread.

        Rows of which neither family predicts anything say nothing of either: a process
        goes back to the mean there, and on few points it was the better one.
        """
        if self.process < np.inf and min(self.network, self.process) >= 1:
            return "process"
        return "process" if self.process < self.network else "network"

    def words(self) -> str:
        """Returns both errors in one sentence."""
        if np.isinf(self.process):
            return "network; no Gaussian process can be conditioned on these rows"
        one, other = self.network, self.process
        folds = f"{self.folds} folds" if self.folds > 1 else "one fold"
        return (
            f"{self.best}: on {self.rows} held-out rows, {folds}, the error over the "
            f"spread is {one:.2g} for a network, {other:.2g} for a Gaussian process"
        )


def is_compared(table: Table, settings: Settings) -> bool:
    """Tells whether a process is tried: few known numbers, nothing set by hand.

    Args:
        table: What is known.
        settings: The choices.

    Returns:
        Whether.
    """
    if settings.is_weighted_by_hand:
        return False
    seconds = parse_budget(settings.budget).seconds
    if seconds is not None and seconds < LEAST_SECONDS:
        return False
    counts = [
        known.reshape(*known.shape[:2], -1).sum(axis=(0, 2))
        for known in table.known.values()
    ]
    return int(sum(counts).max()) <= MOST_KNOWN  # pyright: ignore[reportAttributeAccessIssue]


def compare(
    networks: Any,
    processes: Any,
    table: Table,
    folds: Sequence[Bool[ndarray, " N"]],
    scales: Scales,
) -> Compared:
    """Fits both families to all but the rows of each fold.

    Args:
        networks: With `judged(k, held_out)`, which returns a model.
        processes: Likewise.
        table: What is known.
        folds: Rows to be held out, fold by fold.
        scales: Of inputs and outputs.

    Returns:
        Their errors.
    """

    def error(family: Any) -> float:
        squares = [
            _squares(family.judged(k, held_out), table.rows(held_out), scales)
            for k, held_out in enumerate(folds)
        ]
        found = np.sqrt(np.mean(np.concatenate(squares)))
        return float(found) if np.isfinite(found) else np.inf

    try:
        process = error(processes)
    except InputError:
        process = np.inf
    network = error(networks)
    rows = int(np.any(folds, axis=0).sum())
    return Compared(network, process, len(folds), rows)


def _squares(model: PyTree[Any], rows: Table, scales: Scales) -> ndarray:
    """Returns the squares of all known errors, in standard units."""
    orders = [diff.TENSORS.index(name) for name in rows.y]
    tensors = predict_jet(model, rows.x, max(orders))
    units, found = units_of(scales, max(orders)), []
    for order, (name, truth) in zip(orders, rows.y.items(), strict=True):
        off = (tensors[order] - truth) / np.asarray(units[order])
        found.append(off[rows.known[name]] ** 2)
    return np.concatenate(found)
