"""Whether conditions are as many as the order of an equation asks for."""

from osculate import diff
from osculate.core import InputError

from ._box import LOWER, BoxFace
from ._conditions import Condition, Conditions
from ._given import Words


def refuse_incomplete(equation: diff.Equation, found: Conditions, words: Words) -> None:
    """Checks the number of conditions against the order of the equation.

    Along time every field needs its value and its derivatives below the order. Along a
    coordinate of space a single scalar field needs as many conditions at both ends
    together as the order is; systems are not counted, as a pressure needs none.

    Args:
        equation: The equation.
        found: The conditions.
        words: The names that exist.

    Raises:
        InputError: If there are too few or too many.
    """
    names, domain = words.domain.names, words.domain
    for field in words.fields:
        orders = equation.orders(field)
        for place, (name, order) in enumerate(zip(names, orders, strict=True)):
            if place in found.periodic or name in domain.parameters or order == 0:
                continue
            ends = [c for c in found.listed if _is_about(c, name)]
            if name in domain.time:
                _check_time(field, name, order, [c for c in ends if c.field == field])
            elif len(words.fields) == 1 and _is_boxed(name, words):
                _check_space(field, name, order, ends)
    if len(words.fields) == 1 and not domain.time:
        _check_rim(found, words)


def _is_about(condition: Condition, name: str) -> bool:
    side = condition.side
    return isinstance(side.face, BoxFace) and side.name.partition("=")[0] == name


def _is_boxed(name: str, words: Words) -> bool:
    side = words.domain.sides.get(f"{name}={LOWER}")
    return side is not None and isinstance(side.face, BoxFace)


def _check_time(field: str, name: str, order: int, ends: list[Condition]) -> None:
    if len(ends) == order:
        return
    wanted = [field, *(f"{field}_{name * k}" for k in range(1, order))]
    came = [c.name for c in ends]
    few = "Add" if len(ends) < order else "Leave the others out of"
    raise InputError(
        f"`solve.problem`: the equation is of order {order} in {name}: {field} needs "
        f"{' and '.join(wanted)} at {name}=lower; got {came or 'none'}.\n"
        f"{few} `initial={{{', '.join(f'{w!r}: ...' for w in wanted)}}}`."
    )


def _check_space(field: str, name: str, order: int, ends: list[Condition]) -> None:
    if len(ends) == order:
        return
    came = [c.words for c in ends]
    few = "Add" if len(ends) < order else "Take away"
    raise InputError(
        f"`solve.problem`: the equation is of order {order} in {name}: {field} needs "
        f"{order} condition{'s' * (order > 1)} at the ends of {name} together; got "
        f"{came or 'none'}.\n{few} some in `boundary={{'{name}': ...}}`."
    )


def _check_rim(found: Conditions, words: Words) -> None:
    """Refuses a face of a region that is no box on which nothing holds."""
    held = {c.side.name for c in found.listed}
    sides = words.domain.sides.items()
    bare = [n for n, s in sides if not isinstance(s.face, BoxFace) and n not in held]
    if bare:
        raise InputError(
            f"`solve.problem`: nothing holds on the face {bare[0]!r}.\n"
            f'Add it: boundary={{{bare[0]!r}: ...}}, or "all" for every face.'
        )
