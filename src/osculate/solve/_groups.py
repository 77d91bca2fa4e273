"""Faces with the same soft conditions, taken together: one program for all of them."""

from typing import NamedTuple

from ._conditions import Condition
from ._domain import Domain, Side
from ._given import Given
from ._problem import Problem


class Group(NamedTuple):
    """Faces on which the same is left to be met.

    Attributes:
        sides: The faces.
        conditions: What holds on each, as written for the first.
    """

    sides: tuple[Side, ...]
    conditions: tuple[Condition, ...]


def groups_of(problem: Problem) -> dict[str, Group]:
    """Returns the soft conditions of a problem, those of like faces as one.

    Args:
        problem: The problem.

    Returns:
        By the name of a face, of a coordinate for both of its ends, `"boundary"` for
        every face in space, or a list of faces.
    """
    by_face: dict[str, Group] = {}
    for c in problem.soft:
        group = by_face.get(c.label, Group((c.side,), ()))
        by_face[c.label] = group._replace(conditions=(*group.conditions, c))
    found: list[Group] = []
    for new in by_face.values():
        like = (k for k, old in enumerate(found) if _alike(new, old, problem))
        k = next(like, None)
        if k is None:
            found.append(new)
        else:
            found[k] = found[k]._replace(sides=(*found[k].sides, *new.sides))
    return {_place_of(group, problem.domain): group for group in found}


def _alike(one: Group, other: Group, problem: Problem) -> bool:
    """Whether fields are prescribed by one function on faces of one region."""
    fields = dict(problem.fields)
    same = [(c.name, c.value) for c in one.conditions]
    return (
        all(name in fields and isinstance(value, Given) for name, value in same)
        and same == [(c.name, c.value) for c in other.conditions]
        and one.sides[0].start == other.sides[0].start
    )


def _place_of(group: Group, domain: Domain) -> str:
    names = [side.name for side in group.sides]
    if len(names) == 1:
        return names[0]
    coordinates = {name.partition("=")[0] for name in names} & {*domain.names}
    for word in ("boundary", *coordinates):
        if [side.name for side in domain.named(word)] == names:
            return word
    return ", ".join(names)
