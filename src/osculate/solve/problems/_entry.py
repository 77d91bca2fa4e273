"""What is known of a reference problem."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, final

from osculate.solve._problem import Problem

NOTHING: Mapping[str, Any] = MappingProxyType({})


@final
class Entry(NamedTuple):
    """A reference problem: its declaration is made when asked for.

    Attributes:
        name: By which it is found.
        title: What it is, in a line.
        make: Declares it, with its reference.
        grid: Points per coordinate, evenly spaced from end to end, on which errors are
            stated; empty where random points are to be taken.
        network: What suits it of the choices of `solve.model_of`.
        floor: Relative accuracy of the reference: an error below it means nothing.
        source: Where the problem and its reference come from.
        truth: True values of the unknowns.
        fit: What suits it of the other choices of `tasks.solve`.
    """

    name: str
    title: str
    make: Callable[[], Problem]
    grid: Mapping[str, int]
    network: Mapping[str, Any]
    floor: float
    source: str
    truth: Mapping[str, float] = NOTHING
    fit: Mapping[str, Any] = NOTHING

    @property
    def choices(self) -> dict[str, Any]:
        """All that suits it of the choices of `tasks.solve`."""
        return {**self.network, **self.fit}
