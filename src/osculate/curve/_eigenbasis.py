"""Operators that are diagonal in a basis of Kronecker products."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ._layer_blocks import (
    LayerBlocks,
    block_inverse,
    block_logdet,
    block_trace,
    total,
)
from ._taps import Layer


class KroneckerEigenbasis(LayerBlocks):
    """A block-diagonal operator: `M -> U ((U^T M V) * eigenvalues) V^T` by layer.

    Attributes:
        theta: The trained tree.
        layers: Weights, with their biases.
        direct: Indices of all other arrays.
        inputs: U of each layer, orthogonal, `(height, height)`.
        outputs: V of each layer, orthogonal, `(width, width)`.
        eigenvalues: Of each layer, `(height, width)`, 0 or more.
        blocks: Of every other array, its block `(size, size)`, or the diagonal of that
            where there are more than 1024 entries.
    """

    theta: PyTree[Array]
    layers: tuple[Layer, ...] = eqx.field(static=True)
    direct: tuple[int, ...] = eqx.field(static=True)
    inputs: list[Float[Array, "_h _h"]]
    outputs: list[Float[Array, "_w _w"]]
    eigenvalues: list[Float[Array, "_h _w"]]
    blocks: list[Float[Array, "..."]]

    def on_layers(self, matrices: Sequence[Array]) -> list[Array]:
        """Returns the product with one matrix `(height, width)` per layer."""
        each = zip(self.inputs, matrices, self.outputs, self.eigenvalues, strict=True)
        return [U @ ((U.T @ M @ V) * values) @ V.T for U, M, V, values in each]

    def inverse(self, damping: float | Float[Array, ""]) -> "KroneckerEigenbasis":
        """Returns the exact inverse of this operator plus `damping` times 1.

        Args:
            damping: 0 or more, in units of the operator; with 0 it must be regular.

        Returns:
            An operator of the same kind.
        """
        damping = jnp.asarray(damping, jnp.result_type(*self._all()))
        return KroneckerEigenbasis(
            self.theta,
            self.layers,
            self.direct,
            self.inputs,
            self.outputs,
            [1 / (values + damping) for values in self.eigenvalues],
            [block_inverse(B, damping) for B in self.blocks],
        )

    def trace(self) -> Float[Array, ""]:
        """Returns the trace, exactly."""
        layers = [jnp.sum(values) for values in self.eigenvalues]
        return total([*layers, *map(block_trace, self.blocks)])

    def logdet(self, damping: float | Float[Array, ""] = 0.0) -> Float[Array, ""]:
        """Returns the logarithm of the determinant of this plus `damping` times 1.

        Args:
            damping: 0 or more, in units of the operator.

        Returns:
            A number, or minus infinity if an eigenvalue is 0.
        """
        damping = jnp.asarray(damping, jnp.result_type(*self._all()))
        layers = [jnp.sum(jnp.log(values + damping)) for values in self.eigenvalues]
        return total([*layers, *(block_logdet(B, damping) for B in self.blocks)])

    def squared_norm(self) -> Float[Array, ""]:
        """Returns the sum of the squares of all entries, exactly."""
        return total([jnp.sum(part**2) for part in self._all()])

    def _all(self) -> list[Array]:
        return [*self.eigenvalues, *self.blocks]
