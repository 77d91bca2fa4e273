"""Variance of gradient estimators against theory; speed against other libraries.

Peers are used where they can be imported (numpyro, ott-jax, scikit-learn); of those
that cannot, a line is printed.

    python benchmarks/chance.py [--smoke]
"""

import argparse
import importlib
import importlib.util
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from _common import interleaved, keep
from osculate import chance

DIMENSION, DRAWS = 20, 10
MEANS = (0.0, 1.0, 3.0)


class Size(NamedTuple):
    """How much is done.

    Attributes:
        repeats: Gradients whose variance is taken.
        numbers: Draws and densities of one call.
        points: Of a transport and of a picture.
        steps: Of a picture.
        rounds: Of every timing.
    """

    repeats: int
    numbers: int
    points: int
    steps: int
    rounds: int


FULL = Size(20_000, 1_000_000, 500, 1000, 15)
SMOKE = Size(2000, 1000, 40, 20, 2)


def theory(mu: float, D: int = DIMENSION, n: int = DRAWS) -> dict[str, float]:
    """Returns the variance of estimates of the slope of E|x|^2 by one mean.

    With z the noise of the entry and R the square of all others, of mean m and variance
    v, the square is (mu + z)^2 + R; its slope is 2 (mu + z), the score is z.

    Args:
        mu: Mean of every entry; the deviations are 1.
        D: Entries.
        n: Draws.

    Returns:
        Variances by way.
    """
    m, v = (D - 1) * (mu**2 + 1), (D - 1) * (2 + 4 * mu**2)
    alone = v + m**2 + 2 * m * (mu**2 + 3) + mu**4 + 18 * mu**2 + 15 - 4 * mu**2
    product = v + 10 + 12 * mu**2  # of squared deviation and z^2
    total, covariance = v + 2 + 4 * mu**2, 2 * mu
    others = product - ((n - 2) * covariance**2 - total) / (n - 1)
    return {
        "reparameterize": 4 / n,
        "measure": mu**2 * (16 / math.pi - 4) / n,
        "score": alone / n,
        "score, leave-one-out": others / n,
        "score, exact baseline": (product - covariance**2) / n,
    }


def measured(way: str, mu: float, repeats: int) -> float:
    """Returns the variance of many gradients, mean over the entries."""
    how, _, base = way.partition(", ")
    exact = DIMENSION * (mu**2 + 1)
    baseline = {"leave-one-out": "leave-one-out", "exact baseline": exact}.get(base)

    def slope(key: jax.Array) -> jax.Array:
        square = lambda x: jnp.sum(x**2)
        law = lambda mean: chance.Normal(mean, 1.0)
        estimate = lambda mean: chance.expect(
            square, law(mean), key, DRAWS, how, baseline=baseline
        )
        return jax.grad(estimate)(jnp.full(DIMENSION, mu))

    at_once = lambda keys: jax.lax.map(slope, keys, batch_size=500)
    found = jax.jit(at_once)(jr.split(jr.key(0), repeats))
    return float(jnp.mean(jnp.var(found, axis=0)))


def variances(size: Size) -> list[dict[str, Any]]:
    """Returns measured and exact variances, and how many times the reparameterized."""
    rows = []
    for mu in MEANS:
        exact = theory(mu)
        for way, variance in exact.items():
            found = measured(way, mu, size.repeats)
            # A variance of heavy tails, from some thousand gradients.
            np.testing.assert_allclose(found, variance, rtol=0.15, atol=1e-6)
            times = variance / exact["reparameterize"]
            row = {"mu": mu, "way": way, "measured": found, "exact": variance}
            rows.append(row | {"times reparameterized": times})
    return rows


def there(name: str) -> bool:
    """Returns whether a library can be imported; says so where it cannot."""
    found = importlib.util.find_spec(name) is not None
    if not found:
        print(f"{name} is not installed: skipped")
    return found


def laws() -> dict[str, tuple[chance.Distribution, str, dict[str, Any]]]:
    """Returns distributions, their class in numpyro and its arguments."""
    logits = jnp.linspace(-1, 1, 10)
    return {
        "normal": (chance.Normal(0.5, 2.0), "Normal", {"loc": 0.5, "scale": 2.0}),
        "gamma": (
            chance.Gamma(2.5, 1.5),
            "Gamma",
            {"concentration": 2.5, "rate": 1.5},
        ),
        "student": (chance.StudentT(4.0), "StudentT", {"df": 4.0}),
        "poisson": (chance.Poisson(3.0), "Poisson", {"rate": 3.0}),
        "categorical": (chance.Categorical(logits), "Categorical", {"logits": logits}),
    }


def distributions(size: Size) -> dict[str, Any]:
    """Returns times of draws, densities and their slopes against numpyro."""
    if not there("numpyro"):
        return {}
    peers = importlib.import_module("numpyro.distributions")
    found = {}
    for name, (ours, peer, arguments) in laws().items():
        theirs = getattr(peers, peer)(**arguments)
        x = ours.sample(jr.key(0), (size.numbers,))
        np.testing.assert_allclose(ours.log_prob(x), theirs.log_prob(x), rtol=1e-4)
        pair = {"ours": ours, "numpyro": theirs}
        for what, make in (("sample", sampler), ("log_prob", density)):
            ways = {who: make(law, x) for who, law in pair.items()}
            found[f"{name}, {what}"] = timed(ways, size.rounds)
    return found


def sampler(law: Any, x: jax.Array) -> Callable[[], Any]:
    """Returns a compiled call that draws as many numbers."""
    draw = jax.jit(lambda key: law.sample(key, (len(x),)))
    return lambda: draw(jr.key(1))


def density(law: Any, x: jax.Array) -> Callable[[], Any]:
    """Returns a compiled call of the log-density of all numbers."""
    log_prob = jax.jit(lambda x: law.log_prob(x))
    return lambda: log_prob(x)


def timed(ways: dict[str, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """Calls every way once, to compile it, and times them in turn."""
    for way in ways.values():
        jax.block_until_ready(way())
    return interleaved(ways, rounds=rounds)


def transport(size: Size) -> dict[str, Any]:
    """Returns times of the penalized transport of two clouds against ott-jax."""
    if not there("ott"):
        return {}
    pointcloud = importlib.import_module("ott.geometry.pointcloud")
    linear = importlib.import_module("ott.solvers.linear")
    x, y = jr.normal(jr.key(0), (2, size.points, 3))
    y = y + 1.0
    found = {}
    for epsilon in (1.0, 0.1):

        @jax.jit
        def ours(x: jax.Array, y: jax.Array, epsilon: float = epsilon) -> jax.Array:
            cost = chance.squared_distances(x, y)
            return chance.sinkhorn(cost, epsilon, tolerance=1e-3).value

        @jax.jit
        def theirs(x: jax.Array, y: jax.Array, epsilon: float = epsilon) -> jax.Array:
            geometry = pointcloud.PointCloud(x, y, epsilon=epsilon)
            return linear.solve(geometry, threshold=1e-3).reg_ot_cost

        np.testing.assert_allclose(ours(x, y), theirs(x, y), rtol=1e-2)
        ways = {"ours": lambda f=ours: f(x, y), "ott-jax": lambda f=theirs: f(x, y)}
        found[f"epsilon = {epsilon}"] = timed(ways, size.rounds)
    return found


def picture(size: Size) -> dict[str, Any]:
    """Returns times and divergences of t-SNE against scikit-learn."""
    if not there("sklearn"):
        return {}
    manifold = importlib.import_module("sklearn.manifold")
    labels = jnp.arange(size.points) % 10
    centres = 4 * jr.normal(jr.key(0), (10, 20))
    x = centres[labels] + jr.normal(jr.key(1), (size.points, 20))
    perplexity, steps = min(30.0, size.points / 4), max(size.steps, 250)
    embed = jax.jit(lambda x: chance.tsne(x, jr.key(2), 2, perplexity, steps))

    def theirs(method: str) -> Any:
        made = manifold.TSNE(
            perplexity=perplexity,
            max_iter=steps,
            init="random",
            method=method,
            random_state=0,
        )
        return made.fit(np.asarray(x))

    losses = {"ours": embed(x).losses[-1].item()}
    ways: dict[str, Callable[[], Any]] = {"ours": lambda: embed(x)}
    for method in ("exact", "barnes_hut"):
        name = f"scikit-learn, {method}"
        losses[name] = float(theirs(method).kl_divergence_)
        ways[name] = lambda method=method: theirs(method).embedding_
    times = timed(ways, max(2, size.rounds // 5))
    return {"divergences": losses, "times": times}


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Yields variances in words, for a smoke test."""
    for row in found["variances"]:
        times = f"{row['times reparameterized']:.4g} times the reparameterized"
        yield f"mu = {row['mu']:g}, {row['way']}: {row['measured']:.3g}, {times}"


def main() -> None:
    """Measures everything; keeps the result unless it is a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="small, nothing is kept")
    smoke = parser.parse_args().smoke
    size = SMOKE if smoke else FULL
    found = {
        "variances": variances(size),
        "distributions": distributions(size),
        "transport": transport(size),
        "t-SNE": picture(size),
    }
    if smoke:
        print("\n".join(lines(found)))
    else:
        keep("chance", {"size": size._asdict(), **found})


if __name__ == "__main__":
    main()
