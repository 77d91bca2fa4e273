"""A normal law fitted to two bumps, in both directions of the divergence (SPEC K2.3/b).

Forward, E_p[log p - log q], it covers both and has their moments; in reverse,
E_q[log q - log p], it takes one of them.

    python studies/kl_asymmetry.py
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from _keep import keep
from osculate import chance

STEPS, QUADRATURE = 100, 2001


def bumps(apart: float) -> chance.Mixture:
    """Returns half N(-apart, 1) and half N(apart, 1)."""
    even = chance.Categorical(jnp.zeros(2))
    return chance.Mixture(even, chance.Normal(apart * jnp.array([-1.0, 1.0]), 1.0))


def on_a_grid(apart: float, num_points: int) -> tuple[jax.Array, jax.Array]:
    """Returns points and log-probabilities of the bumps, far to either side."""
    x = (apart + 12) * jnp.linspace(-1, 1, num_points)
    return x, jax.vmap(bumps(apart).log_prob)(x)


def divergence(direction: str, apart: float, theta: jax.Array) -> jax.Array:
    """Returns the divergence of the bumps and a normal law, by quadrature.

    Args:
        direction: `forward`, averaged over the bumps, or `reverse`.
        apart: Where the bumps are.
        theta: Mean and logarithm of the scale.

    Returns:
        A number in nats.
    """
    x, log_p = on_a_grid(apart, QUADRATURE)
    log_q = chance.Normal(theta[0], jnp.exp(theta[1])).log_prob(x)
    log_a, log_b = (log_p, log_q) if direction == "forward" else (log_q, log_p)
    return jnp.trapezoid(jnp.exp(log_a) * (log_a - log_b), x)


@functools.partial(jax.jit, static_argnames="direction")
def least(direction: str, apart: float, mean: float) -> dict[str, jax.Array]:
    """Returns where a divergence is least, by Newton's method from unit scale.

    Where the curvature is not positive its eigenvalues change their sign; a step is at
    most 1/2 long.
    """
    of = functools.partial(divergence, direction, apart)

    def step(_: Any, theta: jax.Array) -> jax.Array:
        values, vectors = jnp.linalg.eigh(jax.hessian(of)(theta))
        slope = vectors.T @ jax.grad(of)(theta)
        move = vectors @ (slope / jnp.maximum(jnp.abs(values), 1e-6))
        return theta - move * jnp.minimum(1.0, 0.5 / (jnp.linalg.norm(move) + 1e-12))

    start = jnp.stack([jnp.asarray(mean), jnp.zeros(())])
    theta = jax.lax.fori_loop(0, STEPS, step, start)
    value, slope = jax.value_and_grad(of)(theta)
    found = {"mean": theta[0], "scale": jnp.exp(theta[1])}
    return found | {"divergence": value, "slope": jnp.linalg.norm(slope)}


def fitted(apart: float = 3.0) -> dict[str, Any]:
    """Returns the best normal laws: forward, in reverse from either bump."""
    starts = {
        "forward": ("forward", 0.5),
        "reverse from the right": ("reverse", apart),
        "reverse from the left": ("reverse", -apart),
    }
    found: dict[str, Any] = {"apart": apart, "variance": 1 + apart**2}
    for name, (direction, mean) in starts.items():
        fit = least(direction, apart, mean)
        found[name] = {what: value.item() for what, value in fit.items()}
    return found


def densities(found: dict[str, Any], num_points: int = 241) -> dict[str, list[float]]:
    """Returns the bumps and the fitted densities on a grid, for the figure."""
    x, log_p = on_a_grid(found["apart"], num_points)
    curve = {"x": x, "p": jnp.exp(log_p)}
    for name, fit in found.items():
        if isinstance(fit, dict) and "slope" in fit:
            curve[name] = jnp.exp(chance.Normal(fit["mean"], fit["scale"]).log_prob(x))
    return {name: np.round(np.asarray(y), 6).tolist() for name, y in curve.items()}


if __name__ == "__main__":
    with jax.enable_x64(True):
        every = [fitted(apart) for apart in (1.0, 2.0, 3.0, 4.0)]
        curves = densities(every[2])
    keep("kl_asymmetry", {"fits": every, "densities": curves})
