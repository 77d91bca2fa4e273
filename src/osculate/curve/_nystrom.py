"""A preconditioner from products alone: the randomized Nystrom approximation."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]
Factor = Float[Array, "P rank"]


def nystrom(mv: Callable[[Vector], Vector], like: Vector, rank: int) -> Factor:
    """Returns B with orthogonal columns, `B B'` near a positive semidefinite A.

    Cost: `rank` products at once, and `O(P rank^2)` for the rest. The random vectors
    are always the same ones.

    Args:
        mv: `v -> A v`.
        like: A vector of the size and type of v.
        rank: Columns, no more than P.

    Returns:
        The factor. The squared length of a column is an eigenvalue; they fall.

    Reference: Frangella, Tropp and Udell, Randomized Nystrom preconditioning (2021),
    arXiv:2110.02820, algorithm 2.1.
    """
    P, dtype = like.size, like.dtype
    if not rank:
        return jnp.zeros((P, 0), dtype)
    test, _ = jnp.linalg.qr(jr.normal(jr.key(0), (P, rank), dtype))
    image = jax.vmap(mv, 1, 1)(test)
    # A little of the identity keeps the small matrix positive in rounding.
    length = jnp.linalg.norm(image)
    shift = jnp.where(length > 0, jnp.sqrt(P) * jnp.finfo(dtype).eps * length, 1.0)
    image = image + shift * test
    small = test.T @ image
    root = jnp.linalg.cholesky((small + small.T) / 2)
    whole = solve_triangular(root, image.T, lower=True).T
    left, values, _ = jnp.linalg.svd(whole, full_matrices=False)
    values = jnp.where(length > 0, jnp.maximum(values**2 - shift, 0.0), 0.0)
    return left * jnp.sqrt(values)[None]


def preconditioner(factor: Factor, damping: Scalar) -> Callable[[Vector], Vector]:
    """Returns an approximate inverse of `A + damping`, times its smallest eigenvalue.

    Along the columns of the factor it is the inverse of `B B' + damping`; all other
    directions are left to conjugate gradients (their eq. 5.3).

    Args:
        factor: Of `nystrom`; without columns, or 0, nothing is changed.
        damping: What is added to A, positive.

    Returns:
        A symmetric positive function of a vector.
    """
    if not factor.shape[1]:
        return lambda v: v
    values = jnp.sum(factor**2, axis=0)
    left = factor / jnp.sqrt(jnp.where(values > 0, values, 1.0))[None]
    shrink = 1 - (values[-1] + damping) / (values + damping)
    return lambda v: v - left @ (shrink * (left.T @ v))
