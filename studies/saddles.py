"""Curvatures at random, and steps that are too small (SPEC K1.3/b, K1.3/d).

Half of the eigenvalues of a random symmetric matrix are negative: among many unknowns a
point without slope is a saddle. And the smaller the step of descent, the more alike are
successive gradients, and the more of them it takes to get as far.

    python studies/saddles.py
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree

from _keep import keep
from osculate import core, curve, nets

SIZES, DRAWS = (1, 2, 3, 5, 10, 50, 200), 400
PARTS = (0.01, 0.03, 0.1, 0.3, 1.0, 1.5, 1.7, 1.9)  # of one over the largest curvature
BINS = 40


def curvatures(n: int, draws: int, seed: int = 0) -> np.ndarray:
    """Returns eigenvalues of symmetric normal matrices, in units of sqrt(n)."""
    A = np.random.default_rng(seed).normal(size=(draws, n, n))
    return np.linalg.eigvalsh((A + A.transpose(0, 2, 1)) / np.sqrt(2 * n))


def negative(n: int, draws: int = DRAWS) -> dict[str, Any]:
    """Returns the share of negative eigenvalues, and of matrices without any.

    Fewer large matrices are drawn, and more small ones.
    """
    draws = 50 * draws if n <= 20 else 20 * draws // n
    found = curvatures(n, draws)
    shares = (found < 0).mean(1)
    minimum = (found > 0).all(1)
    return {
        "n": n,
        "draws": draws,
        "negative": float(shares.mean()),
        "standard error": float(shares.std() / draws**0.5),
        "one matrix": float(shares[0]),
        "minima": float(minimum.mean()),
    }


def semicircle(n: int = 200, draws: int = 20) -> dict[str, Any]:
    """Returns the density of the eigenvalues."""
    heights, edges = np.histogram(curvatures(n, draws), BINS, (-2.2, 2.2), density=True)
    return {"edges": edges.round(4).tolist(), "density": heights.round(4).tolist()}


def problem() -> tuple[Any, jax.Array, jax.Array]:
    """Returns a loss of a network, where it begins, and the largest curvature there."""
    k_net, k_x = jr.split(jr.key(0))
    x = jr.uniform(k_x, (100, 2), minval=-1.0)
    y = jnp.sin(3 * x[:, :1]) * x[:, 1:]
    samples = {"fit": core.Samples(x, y)}
    objective = core.Objective({"fit": core.Term(lambda net, x, y: net(x))})
    net = nets.MLP(2, 1, width=10, depth=1, key=k_net)
    theta, build = core.trainable(net)
    start, unravel = ravel_pytree(theta)
    loss = lambda t: objective(build(unravel(t)), samples)[0]
    hessian = curve.dense(curve.hessian(objective, net, samples))
    return loss, start, jnp.linalg.eigvalsh(hessian)[-1]


@functools.partial(jax.jit, static_argnames=("loss", "steps"))
def descend(loss: Any, start: jax.Array, step: jax.Array, steps: int):
    """Returns losses, and cosines of successive gradients, along a descent."""

    def one(carry, _):
        theta, before = carry
        value, slope = jax.value_and_grad(loss)(theta)
        length = jnp.linalg.norm(slope) * jnp.linalg.norm(before)
        return (theta - step * slope, slope), (value, slope @ before / length)

    return jax.lax.scan(one, (start, jnp.ones_like(start)), length=steps)[1]


def alike(parts: tuple[float, ...] = PARTS, time: float = 300.0) -> dict[str, Any]:
    """Returns steps to the same loss, and cosines on the way, by the step size.

    Args:
        parts: Step sizes in units of one over the largest curvature at the start.
        time: Steps of the size 1 that define the loss to be reached.
    """
    loss, start, high = problem()
    goal = descend(loss, start, 1.0 / high, int(time))[0][-1]
    rows = []
    for part in parts:
        steps = int(2 * time / part)
        values, cosines = descend(loss, start, part / high, steps)
        reached = bool((values <= goal).any())
        first = int(jnp.argmax(values <= goal)) if reached else steps - 1
        row = {"step": part, "steps": first if reached else None}
        mean = jnp.mean(cosines[1 : first + 1]).item()
        rows.append({**row, "cosine": mean, "loss": values[first].item()})
    return {"goal": goal.item(), "rows": rows}


if __name__ == "__main__":
    with jax.enable_x64(True):
        every = {
            "negative": [negative(n) for n in SIZES],
            "semicircle": semicircle(),
            "steps": alike(),
        }
    keep("saddles", every)
