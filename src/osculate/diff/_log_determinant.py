"""Logarithm of the determinant of a Jacobian: the change of volume under a map."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._assemble import square_jacobian_of
from ._streams import first_derivatives
from ._structure import elementwise_derivative
from ._types import Field

STRUCTURES = ("dense", "diagonal", "lower", "upper")


def log_determinant(
    f: Field, structure: str = "dense"
) -> Callable[[Float[Array, " D"]], Float[Array, ""]]:
    """Returns x -> log |det J(x)|, of a map from D numbers to D numbers.

    Cost: one pass with D + 1 streams, and D^3 operations where the Jacobian is dense; 2
    streams where it is diagonal. A declared structure is tried at a random point.

    Args:
        f: `(D,) -> (D,)`.
        structure: `dense`, `diagonal`, or of a triangular Jacobian `lower` or `upper`:
            the entries that may not be 0.

    Returns:
        `(D,) -> ()`; minus infinity where the Jacobian is singular.

    Raises:
        ValueError: If the structure is not known; when called, if f does not have one
            component per coordinate, or its Jacobian another structure.

    Example:
        >>> log_determinant(lambda x: 3 * x)(jnp.ones(2)) == 2 * jnp.log(3.0)
        Array(True, dtype=bool)
    """
    if structure not in STRUCTURES:
        raise ValueError(
            f"`log_determinant`: structure {structure!r} is not known; expected one of "
            f"{', '.join(STRUCTURES)}."
        )

    def at(x: Float[Array, " D"]) -> Float[Array, ""]:
        if structure == "diagonal":
            return jnp.sum(jnp.log(jnp.abs(elementwise_derivative(f)(x))))
        found = first_derivatives(f, x)
        J = square_jacobian_of(found, range(x.size), "log_determinant")
        if structure == "dense":
            return jnp.linalg.slogdet(J)[1]
        _refuse_other(f, x, structure)
        return jnp.sum(jnp.log(jnp.abs(jnp.diagonal(J))))

    return at


def _refuse_other(f: Field, x: Float[Array, " D"], structure: str) -> None:
    """Looks for entries beside the triangle, at a random point."""
    draws = np.random.default_rng(0).uniform(0.1, 0.9, x.size)
    with jax.ensure_compile_time_eval():
        J = jax.jacfwd(f)(jnp.asarray(draws, x.dtype))
        beside = jnp.triu(J, 1) if structure == "lower" else jnp.tril(J, -1)
    try:
        wrong = bool(np.any(np.abs(np.asarray(beside)) > 0))
    except jax.errors.TracerArrayConversionError:
        return  # f closes over traced parameters: it was, or will be, tried outside
    if wrong:
        raise ValueError(
            f"`log_determinant`: the Jacobian is not {structure} triangular. Leave "
            "`structure` out, or order the components as the coordinates."
        )
