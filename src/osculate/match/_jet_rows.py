"""The jet of a process as a row of distinct derivatives, and its covariances."""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from osculate import diff

from ._kernels import KERNELS, Kernel

Indices = tuple[int, ...]


@functools.cache
def distinct(size: int, order: int) -> tuple[Indices, ...]:
    """Returns the distinct derivatives of one order: ascending coordinates of each."""
    return tuple(itertools.combinations_with_replacement(range(size), order))


@functools.cache
def places(size: int, order: int) -> Int[np.ndarray, "..."]:
    """Returns which of the distinct derivatives each entry of the tensor is."""
    number = {indices: i for i, indices in enumerate(distinct(size, order))}
    every = itertools.product(range(size), repeat=order)
    found = [number[tuple(sorted(indices))] for indices in every]
    return np.reshape(found, (size,) * order)


class JetPrior(NamedTuple):
    """A process of unit variance and length scale, and which of its jet is looked at.

    Attributes:
        name: Of the kernel.
        trend: `none`, `constant` or `linear`.
        size: D.
        orders: Orders of derivative, ascending; J distinct derivatives in all.
    """

    name: str
    trend: str
    size: int
    orders: tuple[int, ...]

    @property
    def kernel(self) -> Kernel:
        """The kernel."""
        return KERNELS[self.name]

    @property
    def num_trend(self) -> int:
        """How many functions the trend is made of."""
        return {"none": 0, "constant": 1, "linear": 1 + self.size}[self.trend]

    @property
    def columns(self) -> list[Indices]:
        """The J distinct derivatives."""
        return [c for order in self.orders for c in distinct(self.size, order)]

    @property
    def powers(self) -> Int[np.ndarray, "J D"]:
        """How often each derivative is taken by each coordinate."""
        return np.array(
            [[c.count(d) for d in range(self.size)] for c in self.columns]
        ).reshape(-1, self.size)

    def scale(self, length_scale: Float[Array, " D"]) -> Float[Array, " J"]:
        """Returns the product of length scales that makes each derivative unitless."""
        powers = jnp.asarray(self.powers, length_scale.dtype)
        return jnp.exp(powers @ jnp.log(length_scale))

    def covariance(
        self, z: Float[Array, " D"], other: "JetPrior"
    ) -> Float[Array, "J1 J2"]:
        """Returns the covariance of the jet at one point with the other's at another.

        Args:
            z: This point less the other, in length scales.
            other: What is looked at there.

        Returns:
            Of derivatives by z: `(-1)^|b| d^(a+b) k(z)`.
        """
        top = max(self.orders) + max(other.orders)
        tensors = diff.jet(self.kernel.at, top)(z)
        flat = jnp.concatenate([jnp.ravel(t) for t in tensors])
        start = np.cumsum([0, *(self.size**k for k in range(top))])
        number = lambda c: start[len(c)] + _ravel(c, self.size)
        pairs = [
            [number(tuple(sorted(a + b))) for b in other.columns] for a in self.columns
        ]
        sign = np.array([(-1.0) ** len(b) for b in other.columns])[None]
        return flat[np.array(pairs)] * sign

    def trend_at(self, z: Float[Array, " D"]) -> Float[Array, "J q"]:
        """Returns the derivatives of the trend's functions `1, z_1, ..., z_D`."""
        every = lambda z: jnp.concatenate([jnp.ones(1, z.dtype), z])
        functions = lambda z: every(z)[: self.num_trend]
        tensors = diff.jet(functions, max(self.orders))(z)
        rows = [tensors[len(c)][(slice(None), *c)] for c in self.columns]
        return jnp.stack(rows)


def _ravel(indices: Indices, size: int) -> int:
    return functools.reduce(lambda number, i: number * size + i, indices, 0)


def gram(
    prior: JetPrior, x: Float[Array, "N D"], length_scale: Float[Array, " D"]
) -> Float[Array, "NJ NJ"]:
    """Returns the covariance of all jets, in length scales.

    Args:
        prior: The process and its jet.
        x: Points.
        length_scale: By coordinate, in the units of x.

    Returns:
        `(N J, N J)`, point by point.
    """
    z = (x[:, None] - x[None]) / length_scale[None, None]
    between = lambda z: prior.covariance(z, prior)
    blocks = jax.vmap(jax.vmap(between))(z)
    size = x.shape[0] * len(prior.columns)
    return jnp.swapaxes(blocks, 1, 2).reshape(size, size)
