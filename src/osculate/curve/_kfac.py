"""Kronecker-factored curvature: one small product of two matrices per layer."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples

from ._rows import Rows
from ._taps import Layer, Taps, row_shares, tap_rows

LARGEST_BLOCK = 1024
"""Entries of an array that is no layer up to which its block is kept in full."""


class KroneckerFactored(lx.AbstractLinearOperator):
    """A block-diagonal operator on a trained tree: `M -> A M G` by layer.

    Attributes:
        theta: The trained tree.
        layers: Weights, with their biases.
        direct: Indices of all other arrays.
        inputs: A of each layer, `(height, height)`.
        outputs: G of each layer, `(width, width)`.
        blocks: Of every other array, its block `(size, size)`, or the diagonal of that
            where there are more than 1024 entries.
    """

    theta: PyTree[Array]
    layers: tuple[Layer, ...] = eqx.field(static=True)
    direct: tuple[int, ...] = eqx.field(static=True)
    inputs: list[Float[Array, "_h _h"]]
    outputs: list[Float[Array, "_w _w"]]
    blocks: list[Float[Array, "..."]]

    def inverse(self, damping: float | Float[Array, ""]) -> "KroneckerFactored":
        """Returns an approximate inverse of this operator plus `damping` times 1.

        Of a layer it is the inverse of `(A + pi sqrt(damping)) x (G + sqrt(damping) /
        pi)`, where `pi^2` is the ratio of the mean eigenvalues of A and G; of the other
        blocks it is exact.

        Args:
            damping: 0 or more, in units of the operator; with 0 the inverse is exact
                and every factor must be regular.

        Returns:
            An operator of the same kind, symmetric and positive.

        Reference: Martens, Grosse, Optimizing neural networks with Kronecker-factored
        approximate curvature, 2015, arXiv:1503.05671, section 6.3.
        """
        damping = jnp.asarray(damping, _dtype(self.theta))
        pairs = [
            _damped(A, G, jnp.sqrt(damping))
            for A, G in zip(self.inputs, self.outputs, strict=True)
        ]
        return KroneckerFactored(
            self.theta,
            self.layers,
            self.direct,
            [_inverse(A) for A, _ in pairs],
            [_inverse(G) for _, G in pairs],
            [
                1 / (B + damping) if B.ndim == 1 else _inverse(_shifted(B, damping))
                for B in self.blocks
            ],
        )

    def mv(self, vector: PyTree[Array]) -> PyTree[Array]:
        """Returns the product with a tree like the trained one."""
        taps = Taps(self.theta, [], list(self.layers), list(self.direct))
        matrices, direct = taps.matrices(vector)
        products = [
            A @ M @ G
            for A, M, G in zip(self.inputs, matrices, self.outputs, strict=True)
        ]
        rest = [
            B * v if B.ndim == 1 else B @ v
            for B, v in zip(self.blocks, direct, strict=True)
        ]
        return taps.gradient(products, rest)

    def as_matrix(self) -> Float[Array, "P P"]:
        """Returns the operator in full, entries ordered as by `ravel_pytree`."""
        flat, unravel = ravel_pytree(self.theta)
        column = lambda v: ravel_pytree(self.mv(unravel(v)))[0]
        return jax.vmap(column, out_axes=1)(jnp.eye(flat.size, dtype=flat.dtype))

    def transpose(self) -> "KroneckerFactored":
        """Returns the operator itself: it is symmetric."""
        return self

    def in_structure(self) -> PyTree[jax.ShapeDtypeStruct]:
        """Returns the shapes of the trained tree."""
        return jax.eval_shape(lambda: self.theta)

    def out_structure(self) -> PyTree[jax.ShapeDtypeStruct]:
        """Returns the shapes of the trained tree."""
        return self.in_structure()


@lx.is_symmetric.register(KroneckerFactored)
@lx.is_positive_semidefinite.register(KroneckerFactored)
def _(operator: KroneckerFactored) -> bool:
    return True


@lx.is_diagonal.register(KroneckerFactored)
@lx.is_tridiagonal.register(KroneckerFactored)
@lx.is_lower_triangular.register(KroneckerFactored)
@lx.is_upper_triangular.register(KroneckerFactored)
@lx.has_unit_diagonal.register(KroneckerFactored)
@lx.is_negative_semidefinite.register(KroneckerFactored)
def _(operator: KroneckerFactored) -> bool:
    return False


@lx.linearise.register(KroneckerFactored)
@lx.conj.register(KroneckerFactored)
def _(operator: KroneckerFactored) -> KroneckerFactored:
    return operator


@lx.materialise.register(KroneckerFactored)
def _(operator: KroneckerFactored) -> KroneckerFactored:
    return operator


@lx.diagonal.register(KroneckerFactored)
def _(operator: KroneckerFactored) -> Float[Array, " P"]:
    return jnp.diagonal(operator.as_matrix())


def kfac(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> KroneckerFactored:
    """Returns the Kronecker-factored approximation of the Gauss-Newton matrix.

    The block of a layer (a weight with its bias) is `A x G`. A is the mean of `a a^T`
    over rows and uses, where a is what the weight is applied to, followed by 1 where
    the bias is added, else by 0; G is the sum over rows, uses and columns c of
    `delta delta^T` with `delta = d(c^T r)/d(output)`. Uses are all applications of a
    weight at one row: positions of a convolution, shared layers, and the streams of a
    differential operator, to whose derivatives no bias is added. This counts them as
    if each were a row of its own ("expand"). Rows weigh as in the objective.

    r are the residuals where all losses have some; else `c c^T` sums up to the Hessian
    of the loss by what the probe returns, without its negative part. Terms share their
    factors. Blocks of what is no layer (scales, loops, weights that reverse mode inside
    of a probe uses transposed) are exact up to 1024 entries, else their diagonals. The
    approximation is exact where a and delta are independent: one layer, deep linear
    networks.

    Cost: one evaluation, as many reverse passes as a row has residuals, two matrix
    products per layer.

    Args:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        An operator on trees like `core.trainable(model)[0]`, symmetric and without
        negative eigenvalues, in units of the loss per squared parameter; `inverse` is
        the preconditioner.

    Raises:
        ValueError: If a term has no rows or no outputs, or nothing is trained.

    Reference: Martens, Grosse 2015, arXiv:1503.05671, eqs. 1-5; Grosse, Martens 2016,
    arXiv:1602.01407, theorem 1; Dangel, Mueller, Zeinhofer 2024, arXiv:2405.15603,
    section 3; SPEC K4.6/a.

    Example:
        >>> step = kfac(objective, model, samples).inverse(1e-3).mv(gradient)
    """
    taps, terms = tap_rows("kfac", objective, model, samples, _roots, transposed=False)
    slopes = [
        jax.vmap(lambda row, k=k: taps.slopes(k, row))(rows.data)
        for k, rows in enumerate(terms)
    ]
    weights = [row_shares(rows) for rows in terms]
    factors = [
        _factors(layer, [s.layers[i][0] for s in slopes], weights)
        for i, layer in enumerate(taps.layers)
    ]
    blocks = [_block([s.direct[j] for s in slopes]) for j in range(len(taps.direct))]
    return KroneckerFactored(
        taps.theta,
        tuple(taps.layers),
        tuple(taps.direct),
        [A for A, _ in factors],
        [G for _, G in factors],
        blocks,
    )


def _roots(rows: Rows, model: PyTree[Any], row: PyTree[Any]) -> Float[Array, " M"]:
    """Returns numbers whose derivatives J give the Gauss-Newton matrix as `J^T J`."""
    x, y, share = row
    losses = rows.term.loss
    each = losses.values() if isinstance(losses, Mapping) else [losses]
    if all(getattr(loss, "residual", None) is not None for loss in each):
        return rows.residual(model, row)
    z, unravel = ravel_pytree(rows.term.at(model, x, y))
    loss = lambda z: sum(rows.term.loss_at(unravel(z), y, share).values())
    values, vectors = jnp.linalg.eigh(jax.hessian(loss)(jax.lax.stop_gradient(z)))
    return (jnp.sqrt(jnp.maximum(values, 0))[None] * vectors).T @ z


def _factors(
    layer: Layer, pairs: list[Any], weights: list[Array]
) -> tuple[Array, Array]:
    """Returns A and G of a layer."""
    A = jnp.zeros((layer.height,) * 2, weights[0].dtype)
    G = jnp.zeros((layer.width,) * 2, weights[0].dtype)
    total = jnp.zeros((), weights[0].dtype)
    for pair, w in zip(pairs, weights, strict=True):
        if pair is not None:
            weighted = w[:, None, None] * pair.left
            flat = pair.right.reshape(-1, layer.width)
            A = A + jnp.einsum("nsi,nsj->ij", weighted, pair.left)
            G = G + flat.T @ flat
            total = total + pair.left.shape[1] * jnp.sum(w)
    return A / jnp.where(total > 0, total, 1), G


def _block(derivatives: list[Float[Array, "N m size"]]) -> Float[Array, "..."]:
    flat = jnp.concatenate([d.reshape(-1, d.shape[-1]) for d in derivatives])
    full = flat.shape[1] <= LARGEST_BLOCK
    return flat.T @ flat if full else jnp.sum(flat**2, axis=0)


def _damped(A: Array, G: Array, root: Array) -> tuple[Array, Array]:
    """Returns both factors, each with its part of the damping."""
    mean = lambda M: jnp.trace(M) / len(M)
    both = (mean(A) > 0) & (mean(G) > 0)
    # Where one of them is 0, any ratio will do.
    ratio = jnp.where(both, mean(A), 1) / jnp.where(both, mean(G), 1)
    return _shifted(A, root * jnp.sqrt(ratio)), _shifted(G, root / jnp.sqrt(ratio))


def _shifted(M: Float[Array, "n n"], by: Array) -> Float[Array, "n n"]:
    return M + by * jnp.eye(len(M), dtype=M.dtype)


def _inverse(M: Float[Array, "n n"]) -> Float[Array, "n n"]:
    factor = jax.scipy.linalg.cho_factor(M)
    inverse = jax.scipy.linalg.cho_solve(factor, jnp.eye(len(M), dtype=M.dtype))
    return (inverse + inverse.T) / 2


def _dtype(tree: PyTree[Array]) -> Any:
    return jnp.result_type(*jax.tree.leaves(tree))
