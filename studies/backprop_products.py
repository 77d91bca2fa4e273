"""What back-propagation and derivative operators cost, in matrix products (K1.4/b).

Counted from the trace by `diff.cost`, and checked against the count that XLA makes of
the program it compiled. Nothing is timed.

    python studies/backprop_products.py
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from _keep import keep
from osculate import core, diff, nets

BATCH, SIZE = 128, 128
WIDTH, DEPTH, POINTS = 64, 4, 16
OPERATORS: dict[str, Callable] = {
    "laplacian": diff.laplacian,
    "hessian": diff.hessian,
    "biharmonic": diff.biharmonic,
}


def xla_flops(f: Callable, *args: Any) -> float:
    """Returns the floating-point operations of the compiled program, as XLA counts."""
    return jax.jit(f).lower(*args).compile().cost_analysis()["flops"]


def backpropagation(depth: int) -> dict[str, Any]:
    """Counts the matrix products of square tanh layers, forward and with gradients.

    Args:
        depth: Number of layers.

    Returns:
        For each program its matrix products, as counted, and the FLOPs of XLA in units
        of one product.
    """
    weights = [jax.ShapeDtypeStruct((SIZE, SIZE), float)] * depth
    x = jax.ShapeDtypeStruct((BATCH, SIZE), float)
    one = BATCH * SIZE * SIZE

    def loss(weights, x):
        for W in weights:
            x = jnp.tanh(x @ W)
        return jnp.sum(x)

    programs = {
        "forward": loss,
        "by weights": jax.grad(loss),
        "by weights and inputs": jax.grad(loss, argnums=(0, 1)),
    }
    found: dict[str, Any] = {"layers": depth}
    for name, f in programs.items():
        counted = diff.cost(f, weights, x).products / one
        found[name] = {"counted": counted, "XLA": xla_flops(f, weights, x) / (2 * one)}
    return found


def operator(name: str, size: int) -> dict[str, Any]:
    """Counts an operator on a tanh network in forward passes of the network.

    Args:
        name: One of `OPERATORS`.
        size: D, the size of a point.

    Returns:
        Its passes; how many times as many the gradient of its square by the weights
        takes; the FLOPs of XLA over those counted.
    """
    net = nets.MLP(size, 1, width=WIDTH, depth=DEPTH, key=jax.random.key(0))
    theta, build = core.trainable(net)
    value = lambda theta, x: build(theta)(x)[0]
    derivative = lambda theta, x: OPERATORS[name](lambda p: value(theta, p))(x)
    square = lambda theta, x: jnp.sum(derivative(theta, x) ** 2)
    batch = jax.vmap(derivative, in_axes=(None, 0))
    x, points = jnp.ones(size), jnp.ones((POINTS, size))
    products = lambda f: diff.cost(f, theta, x).products
    return {
        "operator": name,
        "D": size,
        "passes": products(derivative) / products(value),
        "gradient by weights": products(jax.grad(square)) / products(derivative),
        "XLA": xla_flops(batch, theta, points) / diff.cost(batch, theta, points).flops,
    }


if __name__ == "__main__":
    keep(
        "backprop_products",
        {
            "backpropagation": [backpropagation(depth) for depth in range(1, 9)],
            "operators": [operator(n, D) for n in OPERATORS for D in (2, 3, 5, 10)],
        },
    )
