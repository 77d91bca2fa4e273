"""Operators in many dimensions, estimated from random directions."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ._keys import Key
from ._streams import streams
from ._types import Field

Estimator = Callable[[Float[Array, " D"], PRNGKeyArray], "Estimate"]


class Estimate(NamedTuple):
    """An unbiased estimate.

    Attributes:
        value: The mean over the directions, of the shape of u.
        standard_error: Of that mean.
    """

    value: Array
    standard_error: Array


def estimate_laplacian(u: Field, *, directions: int = 16) -> Estimator:
    """Returns (x, key) -> an estimate of Δu(x), from second derivatives (Hutchinson).

    Cost: 3 streams per direction, whatever D. Directions are vectors of random signs:
    exact where the Hessian is diagonal.

    Args:
        u: `(D,) -> (...)`.
        directions: How many, 2 or more.

    Returns:
        The estimator.

    Raises:
        ValueError: If there are fewer than 2 directions.

    Example:
        >>> u = lambda x: jnp.sum(x**2)
        >>> float(estimate_laplacian(u)(jnp.ones(100), jr.key(0)).value)
        200.0
    """
    return _estimator(u, (0, 0), jr.rademacher, 1.0, directions)


def estimate_biharmonic(u: Field, *, directions: int = 16) -> Estimator:
    """Returns (x, key) -> an estimate of Δ²u(x), from fourth derivatives.

    Cost: 5 streams per direction, whatever D. For Gaussian v, the mean of D⁴u[v,v,v,v]
    is 3 Δ²u.

    Args:
        u: `(D,) -> (...)`.
        directions: How many, 2 or more.

    Returns:
        The estimator.

    Raises:
        ValueError: If there are fewer than 2 directions.
    """
    return _estimator(u, (0, 0, 0, 0), jr.normal, 1 / 3, directions)


def estimate_divergence(f: Field, *, directions: int = 16) -> Estimator:
    """Returns (x, key) -> an estimate of ∇·f(x), the mean of v·Jv (Hutchinson).

    Cost: 2 streams per direction, whatever D.

    Args:
        f: `(D,) -> (D,)`.
        directions: How many, 2 or more.

    Returns:
        The estimator.

    Raises:
        ValueError: If there are fewer than 2 directions.
    """
    _refuse_few(directions)

    def at(x: Float[Array, " D"], key: PRNGKeyArray) -> Estimate:
        v = jr.rademacher(key, (directions, x.size), x.dtype)
        one = lambda v: jnp.dot(v, streams(f, [(0,)], v[None])(x)[(0,)])
        return _mean(jax.vmap(one)(v))

    return at


def _estimator(
    u: Field, wanted: Key, draw: Callable[..., Array], factor: float, directions: int
) -> Estimator:
    _refuse_few(directions)

    def at(x: Float[Array, " D"], key: PRNGKeyArray) -> Estimate:
        v = draw(key, (directions, x.size), x.dtype)
        one = lambda v: factor * streams(u, [wanted], v[None])(x)[wanted]
        return _mean(jax.vmap(one)(v))

    return at


def _mean(found: Float[Array, "n ..."]) -> Estimate:
    error = jnp.std(found, axis=0, ddof=1) / len(found) ** 0.5
    return Estimate(jnp.mean(found, axis=0), error)


def _refuse_few(directions: int) -> None:
    if directions < 2:
        raise ValueError(
            f"`diff`: {directions} directions; a standard error needs 2 or more."
        )
