"""How many times smaller an error is than another, in numbers and in words."""

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Literal

EQUAL = 1.05  # factors within this of 1 are no difference worth a word


def times_smaller(ours: float | None, theirs: float | None) -> float | None:
    """Returns theirs / ours: how many times smaller our error is.

    Args:
        ours: An error, 0 or more.
        theirs: The error to compare with.

    Returns:
        The factor: below 1 where ours is the larger one, infinite where only ours is
        zero. None where either is unknown or not finite, or both are zero.
    """
    if ours is None or theirs is None or not math.isfinite(ours + theirs):
        return None
    if ours > 0:
        return theirs / ours
    return math.inf if theirs > 0 else None


def improvement(
    metrics: Mapping[str, Mapping[str, float | None]],
    values_only: Mapping[str, Mapping[str, float | None]],
) -> dict[str, float | None]:
    """Returns, by name, how many times smaller the RRMSE is than values_only's.

    None where either is unknown or both are zero; infinite where only ours is zero.
    """
    return {
        name: times_smaller(row["rrmse"], values_only.get(name, {}).get("rrmse"))
        for name, row in metrics.items()
    }


def typical(factors: Iterable[float | None]) -> float | None:
    """Returns the median of the factors that are known, None if none is."""
    known = [factor for factor in factors if factor is not None]
    return statistics.median(known) if known else None


def improvement_words(factor: float | None) -> str:
    """Says how much more accurate a factor means.

    Args:
        factor: How many times smaller an error is.

    Returns:
        `"12 times more accurate"`, `"1.4 times less accurate"`, `"no more accurate"`
        where the difference is below 5 %, or `"not comparable"` for None.
    """
    if factor is None:
        return "not comparable"
    if side(factor) == "":
        return "no more accurate"
    word = "more" if factor > 1 else "less"
    ratio = factor if factor > 1 else 1 / factor if factor else math.inf
    if ratio == math.inf:
        return f"infinitely {word} accurate"
    return f"{ratio:,.{1 if ratio < 9.95 else 0}f} times {word} accurate"


def side(factor: float | None) -> Literal["good", "bad", ""]:
    """Returns which side of 1 a factor is on; neither within 5 %, or where unknown."""
    if factor is None or 1 / EQUAL < factor < EQUAL:
        return ""
    return "good" if factor > 1 else "bad"
