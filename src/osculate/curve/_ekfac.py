"""Kronecker-factored curvature with the second moments of the gradients in its basis.

The best diagonal in the eigenbasis of the factors takes the place of their products.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples

from ._dense import chunked
from ._eigenbasis import KroneckerEigenbasis
from ._kfac import factored, row_slopes
from ._taps import Pair


def ekfac(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> KroneckerEigenbasis:
    """Returns the Gauss-Newton matrix, diagonal in the eigenbasis of `kfac`.

    The eigenvalue of a layer that belongs to the eigenvectors u of A and v of G is the
    sum over rows and residuals r of `(u^T (dr/dW) v)^2`, where dr/dW is summed over all
    uses of the weight: the diagonal of the exact block in this basis. No other
    eigenvalues in this basis are nearer to the block in the Frobenius norm, those of
    `kfac` included; where `kfac` is exact both are the same. Residuals, weights, layers
    and the blocks of what is no layer are those of `kfac`.

    Cost: that of `kfac`, an eigendecomposition of every factor, and two matrix products
    per layer; where a weight is used more than once at a row, as in convolutions, its
    derivatives by every residual of every row are formed, in chunks.

    Args:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        An operator on trees like `core.trainable(model)[0]`, symmetric and without
        negative eigenvalues, in units of the loss per squared parameter; `inverse` is
        exact for any damping.

    Raises:
        ValueError: If a term has no rows or no outputs, or nothing is trained.

    Reference: George, Laurent, Bouthillier, Ballas, Vincent, Fast approximate natural
    gradient descent in a Kronecker-factored eigenbasis, 2018, arXiv:1806.03884.

    Example:
        >>> step = ekfac(objective, model, samples).inverse(1e-3).mv(gradient)
    """
    found = row_slopes("ekfac", objective, model, samples)
    basis = factored(found).eigenbasis()
    moments = [
        _moments(U, V, [s.layers[i][0] for s in found.slopes])
        for i, (U, V) in enumerate(zip(basis.inputs, basis.outputs, strict=True))
    ]
    return eqx.tree_at(lambda operator: operator.eigenvalues, basis, moments)


def _moments(
    U: Float[Array, "h h"], V: Float[Array, "w w"], pairs: Sequence[Pair | None]
) -> Float[Array, "h w"]:
    """Returns the summed squares of all derivatives by `U^T W V`."""
    moments = jnp.zeros((len(U), len(V)), U.dtype)
    for pair in pairs:
        if pair is None:
            continue
        left, right = pair.left @ U, pair.right @ V
        if left.shape[1] == 1:
            squares = jnp.sum(right[:, :, 0] ** 2, axis=1)
            moments = moments + (left[:, 0] ** 2).T @ squares
        else:
            formed = right.shape[1] * len(U) * len(V)
            moments, _ = chunked(_added, moments, (left, right), formed)
    return moments


def _added(
    moments: Float[Array, "h w"],
    rows: tuple[Float[Array, "n s h"], Float[Array, "n m s w"]],
    present: Array,
) -> tuple[Float[Array, "h w"], None]:
    left, right = rows
    left = jnp.where(present[:, None, None], left, 0)
    each = jnp.einsum("nsi,nmsj->nmij", left, right)
    return moments + jnp.sum(each**2, axis=(0, 1)), None
