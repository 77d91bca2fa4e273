"""Distributions against numpyro, transport against ott-jax, t-SNE against two others.

Used by `chance.py`. All ways are compared in value before the clock starts; the ratio
is to the peer: below 1, ours is faster.
"""

import os
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from _common import interleaved
from osculate import chance

SIZE = 10  # of vectors, and the number of classes
THRESHOLD = 1e-3  # L1 error of the shares at which a transport stops
TRANSPORTS = ((500, 1.0), (500, 0.1), (500, 0.01), (2000, 1.0), (2000, 0.1))
PERPLEXITY, EXAGGERATION = 30.0, 12.0
EARLY, STEPS = 250, 1000

Laws = dict[str, tuple[chance.Distribution, Any]]


def first_seconds(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Calls every way once, which compiles it, and returns what that took."""
    taken = {}
    for name, way in ways.items():
        begun = time.perf_counter()
        jax.block_until_ready(way())
        taken[name] = time.perf_counter() - begun
    return taken


def timed(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """Returns the seconds of first calls, and later ones in turn."""
    first = first_seconds(ways)
    return {"first seconds": first, "later": interleaved(ways, rounds=rounds)}


def laws() -> Laws:
    """Returns distributions, and the same of numpyro."""
    peers = import_module("numpyro.distributions")
    logits = jnp.linspace(-1, 1, SIZE)
    weights = jnp.linspace(0.5, 3.0, SIZE)
    L = jnp.linalg.cholesky(0.5 * jnp.identity(SIZE) + 0.5)
    zero = jnp.zeros(SIZE)
    number = lambda *values: tuple(map(jnp.asarray, values))
    same = lambda ours, theirs, *values: (ours(*values), theirs(*values))
    return {
        "normal": same(chance.Normal, peers.Normal, *number(0.5, 2.0)),
        "gamma": same(chance.Gamma, peers.Gamma, *number(2.5, 1.5)),
        "student": same(chance.StudentT, peers.StudentT, *number(4.0, 0.5, 2.0)),
        "beta": same(chance.Beta, peers.Beta, *number(2.0, 3.0)),
        "poisson, rate 3": same(chance.Poisson, peers.Poisson, *number(3.0)),
        "poisson, rate 30": same(chance.Poisson, peers.Poisson, *number(30.0)),
        "categorical": (chance.Categorical(logits), peers.Categorical(logits=logits)),
        "dirichlet": same(chance.Dirichlet, peers.Dirichlet, weights),
        "multivariate normal": (
            chance.MultivariateNormal(zero, L),
            peers.MultivariateNormal(zero, scale_tril=L),
        ),
    }


def distributions(smoke: bool) -> dict[str, Any]:
    """Returns times of draws and densities; the distributions are arguments."""
    numbers, rounds = (1000, 2) if smoke else (1_000_000, 5)
    found = {}
    for name, (ours, theirs) in laws().items():
        shape = (numbers // (ours.shape or (1,))[-1],)
        draw = jax.jit(lambda law, key, shape=shape: law.sample(key, shape))
        density = jax.jit(lambda law, x: law.log_prob(x))
        x = draw(ours, jr.key(0))
        exact, peer = density(ours, x), density(theirs, x)
        np.testing.assert_allclose(exact, peer, rtol=1e-4, atol=1e-4)
        call = lambda f, law, at: lambda: f(law, at)
        for what, f, at in (("sample", draw, jr.key(1)), ("log_prob", density, x)):
            ways = {"numpyro": call(f, theirs, at), "ours": call(f, ours, at)}
            found[f"{name}, {what}"] = timed(ways, rounds)
    return {"numpyro": version("numpyro"), "numbers": numbers, "times": found}


def transports(epsilon: float) -> dict[str, Callable[..., tuple[Any, Any]]]:
    """Returns ways from two clouds to value and error of their transport."""
    pointcloud = import_module("ott.geometry.pointcloud")
    geometry = import_module("ott.geometry.geometry")
    linear = import_module("ott.solvers.linear")

    def solved(geometry: Any) -> tuple[Any, Any]:
        most = 10_000
        found = linear.solve(geometry, threshold=THRESHOLD, max_iterations=most)
        made = jnp.where(found.errors > 0, found.errors, jnp.inf)
        return found.reg_ot_cost, jnp.min(made)

    def ours(x: jax.Array, y: jax.Array) -> tuple[Any, Any]:
        cost = chance.squared_distances(x, y)
        found = chance.sinkhorn(cost, epsilon, tolerance=THRESHOLD)
        return found.value, found.error

    points = lambda x, y: pointcloud.PointCloud(x, y, epsilon=epsilon)
    costs = lambda x, y: geometry.Geometry(
        chance.squared_distances(x, y), epsilon=epsilon
    )
    return {
        "ott-jax, points": jax.jit(lambda x, y: solved(points(x, y))),
        "ott-jax, costs": jax.jit(lambda x, y: solved(costs(x, y))),
        "ours": jax.jit(ours),
    }


def transport(smoke: bool) -> dict[str, Any]:
    """Returns times of the penalized transport of two normal clouds."""
    cases, rounds = (((40, 1.0),), 2) if smoke else (TRANSPORTS, 7)
    found = {}
    for n, epsilon in cases:
        x, y = jr.normal(jr.key(0), (2, n, 3))
        call = lambda f, x=x, y=y + 1: lambda: f(x, y)
        ways = {name: call(f) for name, f in transports(epsilon).items()}
        first = first_seconds(ways)
        values = {name: [float(v) for v in way()] for name, way in ways.items()}
        for value, error in values.values():
            np.testing.assert_allclose(value, values["ours"][0], rtol=1e-4)
            assert error <= THRESHOLD
        found[f"n = {n}, epsilon = {epsilon}"] = {
            "value and error": values,
            "first seconds": first,
            "later": interleaved(ways, rounds=rounds),
        }
    return {"ott-jax": version("ott-jax"), "threshold": THRESHOLD, "times": found}


def embeddings(
    x: np.ndarray, start: np.ndarray, rate: float, steps: int
) -> dict[str, Callable[[], np.ndarray]]:
    """Returns ways to the picture of the same points from the same start.

    Args:
        x: Points.
        start: Where the points of the picture start.
        rate: Step per gradient of the divergence; openTSNE takes that of a quarter.
        steps: Of descent, all together.

    Returns:
        Calls without arguments.
    """
    manifold, opentsne = import_module("sklearn.manifold"), import_module("openTSNE")
    embed = jax.jit(
        lambda x, start: (
            chance.tsne(
                x, jr.key(0), 2, PERPLEXITY, steps, learning_rate=rate, initial=start
            ).points
        )
    )
    shared = {"perplexity": PERPLEXITY, "early_exaggeration": EXAGGERATION}
    fast = {"n_jobs": os.cpu_count()}

    def scikit(method: str) -> np.ndarray:
        options = {"init": start, "learning_rate": rate, "max_iter": steps}
        made = manifold.TSNE(**shared, **options, **fast, method=method)
        return made.fit_transform(x)

    def opened(method: str) -> np.ndarray:
        options = {"initialization": start, "learning_rate": 4 * rate}
        times = {"early_exaggeration_iter": EARLY, "n_iter": steps - EARLY}
        momenta = {"initial_momentum": 0.5, "final_momentum": 0.8}
        how = {"neighbors": "exact", "negative_gradient_method": method}
        made = opentsne.TSNE(**shared, **options, **times, **momenta, **how, **fast)
        return np.asarray(made.fit(x))

    return {
        "scikit-learn, exact": lambda: scikit("exact"),
        "scikit-learn, barnes_hut": lambda: scikit("barnes_hut"),
        "openTSNE, bh": lambda: opened("bh"),
        "openTSNE, fft": lambda: opened("fft"),
        "ours": lambda: np.asarray(embed(x, start)),
    }


def pictures(smoke: bool) -> dict[str, Any]:
    """Returns divergences and times of the picture of scikit-learn's digits."""
    x = import_module("sklearn.datasets").load_digits().data / 16
    x = (x[:200] if smoke else x).astype(np.float32)
    centred = x - np.mean(x, 0)
    start = (centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T).copy()
    start *= 1e-4 / np.std(start[:, 0])
    rate = max(len(x) / (4 * EXAGGERATION), 50.0)
    with jax.enable_x64(True):
        p = chance.neighbour_probabilities(jnp.asarray(x, jnp.float64), PERPLEXITY)
    last: dict[str, np.ndarray] = {}

    def kept(name: str, way: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
        def call() -> np.ndarray:
            last[name] = way()
            return last[name]

        return call

    ways = embeddings(x, start, rate, EARLY + 10 if smoke else STEPS)
    first = first_seconds({"ours": ways["ours"]})
    times = interleaved({n: kept(n, way) for n, way in ways.items()}, rounds=2)
    with jax.enable_x64(True):
        loss = lambda y: float(chance.tsne_loss(jnp.asarray(y, jnp.float64), p))
        divergences = {name: loss(y) for name, y in last.items()}
    if not smoke:
        assert divergences["ours"] <= 1.01 * min(divergences.values())
    libraries = {name: version(name) for name in ("scikit-learn", "openTSNE")}
    head = {"points": len(x), "learning rate": rate, "versions": libraries}
    return head | {"divergence": divergences, "first seconds": first, "later": times}
