"""Paths of descent and of the natural gradient by coordinates (SPEC K4.6.1-4, K4.6.17).

A normal law approaches another one in three coordinate systems. Gradient descent takes
three paths; the natural gradient takes one, up to the order of its step. A network
whose first layer is written in units a tenth as large is the same network, and learns
otherwise by descent alone.

    python studies/natural_gradient.py
"""

import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from _keep import keep
from osculate import chance, core, curve, nets, train

START, TARGET = (-1.0, 2.0), (1.0, 0.5)  # mean and scale
TIME, STEPS = 3.0, (15, 30, 60, 120, 240)

Coordinates = tuple[Callable[[jax.Array], jax.Array], Callable[[jax.Array], jax.Array]]


def _from_natural(eta: jax.Array) -> jax.Array:
    variance = -0.5 / eta[1]
    return jnp.stack([variance * eta[0], jnp.sqrt(variance)])


COORDINATES: dict[str, Coordinates] = {  # to mean and scale, and from them
    "mean, scale": (lambda t: t, lambda t: t),
    "mean, log scale": (
        lambda p: jnp.stack([p[0], jnp.exp(p[1])]),
        lambda t: jnp.stack([t[0], jnp.log(t[1])]),
    ),
    "natural parameters": (
        _from_natural,
        lambda t: jnp.stack([t[0] / t[1] ** 2, -0.5 / t[1] ** 2]),
    ),
}


def loss(theta: jax.Array) -> jax.Array:
    """Returns the divergence of the target from the law, in nats."""
    return chance.kl(chance.Normal(*TARGET), chance.Normal(theta[0], theta[1]))


@functools.partial(jax.jit, static_argnames=("name", "natural", "steps"))
def path(name: str, natural: bool, steps: int) -> jax.Array:
    """Returns means and log scales along a run of the same length of time."""
    to_theta, from_theta = COORDINATES[name]

    def one(phi, _):
        slope = jax.grad(lambda p: loss(to_theta(p)))(phi)
        if natural:
            theta, J = to_theta(phi), jax.jacobian(to_theta)(phi)
            F = J.T @ chance.Normal(theta[0], theta[1]).fisher() @ J
            slope = jnp.linalg.solve(F, slope)
        phi = phi - TIME / steps * slope
        return phi, phi

    start = from_theta(jnp.asarray(START))
    _, rest = jax.lax.scan(one, start, length=steps)
    theta = jax.vmap(to_theta)(jnp.concatenate([start[None], rest]))
    return jnp.stack([theta[:, 0], jnp.log(theta[:, 1])], 1)


def gap(natural: bool, steps: int) -> float:
    """Returns the largest distance between two of the paths at the same time."""
    paths = [path(name, natural, steps) for name in COORDINATES]
    off = [jnp.linalg.norm(a - b, axis=1).max() for a in paths for b in paths]
    return jnp.max(jnp.stack(off)).item()


def shown(steps: int = 60) -> dict[str, Any]:
    """Returns the paths of both methods, for the picture."""
    return {
        kind: {
            name: np.round(np.asarray(path(name, natural, steps)), 4).tolist()
            for name in COORDINATES
        }
        for kind, natural in (("descent", False), ("natural gradient", True))
    }


class InUnits(eqx.Module):
    """A network whose first weights are kept as multiples of a unit."""

    net: nets.MLP
    unit: float = eqx.field(static=True)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the network's value at one point."""
        first = lambda net: net.weights[0]
        return eqx.tree_at(first, self.net, self.unit * self.net.weights[0])(x)


def network(steps: int = 40, damping: float = 1e-14) -> dict[str, Any]:
    """Returns how far two equal networks are apart after training in two units.

    They learn what a network of their size can say, and begin near it: elsewhere the
    Fisher matrix of a network is soon singular, and no step is well defined.
    """
    k_net, k_off, k_x = jr.key(10), jr.key(5), jr.key(1)
    x = jr.uniform(k_x, (80, 1), minval=-2.0, maxval=2.0)
    scaled = lambda f, net: jax.tree.map(lambda a: f(a) if eqx.is_array(a) else a, net)
    teacher = nets.MLP(1, 1, width=2, depth=1, key=k_net)
    teacher = scaled(lambda a: 1.5 * a, teacher)
    net = scaled(lambda a: a + 0.3 * jr.normal(k_off, a.shape), teacher)
    samples = {"fit": core.Samples(x, jax.vmap(teacher)(x))}
    objective = core.Objective({"fit": core.Term(lambda net, x, y: net(x))})
    methods = {
        "descent": train.first_order(optax.sgd, 0.05),
        "Adam": train.first_order(optax.adam, 0.01),
        "natural gradient": curve.natural_gradient(0.1, damping),
    }
    found: dict[str, Any] = {"steps": steps}
    for name, method in methods.items():
        ends = []
        for unit in (1.0, 0.1):
            first = lambda net: net.weights[0]
            model = InUnits(eqx.tree_at(first, net, net.weights[0] / unit), unit)
            ends.append(train.fit(objective, model, samples, method, steps=steps))
        a, b = (jax.vmap(end.value)(x) for end in ends)
        moved = jnp.linalg.norm(a - jax.vmap(net)(x))
        found[name] = {
            "losses": [float(end.history["loss"][-1]) for end in ends],
            "apart": (jnp.linalg.norm(a - b) / moved).item(),
        }
    return found


if __name__ == "__main__":
    with jax.enable_x64(True):
        every = {
            "time": TIME,
            "gaps": [
                {
                    "step": TIME / steps,
                    "descent": gap(False, steps),
                    "natural gradient": gap(True, steps),
                }
                for steps in STEPS
            ],
            "paths": shown(),
            "network": network(),
        }
    keep("natural_gradient", every)
