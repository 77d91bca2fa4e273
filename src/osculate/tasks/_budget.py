"""How long a job may take: in steps, or in seconds."""

import math
import re
from typing import NamedTuple

from osculate.core import InputError


class Budget(NamedTuple):
    """A limit in steps (bit-identical when resumed) or in seconds, one of them None."""

    steps: int | None
    seconds: float | None


def parse_budget(text: object) -> Budget:
    """Reads `"2000steps"` or `"60s"`.

    Args:
        text: A number followed by `steps` or `s`.

    Returns:
        The budget.

    Raises:
        InputError: If it is anything else, or the number is not positive and finite.
    """
    if not isinstance(text, str):
        raise InputError(
            f"budget is {text!r}; expected text, a number with its unit.\n"
            f"Write '{text}steps' or '{text}s'."
        )
    found = re.fullmatch(r"\s*([0-9][0-9_]*)\s*steps?\s*", text)
    if found and int(found[1]) > 0:
        return Budget(int(found[1]), None)
    found = re.fullmatch(r"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*s\s*", text)
    try:
        seconds = float(found[1]) if found else 0.0
    except ValueError:
        seconds = 0.0
    if 0 < seconds < math.inf:
        return Budget(None, seconds)
    raise InputError(
        f"budget {text!r} cannot be read; expected a positive, finite number of steps "
        "or seconds.\nWrite for instance 2000steps or 60s."
    )


class Goal(NamedTuple):
    """What ends the search for a solution: one of them is not None.

    Attributes:
        steps: A number of steps.
        seconds: A time.
        error: An estimated relative error.
    """

    steps: int | None
    seconds: float | None
    error: float | None


def parse_goal(text: object) -> Goal:
    """Reads a budget, or `"error=1e-6"`.

    Args:
        text: As for `parse_budget`, or `error=` and a number between 0 and 1.

    Returns:
        The goal.

    Raises:
        InputError: If it is anything else.
    """
    if isinstance(text, str) and text.replace(" ", "").startswith("error="):
        try:
            error = float(text.partition("=")[2])
        except ValueError:
            error = math.nan
        if not 0 < error < 1:
            raise InputError(
                f"budget {text!r} cannot be read; expected an error between 0 and 1.\n"
                "Write for instance error=1e-6."
            )
        return Goal(None, None, error)
    return Goal(*parse_budget(text), None)
