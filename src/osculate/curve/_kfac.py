"""Kronecker-factored curvature: one small product of two matrices per layer."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples, is_square

from ._eigenbasis import KroneckerEigenbasis
from ._layer_blocks import (
    LayerBlocks,
    block_inverse,
    block_trace,
    eigen,
    inverse,
    shifted,
    total,
)
from ._rows import Rows
from ._taps import Layer, Slopes, Taps, row_shares, tap_rows

LARGEST_BLOCK = 1024
"""Entries of an array that is no layer up to which its block is kept in full."""


class KroneckerFactored(LayerBlocks):
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

    def on_layers(self, matrices: Sequence[Array]) -> list[Array]:
        """Returns the product with one matrix `(height, width)` per layer."""
        each = zip(self.inputs, matrices, self.outputs, strict=True)
        return [A @ M @ G for A, M, G in each]

    def inverse(
        self, damping: float | Float[Array, ""], *, exact: bool = False
    ) -> "KroneckerFactored | KroneckerEigenbasis":
        """Returns an inverse of this operator plus `damping` times 1.

        Of a layer it is the inverse of `(A + pi sqrt(damping)) x (G + sqrt(damping) /
        pi)`, where `pi^2` is the ratio of the mean eigenvalues of A and G; of the other
        blocks it is exact.

        Args:
            damping: 0 or more, in units of the operator; with 0 the inverse is exact
                and every factor must be regular.
            exact: Whether to take the exact inverse of `A x G + damping` instead, from
                the eigenvectors of both factors. Its products cost twice as much.

        Returns:
            An operator, symmetric and positive.

        Reference: Martens, Grosse, Optimizing neural networks with Kronecker-factored
        approximate curvature, 2015, arXiv:1503.05671, section 6.3; for the exact one
        appendix B.
        """
        if exact:
            return self.eigenbasis().inverse(damping)
        damping = jnp.asarray(damping, _dtype(self.theta))
        pairs = [
            _damped(A, G, jnp.sqrt(damping))
            for A, G in zip(self.inputs, self.outputs, strict=True)
        ]
        return KroneckerFactored(
            self.theta,
            self.layers,
            self.direct,
            [inverse(A) for A, _ in pairs],
            [inverse(G) for _, G in pairs],
            [block_inverse(B, damping) for B in self.blocks],
        )

    def eigenbasis(self) -> KroneckerEigenbasis:
        """Returns the same operator by the eigenvectors of its factors.

        Eigenvalues of a factor that are 0 to rounding become 0. Cost: one
        eigendecomposition per factor.
        """
        inputs = [eigen(A) for A in self.inputs]
        outputs = [eigen(G) for G in self.outputs]
        return KroneckerEigenbasis(
            self.theta,
            self.layers,
            self.direct,
            [U for _, U in inputs],
            [V for _, V in outputs],
            [jnp.outer(a, g) for (a, _), (g, _) in zip(inputs, outputs, strict=True)],
            self.blocks,
        )

    def trace(self) -> Float[Array, ""]:
        """Returns the trace, exactly."""
        pairs = zip(self.inputs, self.outputs, strict=True)
        layers = [jnp.trace(A) * jnp.trace(G) for A, G in pairs]
        return total([*layers, *map(block_trace, self.blocks)])

    def logdet(self, damping: float | Float[Array, ""] = 0.0) -> Float[Array, ""]:
        """Returns the logarithm of the determinant of this plus `damping` times 1.

        Args:
            damping: 0 or more, in units of the operator.

        Returns:
            A number, from the eigenvalues of the factors; minus infinity if one of them
            plus the damping is 0 to rounding.
        """
        return self.eigenbasis().logdet(damping)

    def squared_norm(self) -> Float[Array, ""]:
        """Returns the sum of the squares of all entries, exactly."""
        pairs = zip(self.inputs, self.outputs, strict=True)
        layers = [jnp.sum(A**2) * jnp.sum(G**2) for A, G in pairs]
        return total([*layers, *(jnp.sum(B**2) for B in self.blocks)])


class RowSlopes(NamedTuple):
    """Derivatives of all rows, and how much each of them counts.

    Attributes:
        taps: The layers.
        slopes: By term, with leading axis N.
        weights: By term, `(N,)`.
    """

    taps: Taps
    slopes: list[Slopes]
    weights: list[Float[Array, " _N"]]


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
    return factored(row_slopes("kfac", objective, model, samples))


def row_slopes(
    owner: str, objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> RowSlopes:
    """Returns what the Gauss-Newton matrix is made of, by layer and row.

    Args:
        owner: Who asks.
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        The derivatives of the residuals of all rows, or of what stands for them.
    """
    taps, terms = tap_rows(owner, objective, model, samples, _roots, transposed=False)
    slopes = [
        jax.vmap(lambda row, k=k: taps.slopes(k, row))(rows.data)
        for k, rows in enumerate(terms)
    ]
    return RowSlopes(taps, slopes, [row_shares(rows) for rows in terms])


def factored(found: RowSlopes) -> KroneckerFactored:
    """Returns the operator of derivatives of all rows.

    Args:
        found: The derivatives.

    Returns:
        The operator.
    """
    taps, slopes, weights = found
    factors = [
        _factors(layer, [s.layers[i][0] for s in slopes], weights)
        for i, layer in enumerate(taps.layers)
    ]
    return KroneckerFactored(
        taps.theta,
        tuple(taps.layers),
        tuple(taps.direct),
        [A for A, _ in factors],
        [G for _, G in factors],
        [_block([s.direct[j] for s in slopes]) for j in range(len(taps.direct))],
    )


def _roots(rows: Rows, model: PyTree[Any], row: PyTree[Any]) -> Float[Array, " M"]:
    """Returns numbers whose derivatives J give the Gauss-Newton matrix as `J^T J`."""
    x, y, share = row
    losses = rows.term.loss
    each = losses.values() if isinstance(losses, Mapping) else [losses]
    if all(map(is_square, each)):
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
    return shifted(A, root * jnp.sqrt(ratio)), shifted(G, root / jnp.sqrt(ratio))


def _dtype(tree: PyTree[Array]) -> Any:
    return jnp.result_type(*jax.tree.leaves(tree))
