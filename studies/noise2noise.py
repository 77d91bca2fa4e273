"""A denoiser learned without a clean target (SPEC K3.3/a).

The mean squared error is least at the conditional mean, and noise of mean 0 on the
target does not move a mean: a network that maps noisy signals to other noisy copies of
them learns what one with clean targets learns. With its own input as the target it
learns nothing, and with noise of another mean it learns that mean, too.

    python studies/noise2noise.py
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax

from _keep import keep
from osculate import core, match, nets, train

POINTS, NOISE = 24, 0.5
BATCH, STEPS = 256, 3000
TARGETS = ("clean", "another noisy copy", "the noisy input itself", "shifted noise")


def signals(key: jax.Array, n: int) -> jax.Array:
    """Returns waves of random frequency, phase and height on `POINTS` points."""
    frequency, phase, height = jr.uniform(key, (3, n, 1))
    t = jnp.linspace(0, 1, POINTS)[None]
    return (0.5 + height) * jnp.sin(2 * jnp.pi * ((1 + 2 * frequency) * t + phase))


def draw(key: jax.Array, n: int) -> dict[str, jax.Array]:
    """Returns noisy copies of signals as inputs `x`, and all kinds of targets."""
    k_signal, k_input, k_target = jr.split(key, 3)
    clean = signals(k_signal, n)
    x, other = (clean + NOISE * jr.normal(k, clean.shape) for k in (k_input, k_target))
    return {"x": x, **dict(zip(TARGETS, (clean, other, x, other + NOISE), strict=True))}


class Fresh(eqx.Module):
    """A Sampler of signals that come once and never again.

    The kind of target is data: all kinds share one compilation.
    """

    kind: jax.Array

    def rows(self, key: jax.Array) -> dict[str, core.Samples]:
        """Returns a batch."""
        found = draw(key, BATCH)
        targets = jnp.stack([found[name] for name in TARGETS])
        return {"denoise": core.Samples(found["x"], {"value": targets[self.kind]})}

    def __call__(self, objective: Any, model: Any, samples: Any, key: Any) -> Any:
        """Returns a fresh batch."""
        del objective, model, samples
        return self.rows(key)


def learned(kind: str, steps: int = STEPS, width: int = 64) -> Any:
    """Returns a network fitted to one kind of target; all start from the same one."""
    k_net, k_first, k_fit = jr.split(jr.key(0), 3)
    net = nets.MLP(POINTS, POINTS, width=width, depth=2, key=k_net)
    objective = core.Objective({"denoise": match.term(match.values())})
    rate = train.Recipe(optax.cosine_decay_schedule, 3e-3, steps)
    adam, fresh = (
        train.first_order(optax.adam, rate),
        Fresh(jnp.asarray(TARGETS.index(kind))),
    )
    return train.fit(
        objective,
        net,
        fresh.rows(k_first),
        adam,
        steps=steps,
        every=steps,
        sampler=fresh,
        key=k_fit,
    ).value


def networks(steps: int = STEPS) -> dict[str, Any]:
    """Returns a network for each kind of target."""
    return {kind: learned(kind, steps) for kind in TARGETS}


def compare(denoisers: dict[str, Any]) -> dict[str, float]:
    """Returns mean squared errors against clean signals that nobody has seen."""
    test = draw(jr.key(1), 4000)
    off = lambda y: jnp.mean((y - test["clean"]) ** 2).item()
    found = {"not denoised": off(test["x"])}
    return found | {
        kind: off(jax.vmap(net)(test["x"])) for kind, net in denoisers.items()
    }


def example(denoisers: dict[str, Any]) -> dict[str, list[float]]:
    """Returns one signal, its noisy copy and what was made of it."""
    test = draw(jr.key(2), 1)
    shown = {"clean": test["clean"][0], "noisy": test["x"][0]}
    for kind in TARGETS[:2]:
        shown[f"learned from {kind}"] = denoisers[kind](test["x"][0])
    return {name: [round(y, 5) for y in line.tolist()] for name, line in shown.items()}


if __name__ == "__main__":
    every = networks()
    keep("noise2noise", {"errors": compare(every), "example": example(every)})
