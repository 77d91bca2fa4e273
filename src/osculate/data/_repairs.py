"""Repairs of derivative columns: swap two, flip a sign, rescale; and their gain."""

import itertools
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ._equations import ROUNDING, Columns, Equation, factor_alone, joint_factors
from ._suspicion import Suspicion

CUT = 10.0  # a repair must cut the misfit by this
WORTH = 0.01  # smallest misfit that is worth a word
REPAIRED = 0.5  # largest misfit after a repair: the derivatives then explain values
NEAR_ONE = 1.25  # factors within this of 1 are noise
ERASED = 1e-9  # factors below this are no change of unit
MOST_TRIED = 24  # columns that are tried one by one


@dataclass(frozen=True)
class Repair:
    """A change of columns, what it would be called, and what it gains.

    Attributes:
        faults: What was wrong.
        columns: The columns repaired.
        misfit: The misfit that is left.
    """

    faults: tuple[Suspicion, ...]
    columns: Columns = field(repr=False)
    misfit: float

    @property
    def preference(self) -> float:
        """Smaller is better: a swap or a sign needs less faith than a factor."""
        simple = all(fault.kind != "rescaled" for fault in self.faults)
        return max(self.misfit, ROUNDING) * (1 if simple else 3)


@dataclass(frozen=True)
class _System:
    """Equations, and the columns that are put into them."""

    equations: list[Equation]
    columns: Columns

    @cached_property
    def residuals(self) -> list[np.ndarray]:
        return [equation.residual(self.columns) for equation in self.equations]

    def after(self, changed: Columns) -> "_System":
        return _System(self.equations, self.columns | changed)


def best_repair(
    equations: list[Equation], columns: Columns, *, square: bool = False
) -> Repair | None:
    """Returns the repair that gains most, if one gains enough.

    Args:
        equations: What the columns should satisfy.
        columns: The columns as they are.
        square: Whether these are the first derivatives of as many outputs as there are
            inputs, which may stand in a transposed matrix.

    Returns:
        The repair, or `None` where no column is suspect.
    """
    system = _System(equations, columns)
    factors = [joint_factors(equation, columns) for equation in equations]
    tried = _doubtful(equations, factors)
    repairs = []
    for equation, found in zip(equations, factors, strict=True):
        each = dict(zip(equation.names, found.tolist(), strict=True))
        repairs.append(_rescaled(system, _needed(system, each)))
        common = dict.fromkeys(equation.names, float(np.median(found)))
        repairs.append(_rescaled(system, common))
        for name in tried.intersection(equation.names):
            alone = factor_alone(equation, columns, name)
            repairs.append(_rescaled(system, {name: alone}))
            repairs.append(_rescaled(system, {name: -1.0}))
    for a, b in _swappable(equations, tried):
        repairs.append(_swapped(system, a, b))
    if square:
        repairs.append(_transposed(system))
    return min(filter(None, repairs), key=lambda r: r.preference, default=None)


def _doubtful(equations: list[Equation], factors: list[np.ndarray]) -> set[str]:
    """Returns the columns to try one by one: those with factors farthest from 1."""
    doubt = {}
    for equation, found in zip(equations, factors, strict=True):
        for name, factor in zip(equation.names, found, strict=True):
            off = abs(np.log(factor)) if factor > 0 else np.inf
            doubt[name] = max(doubt.get(name, 0.0), off)
    return set(sorted(doubt, key=lambda n: -doubt[n])[:MOST_TRIED])


def _swappable(equations: list[Equation], tried: set[str]) -> list[tuple[str, str]]:
    """Returns the pairs of columns of one quantity, or of one input."""
    quantities = [equation.names for equation in equations]
    pairs = {}
    for names in (*quantities, *zip(*quantities, strict=True)):
        among = [name for name in dict.fromkeys(names) if name in tried]
        pairs |= dict.fromkeys(itertools.combinations(among, 2))
    return list(pairs)


def _gain(system: _System, changed: Columns) -> tuple[float, float] | None:
    """Returns the misfits before and after a change, `None` if it is no repair.

    With several quantities the geometric means; none of them may get worse.
    """
    pairs = []
    for equation, residual in zip(system.equations, system.residuals, strict=True):
        if not changed.keys().isdisjoint(equation.names):
            change = equation.change(system.columns, changed)
            pairs.append(equation.misfits(residual, change))
    pairs = [misfits for misfits in pairs if misfits is not None]
    if not pairs or any(after > before for before, after in pairs):
        return None
    logs = np.log(np.maximum(pairs, ROUNDING))
    before, after = np.exp(logs.mean(axis=0)).tolist()
    if before < CUT * after or before < WORTH or after > REPAIRED:
        return None
    return before, after


def _swapped(system: _System, a: str, b: str) -> Repair | None:
    changed = {a: system.columns[b], b: system.columns[a]}
    gain = _gain(system, changed)
    if gain is None:
        return None
    return Repair((Suspicion((a, b), "swapped", 1.0, *gain),), changed, gain[1])


def _transposed(system: _System) -> Repair | None:
    """Returns the repair that reads every matrix of derivatives the other way round."""
    rows = [equation.names for equation in system.equations]
    changed = {
        name: system.columns[other]
        for row, column in zip(rows, zip(*rows, strict=True), strict=True)
        for name, other in zip(row, column, strict=True)
        if name != other
    }
    gain = _gain(system, changed) if changed else None
    if gain is None:
        return None
    names = tuple(name for row in rows for name in row)
    return Repair((Suspicion(names, "transposed", 1.0, *gain),), changed, gain[1])


def _needed(system: _System, factors: dict[str, float]) -> dict[str, float]:
    """Returns the factors that are each needed beside the others."""
    factors = {n: f for n, f in factors.items() if not 1 / NEAR_ONE < f < NEAR_ONE}
    if not 1 < len(factors) <= MOST_TRIED:
        return factors if len(factors) == 1 else {}
    changed = {name: f * system.columns[name] for name, f in factors.items()}
    for name in factors:
        others = {n: c for n, c in changed.items() if n != name}
        if _gain(system.after(others), {name: changed[name]}) is None:
            changed = others
    return {name: factors[name] for name in changed}


def _rescaled(system: _System, factors: dict[str, float]) -> Repair | None:
    """Returns the repair that multiplies columns by factors."""
    factors = {
        name: -1.0 if abs(factor + 1) < 0.1 else factor
        for name, factor in factors.items()
        if abs(factor) > ERASED and not 1 / NEAR_ONE < factor < NEAR_ONE
    }
    changed = {name: factor * system.columns[name] for name, factor in factors.items()}
    gain = _gain(system, changed) if changed else None
    if gain is None:
        return None
    faults = []
    for name, factor in factors.items():
        kind = "negated" if factor == -1.0 else "rescaled"
        faults.append(Suspicion((name,), kind, factor, *gain))
    return Repair(tuple(faults), changed, gain[1])
