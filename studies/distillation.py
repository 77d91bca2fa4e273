"""Handwritten digits learned from few pictures and a teacher (SPEC S1.5, S1.6, S0.8).

A large network learns to read from 1,000 pictures. Small ones then see one or a few
pictures per digit: their labels, what the teacher makes of them, or that and the
slopes of it. All have the same steps and first weights, and are tested on 797 others.

    python studies/distillation.py
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

from _digits import digits
from _keep import keep
from osculate import core, match, nets, train

READ = 1000  # pictures that the teacher learns from
STEPS, RATE = 200, 3e-3
NOISES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
PENALTIES = (0.0, 0.003, 0.01, 0.03)
SLOPES = 10.0  # weight of the slopes by pixels, which run from 0 to 1

WAYS = {
    "labels": (match.labels(),),
    "logits": (match.values(),),
    "logits + Jacobian": (match.values(), match.jacobians(weight=SLOPES)),
    "logits + 4 projections": (match.values(), match.adjoint(weight=SLOPES)),
    "logits + slope of the top class": (
        match.values(),
        match.class_jacobians(weight=SLOPES),
    ),
    "labels + Jacobian": (match.labels(), match.jacobians(weight=SLOPES)),
}


@functools.cache
def pictures() -> tuple[jax.Array, jax.Array]:
    """Returns all pictures and digits in one fixed random order."""
    x, y = digits()
    order = np.random.default_rng(0).permutation(len(x))
    return jnp.asarray(x[order], jnp.float32), jnp.asarray(y[order], jnp.int32)


def network(key: jax.Array, width: int, depth: int) -> nets.MLP:
    """Returns a ReLU network of 64 pixels to 10 logits, weights of variance 2 / n."""
    net = nets.MLP(64, 10, width=width, depth=depth, activation="relu", key=key)
    weights = [2**0.5 * W for W in net.weights]
    return _with(net, weights, [0 * b for b in net.biases])


def _with(net: nets.MLP, weights: list, biases: list) -> nets.MLP:
    leaves = jax.tree.leaves((weights, biases))
    return jax.tree.unflatten(jax.tree.structure(net), leaves)


def learn(
    net: nets.MLP,
    objective: core.Objective,
    samples: dict[str, core.Samples],
    steps: int,
    sampler: Any = None,
    key: jax.Array | None = None,
) -> nets.MLP:
    """Returns the network after so many steps of Adam; all of it is one program."""
    rate = train.Recipe(optax.cosine_decay_schedule, RATE, steps)
    adam = train.first_order(optax.adam, rate)

    def step(now, k):
        net, state, samples = now
        if sampler is not None:
            fresh = jr.fold_in(key, k)
            samples = sampler(objective, net, samples, fresh)
        net, state = adam.step(objective, net, samples, state)
        return (net, state, samples), None

    begin = net, adam.init(objective, net, samples), samples
    return jax.lax.scan(step, begin, jnp.arange(steps))[0][0]


@functools.cache
def teacher() -> nets.MLP:
    """Returns the large network."""
    x, y = (a[:READ] for a in pictures())
    objective = core.Objective({"digits": match.term(match.labels())})
    samples = {"digits": core.Samples(x, {"labels": y})}
    return jax.jit(lambda net: learn(net, objective, samples, 60))(
        network(jr.key(0), 128, 2)
    )


def chosen(seed: int, per_class: int) -> np.ndarray:
    """Returns the rows of so many pictures of every digit."""
    y = np.asarray(pictures()[1][:READ])
    random = np.random.default_rng(seed)
    rows = [random.permutation(np.flatnonzero(y == c))[:per_class] for c in range(10)]
    return np.concatenate(rows)


def accuracy(net: nets.MLP, noise: float = 0.0) -> jax.Array:
    """Returns the share of unseen pictures that are read, with noise on the pixels."""
    x, y = (a[READ:] for a in pictures())
    x = x + noise * jr.normal(jr.key(9), x.shape)
    return jnp.mean(jnp.argmax(jax.vmap(net)(x), axis=1) == y)


def students(
    way: str, per_class: int, seeds: int, steps: int = STEPS, width: int = 32
) -> nets.MLP:
    """Returns one student per seed, stacked: a compilation for all."""
    (x, y), large = pictures(), teacher()
    rows = np.stack([chosen(seed, per_class) for seed in range(seeds)])
    term = match.term(*WAYS[way])
    objective = core.Objective({"digits": term})
    projected = "adjoint" in term.weight
    sampler = match.Projections("digits", large, covectors=4) if projected else None

    def one(key, x, y):
        k_net, k_first, k_fit = jr.split(key, 3)
        if sampler is None:
            samples = {"digits": match.taught(term, large, x, {"labels": y})}
        else:
            told = {"value": jax.vmap(large)(x)}
            samples = sampler.first({"digits": core.Samples(x, told)}, k_first)
        net = network(k_net, width, 1)
        return learn(net, objective, samples, steps, sampler, k_fit)

    keys = jr.split(jr.key(10), seeds)
    return jax.jit(jax.vmap(one))(keys, x[rows], y[rows])


def transfer(per_class: int, seeds: int, steps: int = STEPS) -> list[dict[str, Any]]:
    """Returns accuracies of all ways of learning, in percent."""
    found = []
    for way in WAYS:
        many = students(way, per_class, seeds, steps)
        row = {"per class": per_class, "seeds": seeds, "way": way}
        for name, noise in (("clean", 0.0), ("noisy", 0.3)):
            read = functools.partial(accuracy, noise=noise)
            percent = 100 * np.asarray(jax.vmap(read)(many))
            row[name] = float(percent.mean())
            row[f"{name}, spread"] = float(percent.std(ddof=1))
        found.append(row)
    return found


def robustness(
    penalty: float, seeds: int, rows: int = 200, steps: int = STEPS
) -> dict[str, Any]:
    """Returns accuracies against noise of networks that learn from labels alone."""
    x, y = (a[:rows] for a in pictures())
    parts = [match.labels()] + ([match.jacobian_norm(penalty)] if penalty else [])
    objective = core.Objective({"digits": match.term(*parts)})
    samples = {"digits": core.Samples(x, {"labels": y})}
    one = lambda key: learn(network(key, 32, 1), objective, samples, steps)
    many = jax.jit(jax.vmap(one))(jr.split(jr.key(20), seeds))
    read = lambda noise: 100 * jax.vmap(lambda net: accuracy(net, noise))(many)
    each = [np.asarray(read(noise)) for noise in NOISES]
    return {
        "penalty": penalty,
        "noise": list(NOISES),
        "accuracy": [float(a.mean()) for a in each],
        "spread": [float(a.std(ddof=1)) for a in each],
    }


def size(net: nets.MLP) -> int:
    """Returns how many numbers of a network are trained."""
    return sum(a.size for a in jax.tree.leaves(net))


if __name__ == "__main__":
    large = teacher()
    keep(
        "distillation",
        {
            "teacher": {
                "accuracy": 100 * float(accuracy(large)),
                "numbers": size(large),
            },
            "student": {"numbers": size(network(jr.key(0), 32, 1))},
            "transfer": [
                row
                for n, seeds in ((1, 10), (5, 10), (20, 5))
                for row in transfer(n, seeds)
            ],
            "robustness": [robustness(p, 5) for p in PENALTIES],
        },
    )
