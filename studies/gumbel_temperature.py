"""Bias and variance of relaxed gradients against the temperature (SPEC K3.5.7).

The gradient of E r(x)^2 by the logits of four classes, from single draws: softened
one-hot vectors, exact ones with the derivatives of the softened, and the score.

    python studies/gumbel_temperature.py
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr

from _keep import keep
from osculate import chance

LOGITS = (0.1, -0.4, 0.3, 0.2)
REWARDS = (1.0, 3.0, -2.0, 0.5)
TEMPERATURES = (2.0, 1.0, 0.5, 0.2, 0.1, 0.05)
DRAWS = 200_000


def objective(logits: jax.Array, how: str, *args: Any, **options: Any) -> jax.Array:
    """Returns the expected squared reward, one way or another."""

    def squared(x: jax.Array) -> jax.Array:
        rewards = jnp.asarray(REWARDS, logits.dtype)
        return (jnp.dot(x, rewards) if x.ndim else rewards[x]) ** 2

    law = chance.Categorical(logits)
    return chance.expect(squared, law, *args, how=how, **options)


def spread(how: str, n: int, **options: Any) -> dict[str, float]:
    """Returns bias and variance of the gradient from one draw.

    Args:
        how: The way, as in `chance.expect`.
        n: Draws.
        **options: Of `chance.expect`.

    Returns:
        The length of the bias and of its standard error, over that of the gradient; the
        sum over the logits of the variance of one draw.
    """
    logits = jnp.array(LOGITS)
    exact = jax.grad(objective)(logits, "enumerate")
    one = lambda key: jax.grad(objective)(logits, how, key, 1, **options)
    found = jax.jit(jax.vmap(one))(jr.split(jr.key(0), n))
    size = jnp.linalg.norm
    error = size(jnp.std(found, axis=0)) / n**0.5
    return {
        "bias": (size(jnp.mean(found, axis=0) - exact) / size(exact)).item(),
        "standard error": (error / size(exact)).item(),
        "variance": jnp.sum(jnp.var(found, axis=0)).item(),
    }


def temperatures(n: int = DRAWS) -> list[dict[str, Any]]:
    """Returns both relaxations at every temperature."""
    return [
        {
            "temperature": temperature,
            "gumbel_softmax": spread("gumbel_softmax", n, temperature=temperature),
            "straight_through": spread("straight_through", n, temperature=temperature),
        }
        for temperature in TEMPERATURES
    ]


def unbiased(n: int = DRAWS) -> dict[str, dict[str, float]]:
    """Returns the score alone and with the expectation as its baseline."""
    mean = objective(jnp.array(LOGITS), "enumerate").item()
    return {
        "score": spread("score", n, baseline=None),
        "score, less the mean": spread("score", n, baseline=mean),
    }


if __name__ == "__main__":
    with jax.enable_x64(True):
        every = {"draws": DRAWS, "rows": temperatures(), "unbiased": unbiased()}
    keep("gumbel_temperature", every)
