"""Operators without products between layers: a map of matrices for each of them."""

from abc import abstractmethod
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from ._taps import Layer, Taps


class LayerBlocks(lx.AbstractLinearOperator):
    """A symmetric block-diagonal operator on a trained tree, no eigenvalue negative.

    Attributes:
        theta: The trained tree.
        layers: Weights, with their biases.
        direct: Indices of all other arrays.
        blocks: Of every other array, its block `(size, size)`, or the diagonal of that.
    """

    theta: eqx.AbstractVar[PyTree[Array]]
    layers: eqx.AbstractVar[tuple[Layer, ...]]
    direct: eqx.AbstractVar[tuple[int, ...]]
    blocks: eqx.AbstractVar[list[Float[Array, "..."]]]

    @abstractmethod
    def on_layers(self, matrices: Sequence[Array]) -> list[Array]:
        """Returns the product with one matrix `(height, width)` per layer."""

    def mv(self, vector: PyTree[Array]) -> PyTree[Array]:
        """Returns the product with a tree like the trained one."""
        taps = Taps(self.theta, [], list(self.layers), list(self.direct))
        matrices, direct = taps.matrices(vector)
        rest = [
            B * v if B.ndim == 1 else B @ v
            for B, v in zip(self.blocks, direct, strict=True)
        ]
        return taps.gradient(self.on_layers(matrices), rest)

    def as_matrix(self) -> Float[Array, "P P"]:
        """Returns the operator in full, entries ordered as by `ravel_pytree`."""
        flat, unravel = ravel_pytree(self.theta)
        column = lambda v: ravel_pytree(self.mv(unravel(v)))[0]
        return jax.vmap(column, out_axes=1)(jnp.eye(flat.size, dtype=flat.dtype))

    def transpose(self) -> "LayerBlocks":
        """Returns the operator itself: it is symmetric."""
        return self

    def in_structure(self) -> PyTree[jax.ShapeDtypeStruct]:
        """Returns the shapes of the trained tree."""
        return jax.eval_shape(lambda: self.theta)

    def out_structure(self) -> PyTree[jax.ShapeDtypeStruct]:
        """Returns the shapes of the trained tree."""
        return self.in_structure()


@lx.is_symmetric.register(LayerBlocks)
@lx.is_positive_semidefinite.register(LayerBlocks)
def _(operator: LayerBlocks) -> bool:
    return True


@lx.is_diagonal.register(LayerBlocks)
@lx.is_tridiagonal.register(LayerBlocks)
@lx.is_lower_triangular.register(LayerBlocks)
@lx.is_upper_triangular.register(LayerBlocks)
@lx.has_unit_diagonal.register(LayerBlocks)
@lx.is_negative_semidefinite.register(LayerBlocks)
def _(operator: LayerBlocks) -> bool:
    return False


@lx.linearise.register(LayerBlocks)
@lx.conj.register(LayerBlocks)
@lx.materialise.register(LayerBlocks)
def _(operator: LayerBlocks) -> LayerBlocks:
    return operator


@lx.diagonal.register(LayerBlocks)
def _(operator: LayerBlocks) -> Float[Array, " P"]:
    return jnp.diagonal(operator.as_matrix())


def total(parts: Sequence[Float[Array, ""]]) -> Float[Array, ""]:
    """Returns the sum of one or more numbers."""
    return jnp.sum(jnp.stack(parts))


def block_trace(B: Float[Array, "..."]) -> Float[Array, ""]:
    """Returns the trace of a block or of a diagonal."""
    return jnp.sum(B) if B.ndim == 1 else jnp.trace(B)


def block_logdet(B: Float[Array, "..."], damping: Float[Array, ""]) -> Float[Array, ""]:
    """Returns the logarithm of the determinant of a block plus `damping` times 1."""
    return jnp.sum(jnp.log((B if B.ndim == 1 else eigen(B)[0]) + damping))


def block_inverse(
    B: Float[Array, "..."], damping: Float[Array, ""]
) -> Float[Array, "..."]:
    """Returns the inverse of a block plus `damping` times 1."""
    return 1 / (B + damping) if B.ndim == 1 else inverse(shifted(B, damping))


def eigen(M: Float[Array, "n n"]) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """Returns eigenvalues and eigenvectors, those below rounding as 0.

    Args:
        M: Symmetric without negative eigenvalues.

    Returns:
        Eigenvalues in order, and the columns that belong to them.
    """
    values, vectors = jnp.linalg.eigh(M)
    least = len(M) * jnp.finfo(M.dtype).eps * values[-1]
    return jnp.where(values > least, values, 0), vectors


def shifted(M: Float[Array, "n n"], by: Float[Array, ""]) -> Float[Array, "n n"]:
    """Returns a matrix plus a multiple of 1."""
    return M + by * jnp.eye(len(M), dtype=M.dtype)


def inverse(M: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Returns the inverse of a positive definite matrix."""
    factor = jax.scipy.linalg.cho_factor(M)
    found = jax.scipy.linalg.cho_solve(factor, jnp.eye(len(M), dtype=M.dtype))
    return (found + found.T) / 2
