"""Vector calculus: operators on scalar and vector fields in Cartesian coordinates."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._assemble import curl_of, divergence_of, square_jacobian_of
from ._keys import LAPLACE, Key
from ._streams import MOST_STREAMS, first_derivatives, streams
from ._types import Field


def laplacian(u: Field, over: Sequence[int] | None = None) -> Field:
    """Returns x -> Δu(x), the sum of the second derivatives of every output.

    Cost: one pass with D + 2 streams, the second derivatives travel as their sum; in
    place of D the width of the first layer where that is smaller.

    Args:
        u: `(D,) -> (...)`: a scalar, a vector (the vector Laplacian, componentwise), or
            a dictionary of these.
        over: Coordinates to sum over; by default all. Leave time out here.

    Returns:
        A function to what u returns, in units of u per squared unit of x.

    Example:
        >>> laplacian(lambda x: jnp.sum(x**2))(jnp.ones(3))
        Array(6., dtype=float32)
    """
    return _summed(u, (LAPLACE,), over)


def biharmonic(u: Field, over: Sequence[int] | None = None) -> Field:
    """Returns x -> Δ²u(x), the Laplacian of the Laplacian.

    Cost: one pass with 2 + 2D + D(D+1)/2 streams.

    Args:
        u: As in `laplacian`.
        over: As in `laplacian`.

    Returns:
        A function to what u returns, in units of u per unit of x to the fourth.

    Example:
        >>> biharmonic(lambda x: jnp.sum(x**4))(jnp.ones(2))
        Array(48., dtype=float32)
    """
    return _summed(u, (LAPLACE, LAPLACE), over)


def hessian_diagonal(u: Field) -> Field:
    """Returns x -> the D second derivatives u_ii, without the mixed ones.

    Cost: one pass with 2D + 1 streams.

    Args:
        u: `(D,) -> (...)`, or a dictionary of these.

    Returns:
        `(D,) -> (..., D)`.

    Example:
        >>> hessian_diagonal(lambda x: x[0] ** 3 * x[1])(jnp.ones(2))
        Array([6., 0.], dtype=float32)
    """

    def at(x: Float[Array, " D"]) -> Array:
        if x.size > MOST_STREAMS:
            second = lambda e: streams(u, [(0, 0)], e[None])(x)[(0, 0)]
            return jax.vmap(second, out_axes=-1)(jnp.eye(x.size, dtype=x.dtype))
        keys = [(i, i) for i in range(x.size)]
        found = streams(u, keys)(x)
        stack = lambda *entries: jnp.stack(entries, axis=-1)
        return jax.tree.map(stack, *(found[key] for key in keys))

    return at


def divergence(f: Field) -> Field:
    """Returns x -> ∇·f(x), the trace of the Jacobian (SPEC S3.8).

    Cost: one pass with D + 1 streams. The product of the Jacobian with ones is not it.

    Args:
        f: `(D,) -> (D,)`, or `(D,) -> (D, ...)`: of the first axis.

    Returns:
        `(D,) -> ()`, or to the remaining axes.

    Raises:
        ValueError: When called, if f does not have one component per coordinate.

    Example:
        >>> divergence(lambda x: x)(jnp.ones(3))
        Array(3., dtype=float32)
    """

    def at(x: Float[Array, " D"]) -> Array:
        return divergence_of(first_derivatives(f, x), range(x.size))

    return at


def curl(f: Field) -> Field:
    """Returns x -> ∇×f(x): a vector in three dimensions, a scalar in two.

    Args:
        f: `(3,) -> (3,)`, or `(2,) -> (2,)`.

    Returns:
        `(3,) -> (3,)`, or `(2,) -> ()`: `∂f1/∂x0 - ∂f0/∂x1`.

    Raises:
        ValueError: When called, if f is of other dimensions.

    Example:
        >>> curl(lambda x: jnp.stack([x[2], x[0], x[1]]))(jnp.ones(3))
        Array([1., 1., 1.], dtype=float32)
    """

    def at(x: Float[Array, " D"]) -> Array:
        return curl_of(first_derivatives(f, x), range(x.size))

    return at


def strain_rate(f: Field) -> Field:
    """Returns x -> (J + J^T) / 2, the symmetric part of the Jacobian of a velocity.

    Args:
        f: `(D,) -> (D,)`.

    Returns:
        `(D,) -> (D, D)`.

    Raises:
        ValueError: When called, if f does not have one component per coordinate.

    Example:
        >>> strain_rate(lambda x: jnp.stack([x[1], 0 * x[0]]))(jnp.ones(2))
        Array([[0. , 0.5],
               [0.5, 0. ]], dtype=float32)
    """

    def at(x: Float[Array, " D"]) -> Float[Array, "D D"]:
        J = square_jacobian_of(first_derivatives(f, x), range(x.size), "strain_rate")
        return (J + J.T) / 2

    return at


def advection(u: Field, velocity: Field) -> Field:
    """Returns x -> (v(x)·∇) u(x), the derivative of u along a velocity.

    Cost: one pass with 2 streams.

    Args:
        u: `(D,) -> (...)`.
        velocity: `(D,) -> (D,)`; its own derivatives do not enter.

    Returns:
        A function to what u returns.

    Example:
        >>> advection(lambda x: x[0] * x[1], lambda x: x)(jnp.array([1.0, 2.0]))
        Array(4., dtype=float32)
    """
    return lambda x: streams(u, [(0,)], velocity(x)[None])(x)[(0,)]


def material_derivative(u: Field, velocity: Field, *, time: int = 0) -> Field:
    """Returns x -> ∂u/∂t + (v·∇) u, the rate of change moving along.

    Args:
        u: `(1 + d,) -> (...)`, a function of time and d space coordinates.
        velocity: `(1 + d,) -> (d,)`.
        time: The place of time among the coordinates.

    Returns:
        A function to what u returns.

    Raises:
        ValueError: When called, if the velocity does not have d components.

    Example:
        >>> u, v = (lambda p: p[1] - 2 * p[0]), (lambda p: jnp.array([2.0]))
        >>> material_derivative(u, v)(jnp.ones(2))
        Array(0., dtype=float32)
    """

    def along(x: Float[Array, " D"]) -> Float[Array, " D"]:
        v = velocity(x)
        if v.shape != (x.size - 1,):
            raise ValueError(
                f"`material_derivative`: a velocity of shape {v.shape}; expected "
                f"{(x.size - 1,)}, one component per space coordinate."
            )
        if not -x.size <= time < x.size:
            raise ValueError(
                f"`material_derivative`: time={time} at a point of {x.size} "
                "coordinates; there is no such coordinate."
            )
        return jnp.insert(v, time % x.size, 1.0)

    return advection(u, along)


def _summed(u: Field, key: Key, over: Sequence[int] | None) -> Field:
    def at(x: Float[Array, " D"]):
        chosen = range(x.size) if over is None else over
        if wrong := [i for i in chosen if not 0 <= i < x.size]:
            raise ValueError(
                f"`diff`: over={list(chosen)} at a point of {x.size} coordinates; "
                f"there is no coordinate {wrong[0]}."
            )
        seeds = np.eye(x.size)[np.asarray(chosen, int)]
        return streams(u, [key], jnp.asarray(seeds, x.dtype))(x)[key]

    return at
