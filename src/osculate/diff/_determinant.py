"""The determinant with derivatives that hold at singular matrices."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


@jax.custom_jvp
def determinant(A: Float[Array, "n n"]) -> Float[Array, ""]:
    """Returns det A; its derivative is the adjugate, at singular matrices too.

    `jnp.linalg.det` has the derivative 0 at some singular matrices (JAX 0.10, SPEC
    K1.4/a): at diag(1, 2, 0, 3), where the adjugate is not 0. Here it is made of the
    minors of A: n^2 determinants, for matrices of moderate size. Derivatives of any
    order hold, for a minor is differentiated in the same way.

    Args:
        A: A square matrix.

    Returns:
        The determinant.

    Example:
        >>> float(jax.grad(determinant)(jnp.diag(jnp.array([2.0, 0.0])))[1, 1])
        2.0
    """
    return jnp.linalg.det(A)


@determinant.defjvp
def _derivative(primals, tangents):
    """Returns sum_ij cofactor_ij dA_ij (Jacobi)."""
    (A,), (dA,) = primals, tangents
    return determinant(A), jnp.sum(_cofactors(A) * dA)


def _cofactors(A: Float[Array, "n n"]) -> Float[Array, "n n"]:
    n = len(A)
    if n == 1:
        return jnp.ones_like(A)
    rest = np.array([[j for j in range(n) if j != i] for i in range(n)])
    minor = lambda rows: jax.vmap(lambda columns: determinant(A[rows][:, columns]))(
        rest
    )
    signs = (-1.0) ** np.add.outer(np.arange(n), np.arange(n))
    return jnp.asarray(signs, A.dtype) * jax.vmap(minor)(jnp.asarray(rest))
