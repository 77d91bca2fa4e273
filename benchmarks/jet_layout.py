"""One array per derivative against stacked tangents, in a training step.

python benchmarks/jet_layout.py
"""

import time

import jax
import jax.numpy as jnp
import numpy as np

from _common import interleaved, keep
from osculate import diff, nets
from osculate.core import trainable

ROWS, WIDTH, STEPS, ROUNDS = 448, 32, 200, 15


def stacked_jet(u, order):
    """The same tensors by nested `jacfwd`, one array per order."""
    lower = lambda x: (u(x),)
    for _ in range(order):
        lower = one_more(lower)
    return lower


def one_more(lower):
    """Differentiates the last tensor and keeps the others from that pass."""

    def last_and_all(x):
        tensors = lower(x)
        return tensors[-1], tensors

    def higher(x):
        top, tensors = jax.jacfwd(last_and_all, has_aux=True)(x)
        return (*tensors, top)

    return higher


def training(jet, order, model):
    """Returns a compiled function of so many gradient steps, its FLOPs and seconds."""
    theta, build = trainable(model)
    x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (ROWS, 2)))

    def loss(theta):
        tensors = jax.vmap(jet(build(theta), order))(x)
        return sum(jnp.mean(t**2) for t in tensors)

    def steps(theta):
        down = lambda a, g: a - 1e-6 * g
        step = lambda _, theta: jax.tree.map(down, theta, jax.grad(loss)(theta))
        return jax.lax.fori_loop(0, STEPS, step, theta)

    begun = time.perf_counter()
    compiled = jax.jit(steps).lower(theta).compile()
    seconds = time.perf_counter() - begun
    flops = jax.jit(jax.grad(loss)).lower(theta).compile().cost_analysis()["flops"]
    return lambda: compiled(theta), {"compile seconds": seconds, "MFLOP": flops / 1e6}


def main() -> None:
    """Compares both layouts at orders 1 and 2 and keeps the result."""
    jax.config.update("jax_enable_x64", True)
    model = nets.MLP(2, 2, width=WIDTH, depth=3, key=jax.random.key(0))
    shape = f"{ROWS} rows, 2-{WIDTH}-{WIDTH}-{WIDTH}-2 tanh, float64, {STEPS} steps"
    found = {"shape": shape}
    for order in (1, 2):
        pairs = {
            "stacked": training(stacked_jet, order, model),
            "separate": training(diff.jet, order, model),
        }
        ends = [way() for way, _ in pairs.values()]
        for a, b in zip(*map(jax.tree.leaves, ends), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        times = interleaved({n: way for n, (way, _) in pairs.items()}, rounds=ROUNDS)
        facts = {name: facts for name, (_, facts) in pairs.items()}
        found[f"order {order}"] = {"times": times, **facts}
    keep("jet_layout", found)


if __name__ == "__main__":
    main()
