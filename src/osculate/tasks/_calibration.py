"""How far a model's own uncertainty can be trusted, from rows it was not fitted to."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from osculate import match
from osculate.data import Table
from osculate.diff import TENSORS

from ._arms import Arms
from ._networks import Judged
from ._predict import predict_jet
from ._spread import is_spread, spread

ORDERS = (0, 1)
PRIOR = 2.0  # rows that a factor known beforehand counts as
ROUNDS = 200  # of a fixed-point iteration that gains half a digit or more in each
WORDS = ("values", "first derivatives")


class Calibration(NamedTuple):
    """By order of derivative, then by output: lists, which JSON keeps.

    Errors over `factor` times the spread have a Student distribution.

    Attributes:
        factor: By which the spread is multiplied.
        freedom: Degrees of freedom of that distribution.
        rows: How many rows they were found on.
    """

    factor: list[list[float]]
    freedom: list[list[float]]
    rows: list[list[int]]

    def words(self) -> str:
        """Returns the factors and their rows in one line."""
        parts = []
        for what, factors, rows in zip(WORDS, self.factor, self.rows, strict=True):
            known = ", ".join(f"{factor:.2g}" for factor in factors)
            parts.append(f"{what} {known} from {max(rows)} rows")
        return f"spread times: {'; '.join(parts)}"


def calibrate(arms: Arms, table: Table) -> Calibration | None:
    """Compares errors on rows not fitted to with the spread there; under x64.

    Of an ensemble on the rows of each fold, by members that were fitted to the others;
    of a process by leaving out each row. The factor is the most probable scale of
    errors over spreads: of a Student distribution with E - 1 degrees of freedom for E
    members, whose spread is itself uncertain; of a Gaussian for a process. Before any
    row the factor of an output is that of all outputs together, which is that of the
    values for the first derivatives, and 1 for the values; that counts as `PRIOR` rows.
    All entries of a row count as one.

    Reference: Gelman et al., Bayesian Data Analysis, 3rd edition (2013), sections 3.2
    (scaled inverse chi square) and 17.2 (Student distribution by reweighting).

    Args:
        arms: The fits.
        table: What they were fitted to.

    Returns:
        The factors, or None for one network.
    """
    model = arms.main.final.value
    if not is_spread(model):
        return None
    if isinstance(model.net, match.GaussianProcess):
        ratios, freedom = _left_out(model.net, table), math.inf
    else:
        ratios = _held_out(arms.judged, table)
        freedom = model.net.num_members - 1.0
    M, prior = len(table.outputs), 1.0
    found = Calibration([], [], [])
    for order in ORDERS:
        if order in ratios:
            entries = ratios[order].reshape(len(ratios[order]), M, -1)
            together = _scale(entries.reshape(len(entries), -1), freedom, prior)
            each = [_scale(entries[:, m], freedom, together[0]) for m in range(M)]
            prior = together[0]
            scales = each if M > 1 else [together]
        else:
            scales = [(prior, 0)] * M
        found.factor.append([math.sqrt(square) for square, _ in scales])
        found.freedom.append([1 / (1 / freedom + 1 / (PRIOR + n)) for _, n in scales])
        found.rows.append([n for _, n in scales])
    return found


def _left_out(
    process: match.GaussianProcess, table: Table
) -> dict[int, Float64[ndarray, "N M ..."]]:
    """Returns errors over deviations of each row without itself, by order."""
    mean, variance = process.leave_one_out()
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            order: (table.y[name] - mean[name]) / np.sqrt(variance[name])
            for order in ORDERS
            if (name := TENSORS[order]) in mean
        }


def _held_out(
    judged: Sequence[Judged], table: Table
) -> dict[int, Float64[ndarray, "N M ..."]]:
    """Returns errors over spreads on the rows of all folds, by order."""
    found: dict[int, list[ndarray]] = {}
    for held_out, model in judged:
        rows = table.rows(held_out)
        tensors = predict_jet(model, rows.x, max(ORDERS))
        for order in ORDERS:
            if (name := TENSORS[order]) in rows.y:
                off = np.where(rows.known[name], rows.y[name] - tensors[order], np.nan)
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratio = off / spread(model, rows.x, order)
                found.setdefault(order, []).append(ratio)
    return {order: np.concatenate(parts) for order, parts in found.items()}


def _scale(
    ratios: Float64[ndarray, "N K"], freedom: float, prior: float
) -> tuple[float, int]:
    """Returns the most probable squared scale of ratios, and how many rows tell it."""
    known = np.isfinite(ratios)
    square = np.where(known, ratios, 0.0) ** 2
    share = known / np.maximum(known.sum(axis=1, keepdims=True), 1)
    count, found = int(known.any(axis=1).sum()), prior
    for _ in range(ROUNDS):
        weight = share
        if math.isfinite(freedom):
            weight = share * (freedom + 1) / (freedom + square / found)
        found = (PRIOR * prior + float(np.sum(weight * square))) / (PRIOR + count)
    return found, count
