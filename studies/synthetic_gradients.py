"""Slopes for a loss that is not asked, and a policy from few states (SPEC S0.9, S0.7).

A small network learns the loss of the layers above from activations, with its slopes,
and then stands in for back-propagation. Another one learns the actions of a policy from
few states, with and without the slopes of the policy.

    python studies/synthetic_gradients.py
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from _keep import keep
from osculate import nets, tasks

ROWS, STATES, FRESH = 200, 20, 1000
SEEDS = 5


def upper(h: jax.Array) -> jax.Array:
    """Returns the loss of two layers above an activation, `(4,)` to `()`."""
    k_one, k_two = jr.split(jr.key(7))
    hidden = jnp.tanh(0.8 * jr.normal(k_one, (8, 4)) @ h)
    return (jr.normal(k_two, (8,)) @ hidden - 1.0) ** 2 / 8


def policy(state: jax.Array) -> jax.Array:
    """Returns the logits of three actions in a state `(3,)`."""
    k_one, k_two = jr.split(jr.key(8))
    return 2.0 * jr.normal(k_two, (3, 10)) @ jnp.tanh(jr.normal(k_one, (10, 3)) @ state)


def synthetic(seed: int, jacobian: float, budget: str) -> dict[str, float]:
    """Returns the mean cosine of true and synthetic gradients on unseen activations."""
    random = np.random.default_rng(seed)
    known, fresh = random.normal(size=(ROWS, 4)), random.normal(size=(FRESH, 4))
    net = nets.MLP(4, 1, width=16, depth=2, key=jr.key(seed))
    found = tasks.distill(
        upper, net, known, jacobian=jacobian, budget=budget, seed=seed
    )
    true = jax.vmap(jax.grad(upper))(fresh)
    own = jax.vmap(jax.grad(lambda h: found.value(h)[0]))(fresh)
    length = lambda a: jnp.linalg.norm(a, axis=1)
    cosines = jnp.sum(true * own, axis=1) / (length(true) * length(own))
    return {"seed": seed, "cosine": float(jnp.mean(cosines))}


def imitated(seed: int, jacobian: float, budget: str) -> dict[str, float]:
    """Returns the mean divergence of a student from the policy on unseen states."""
    random = np.random.default_rng(seed)
    known, fresh = random.normal(size=(STATES, 3)), random.normal(size=(FRESH, 3))
    net = nets.MLP(3, 3, width=10, depth=2, key=jr.key(seed))
    found = tasks.distill(
        policy, net, known, jacobian=jacobian, budget=budget, seed=seed
    )
    log = lambda u: jax.nn.log_softmax(jax.vmap(u)(fresh))
    teacher, student = log(policy), log(found.value)
    kl = jnp.mean(jnp.sum(jnp.exp(teacher) * (teacher - student), axis=1))
    return {"seed": seed, "divergence": float(kl)}


def compare(seeds: int = SEEDS, budget: str = "600steps") -> dict[str, Any]:
    """Returns both studies with values alone and with slopes, seed by seed."""
    ways = {"values": 0.0, "values and slopes": 1.0}
    return {
        "synthetic gradients": {
            way: [synthetic(seed, weight, budget) for seed in range(seeds)]
            for way, weight in ways.items()
        },
        "policies": {
            way: [imitated(seed, weight, budget) for seed in range(seeds)]
            for way, weight in ways.items()
        },
    }


if __name__ == "__main__":
    with jax.enable_x64(True):
        keep("synthetic_gradients", compare())
