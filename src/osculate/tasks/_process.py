"""The family of Gaussian processes, for few rows of smooth data."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, PyTree
from numpy import ndarray

from osculate import match, nets
from osculate.core import InputError, Result, Status
from osculate.data import Table

from ._arm import Arm
from ._build import objective, scales_within

KERNELS = ("squared_exponential", "matern52")
KINDS = (
    ("squared_exponential", False),
    ("squared_exponential", True),
    ("matern52", True),
)


def most_likely(
    table: Table,
    *,
    kinds: Sequence[tuple[str, bool]],
    trend: str = "constant",
    starts: int = 2,
) -> match.GaussianProcess:
    """Conditions processes on a table and returns the one of the largest evidence.

    Args:
        table: What is known.
        kinds: Names of kernels, each with whether levels of noise are found, one for
            each order; without, the data are interpolated.
        trend: `none`, `constant` or `linear`.
        starts: Of each search for length scales.

    Returns:
        The process, its arrays in NumPy.

    Raises:
        InputError: If none of them can be conditioned on these rows.
    """
    found, refused = [], []
    samples = table.samples()
    sigma = {n: np.where(np.isfinite(s), s, 0.0) for n, s in table.sigma.items()}
    with jax.enable_x64(True):
        for kernel, noise in kinds:
            levels = tuple(table.y) if noise else ()
            try:
                process = match.gaussian_process(
                    samples,
                    kernel=kernel,
                    trend=trend,
                    sigma=sigma,
                    noise=levels,
                    starts=starts,
                )
            except InputError as error:
                refused.append(error)
            else:
                found.append(jax.tree.map(np.asarray, process))
    if not found:
        raise refused[0]
    return max(found, key=lambda process: process.log_evidence.sum())


class Processes:
    """Processes conditioned on rows of one table, each of the kind most likely there.

    The kind is found anew for all rows: what some of few rows say of it is not enough.
    """

    def __init__(self, table: Table):
        """Keeps the table; conditions nothing yet.

        Args:
            table: What is known.
        """
        self._table = table
        self._first: match.GaussianProcess | None = None

    def judged(self, k: int, held_out: Bool[ndarray, " N"]) -> PyTree[Any]:
        """Returns the process of one fold.

        Args:
            k: Which fold; the first is that of `main`, whose search is not repeated.
            held_out: Rows that it was not conditioned on.

        Returns:
            The model.

        Raises:
            InputError: If no process can be conditioned on these rows.
        """
        rows = self._table.rows(~held_out)
        if k:
            return self._named(most_likely(rows, kinds=KINDS))
        if self._first is None:
            self._first = most_likely(rows, kinds=KINDS)
        return self._named(self._first)

    def main(self, held_out: Bool[ndarray, " N"]) -> Arm:
        """Returns processes of all that is known, as results of fits without steps."""
        search = self.judged(0, held_out)
        final = self._named(most_likely(self._table, kinds=KINDS))
        return self._arm(search, final)

    def values_only(self, held_out: Bool[ndarray, " N"], main: Arm) -> Arm:
        """Returns processes of the values."""
        blind = self._table.up_to(0)
        search = most_likely(blind.rows(~held_out), kinds=KINDS)
        final = most_likely(blind, kinds=KINDS)
        return self._arm(self._named(search), self._named(final))

    def words(self, main: Arm) -> tuple[int, str, str, str]:
        """Returns how many numbers were found, the kernel, and how they were found."""
        process = main.final.value.net
        hyper = process.hyperparameters
        count = sum(int(np.size(a)) for a in jax.tree.leaves(hyper))
        noise = "with noise of its own in each order" if hyper.noise else "exact"
        return (
            count,
            f"Gaussian process, {process.kernel.replace('_', ' ')} kernel, {noise}",
            "marginal likelihood",
            f"{len(process.rows)} known numbers at {len(process.x)} points",
        )

    def _named(self, process: match.GaussianProcess) -> nets.Named:
        return nets.Named(process, dict.fromkeys(self._table.outputs, 0))

    def _arm(self, search: nets.Named, final: nets.Named) -> Arm:
        history = {"step": np.zeros(1, int), "loss": np.full(1, math.nan)}
        stats = {"steps": 0, "best_step": 0, "seconds": 0.0, "retries": 0}
        results = [
            Result(
                model,
                objective(model.net.orders, scales_within(model)),
                {},
                history,
                dict(stats),
                Status.DONE,
            )
            for model in (search, final)
        ]
        return Arm(*results, taken=(0, 0), wanted=(0, 0))
