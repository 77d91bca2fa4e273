"""The multilayer perceptron: a parameterized function of one point."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from osculate.core import did_you_mean

ACTIVATIONS = {
    "tanh": jnp.tanh,
    "sin": jnp.sin,
    "softplus": jax.nn.softplus,
    "silu": jax.nn.silu,
    "gelu": jax.nn.gelu,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
}


class MLP(eqx.Module):
    """Layers `x -> activation(W x + b)`, the last one without activation.

    Attributes:
        weights: `(outputs, inputs)` per layer.
        biases: `(outputs,)` per layer.
        activation: Name of the activation.
    """

    weights: list[Array]
    biases: list[Array]
    activation: str = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int,
        depth: int,
        activation: str = "tanh",
        key: PRNGKeyArray,
    ):
        """Draws weights from N(0, 1/inputs), biases from N(0, 1/4), the last ones 0.

        Args:
            inputs: D, the size of a point.
            outputs: M, the size of the answer.
            width: Size of each hidden layer.
            depth: Number of hidden layers.
            activation: One of `tanh sin softplus silu gelu relu sigmoid`.
            key: Key of the random weights.

        Raises:
            ValueError: If the activation is not known or a size is not positive.
        """
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"`MLP`: activation {activation!r}; expected one of "
                f"{sorted(ACTIVATIONS)}.{did_you_mean(activation, ACTIVATIONS)}"
            )
        sizes = [inputs, *[width] * depth, outputs]
        if min(sizes) < 1 or depth < 0:
            raise ValueError(
                f"`MLP`: sizes {sizes}, depth {depth}; expected positive sizes and a "
                "depth of 0 or more."
            )
        keys = jr.split(key, 2 * (depth + 1))
        self.weights = [
            jr.normal(k, (b, a)) / a**0.5
            for k, a, b in zip(keys[::2], sizes[:-1], sizes[1:], strict=True)
        ]
        hidden = [
            0.5 * jr.normal(k, (b,)) for k, b in zip(keys[1::2], sizes[1:], strict=True)
        ]
        self.biases = [*hidden[:-1], jnp.zeros(outputs)]
        self.activation = activation

    def __call__(self, x: Float[Array, " D"]) -> Float[Array, " M"]:
        """Returns the network's value at one point.

        `x W^T` rather than `W x`: under `vmap` points are then rows in every layer.
        """
        activate = ACTIVATIONS[self.activation]
        for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = activate(x @ W.T + b)
        return x @ self.weights[-1].T + self.biases[-1]
