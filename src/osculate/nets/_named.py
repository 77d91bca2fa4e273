"""A network whose outputs have names."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PyTree


class Named(eqx.Module):
    """A function from a point to named fields, in the order of the names.

    Attributes:
        net: A function of one point to a vector that holds all fields.
        fields: `(name, size)` in order; size 0 is a scalar.
    """

    net: PyTree[Any]
    fields: tuple[tuple[str, int], ...] = eqx.field(static=True)

    def __init__(self, net: PyTree[Any], fields: Mapping[str, int]):
        """Names the outputs of a network.

        Args:
            net: A function of one point `(D,) -> (M,)`.
            fields: Size by name: 0 a scalar, n a vector of length n.
        """
        self.net = net
        self.fields = tuple(fields.items())

    def __call__(self, x: Float[Array, " D"]) -> dict[str, Float[Array, "..."]]:
        """Returns `{name: () or (size,)}` at one point."""
        y, answer, start = self.net(x), {}, 0
        wanted = sum(max(size, 1) for _, size in self.fields)
        if y.shape != (wanted,):
            raise ValueError(
                f"`Named`: the network returns shape {y.shape}; the fields "
                f"{dict(self.fields)} need {(wanted,)}. Give it {wanted} outputs."
            )
        for name, size in self.fields:
            answer[name] = y[start : start + size] if size else y[start]
            start += max(size, 1)
        return answer
