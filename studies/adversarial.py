"""Small changes of a picture that mislead a network, and slopes against them (K1.9/a).

Networks learn to read from 1,000 pictures: from labels; with a penalty of the slopes;
or from a teacher of either kind and its slopes. Unseen pictures are then moved by at
most eps per pixel: once along the signs of the slope of the loss, or ten or a hundred
times in shorter steps, brought back into the box. Random signs say what eps is worth.

    python studies/adversarial.py
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from _keep import keep
from distillation import READ, SLOPES, learn, network, pictures, teacher
from osculate import core, match, nets

EPS = (0.0, 0.025, 0.05, 0.1, 0.15, 0.2)  # pixels run from 0 to 1
PENALTIES = (0.003, 0.01, 0.03, 0.1)
TAUGHT = 0.1  # penalty of the teacher that hands its small slopes on
STEPS = 500
# Number of steps, and their length over eps.
ATTACKS = {
    "sign step": (1, 1.0),
    "ten steps": (10, 0.25),
    "hundred steps": (100, 0.025),
}
RANDOM = "random signs"


def moved(
    net: nets.MLP, x: jax.Array, y: jax.Array, eps: jax.Array, attack: str
) -> jax.Array:
    """Returns pictures `(N, 64)` within eps of `x` per pixel, and from 0 to 1.

    Steps go along `sign(d loss / d x)`, the loss the cross-entropy of the labels `y`:
    one of them is I. Goodfellow, J. Shlens and C. Szegedy, Explaining and Harnessing
    Adversarial Examples (2015); several, projected, A. Madry et al., Towards Deep
    Learning Models Resistant to Adversarial Attacks (2018), here without random starts.
    """
    if attack == RANDOM:
        return jnp.clip(x + eps * jr.rademacher(jr.key(9), x.shape, x.dtype), 0, 1)
    steps, length = ATTACKS[attack]
    loss = lambda p, label: -jax.nn.log_softmax(net(p))[label]
    slopes = jax.vmap(jax.grad(loss))

    def step(now, _):
        now = now + length * eps * jnp.sign(slopes(now, y))
        return jnp.clip(jnp.clip(now, x - eps, x + eps), 0, 1), None

    return jax.lax.scan(step, x, length=steps)[0]


def accuracy(net: nets.MLP, eps: jax.Array, attack: str) -> jax.Array:
    """Returns the share of unseen pictures that are read after an attack."""
    x, y = (a[READ:] for a in pictures())
    read = jnp.argmax(jax.vmap(net)(moved(net, x, y, eps, attack)), axis=1)
    return jnp.mean(read == y)


def labels(penalty: float) -> tuple[match.Part, ...]:
    """Returns what is learned from labels, with a penalty of slopes or none."""
    return (match.labels(), *([match.jacobian_norm(penalty)] if penalty else []))


def learned(
    parts: tuple[match.Part, ...],
    keys: jax.Array,
    shape: tuple[int, int] = (32, 1),
    steps: int = STEPS,
    shown_by: nets.MLP | None = None,
) -> nets.MLP:
    """Returns one network per key, stacked, of the width and depth given."""
    x, y = (a[:READ] for a in pictures())
    term = match.term(*parts)
    objective = core.Objective({"digits": term})
    samples = {"digits": match.taught(term, shown_by, x, {"labels": y})}
    one = lambda key: learn(network(key, *shape), objective, samples, steps)
    return jax.jit(jax.vmap(one))(keys)


@functools.cache
def penalized_teacher() -> nets.MLP:
    """Returns a network as large as the teacher, learned with a penalty of slopes."""
    one = learned(labels(TAUGHT), jr.key(0)[None], (128, 2), 200)
    return jax.tree.map(lambda a: a[0], one)


def networks(seeds: int, steps: int = STEPS) -> dict[str, nets.MLP]:
    """Returns networks by what they are learned from, and both teachers."""
    keys = jr.split(jr.key(20), seeds)
    fit = functools.partial(learned, keys=keys, steps=steps)
    logits = (match.values(),)
    slopes = (match.values(), match.jacobians(weight=SLOPES))
    found = {"labels": fit(labels(0.0))}
    found |= {f"labels, penalty {p:g}": fit(labels(p)) for p in PENALTIES}
    for name, large in (("", teacher()), ("penalized ", penalized_teacher())):
        found[f"logits, {name}teacher"] = fit(logits, shown_by=large)
        found[f"logits + Jacobian, {name}teacher"] = fit(slopes, shown_by=large)
        found[f"the {name}teacher"] = jax.tree.map(lambda a: a[None], large)
    return found


def attacked(many: nets.MLP) -> dict[str, Any]:
    """Returns accuracies against eps by attack, in percent."""
    found = {}
    for attack in (RANDOM, *ATTACKS):
        read = functools.partial(accuracy, attack=attack)
        each = jax.vmap(jax.vmap(read, (None, 0)), (0, None))
        percent = 100 * np.asarray(jax.jit(each)(many, jnp.asarray(EPS)))
        spread = percent.std(0, ddof=1) if len(percent) > 1 else np.zeros(len(EPS))
        found[attack] = {"accuracy": percent.mean(0).tolist()}
        found[attack]["spread"] = spread.tolist()
    return found


if __name__ == "__main__":
    seeds = 5
    rows = {name: attacked(many) for name, many in networks(seeds).items()}
    keep("adversarial", {"eps": list(EPS), "seeds": seeds, "learned from": rows})
