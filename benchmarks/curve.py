"""Curvature in gradients, and how far second-order methods go on Poisson's equation.

    python benchmarks/curve.py [--smoke] [--only products poisson levenberg_marquardt]

The network of the products has 4,155 parameters, the rows are 4,096, in float32. The
equation is -div grad u = 2 pi^2 sin(pi x) sin(pi y) on the unit square, in float64; the
condition u = 0 is built into the network, or asked of it at 400 points of the boundary.
"""

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import optimistix as optx

from _common import interleaved, keep, spread
from osculate import curve, diff, nets, train
from osculate.core import Objective, Samples, Term, trainable

SQUARE = 60  # points per side where errors are measured


class Poisson(eqx.Module):
    """The solution as a network, with the boundary condition built in or not.

    Attributes:
        net: The network.
        hard: Whether it is 0 on the boundary whatever the network.
    """

    net: nets.MLP
    hard: bool = eqx.field(static=True)

    def __call__(self, p: jax.Array) -> jax.Array:
        """Returns u at one point."""
        x, y = p
        u = self.net(2 * p - 1)[0]
        return 16 * x * (1 - x) * y * (1 - y) * u if self.hard else u


def exact(p: jax.Array) -> jax.Array:
    """The solution."""
    return jnp.prod(jnp.sin(jnp.pi * p))


def equation(u: Poisson, p: jax.Array, y: None) -> jax.Array:
    """Its residual at one point."""
    return diff.laplacian(u)(p) + 2 * jnp.pi**2 * exact(p)


def problem(seed: int, hard: bool, N: int = 900) -> tuple[Any, Any, Any]:
    """Returns objective, network and points."""
    u = Poisson(nets.MLP(2, 1, width=20, depth=2, key=jr.key(seed)), hard)
    golden = 1.32471795724474602596
    shift = jr.uniform(jr.fold_in(jr.key(seed), 1), (2,))
    steps = jnp.arange(1.0, N + 1)[:, None] / jnp.array([[golden, golden**2]])
    terms = {"equation": Term(equation)}
    samples = {"equation": Samples((shift[None] + steps) % 1.0)}
    if not hard:
        s = (jnp.arange(100) + 0.5) / 100
        zero, one = jnp.zeros(100), jnp.ones(100)
        sides = [(s, zero), (s, one), (zero, s), (one, s)]
        walls = jnp.concatenate([jnp.stack(side, 1) for side in sides])
        terms["wall"] = Term(lambda u, p, y: u(p), weight=100.0)
        samples["wall"] = Samples(walls)
    return Objective(terms), u, samples


@eqx.filter_jit
def error(u: Poisson) -> jax.Array:
    """The relative L2 error on a grid."""
    side = jnp.linspace(0.0, 1.0, SQUARE)
    grid = jnp.stack(jnp.meshgrid(side, side), -1).reshape(-1, 2)
    truth = jax.vmap(exact)(grid)
    return jnp.linalg.norm(jax.vmap(u)(grid) - truth) / jnp.linalg.norm(truth)


METHODS: dict[str, Callable[[], Any]] = {
    "ssbroyden": curve.ssbroyden,
    "levenberg_marquardt": curve.levenberg_marquardt,
    "L-BFGS": train.lbfgs,
    "Adam": functools.partial(train.first_order, optax.adam, 1e-3),
}


def poisson(smoke: bool) -> dict[str, Any]:
    """Returns errors after seconds of wall time, compilation included, by method."""
    seconds, seeds = (2.0, 1) if smoke else (15.0, 5)
    found = {}
    with jax.enable_x64(True):
        for hard in (True, False):
            for name, make in METHODS.items():
                errors, steps = [], []
                for seed in range(seeds if name == "ssbroyden" else min(seeds, 2)):
                    jax.clear_caches()
                    objective, u, samples = problem(seed, hard)
                    done = train.fit(objective, u, samples, make(), seconds=seconds)
                    errors.append(float(error(done.value)))
                    steps.append(done.stats["steps"])
                case = f"{'hard' if hard else 'soft'} boundary, {name}"
                found[case] = {"error": spread(errors), "steps": spread(steps)}
                print(case, found[case], flush=True)
    return {"seconds": seconds, "seeds": seeds, "cases": found}


def products(smoke: bool) -> dict[str, Any]:
    """Returns times of products and of the noise scale, in gradients."""
    N, rounds = (64, 3) if smoke else (4096, 60)
    net = nets.MLP(2, 1, width=62, depth=2, key=jr.key(0))
    x, y = jr.uniform(jr.key(1), (N, 2)), jr.normal(jr.key(2), (N, 1))
    objective = Objective({"fit": Term(lambda m, x, y: m(x))})
    samples = {"fit": Samples(x, y)}
    theta, build = trainable(net)
    v = jax.tree.map(jnp.ones_like, theta)
    loss = lambda t: objective(build(t), samples)[0]
    gradient = jax.jit(jax.grad(loss))
    apply = eqx.filter_jit(lambda operator, v: operator.mv(v))
    noise = eqx.filter_jit(lambda m: curve.gradient_noise(objective, m, samples).simple)
    operators = {
        "hessian": curve.hessian(objective, net, samples),
        "gauss_newton": curve.gauss_newton(objective, net, samples),
        "fisher": curve.fisher(objective, net, samples),
        "empirical_fisher": curve.empirical_fisher(objective, net, samples),
    }
    ways: dict[str, Callable[[], Any]] = {"gradient": lambda: gradient(theta)}
    for name, operator in operators.items():
        ways[name] = lambda operator=operator: apply(operator, v)
    ways["simple noise scale"] = lambda: noise(net)
    for way in ways.values():
        jax.block_until_ready(way())
    P = sum(a.size for a in jax.tree.leaves(theta))
    return {"P": P, "N": N, "times": interleaved(ways, rounds=rounds)}


def levenberg_marquardt(smoke: bool) -> dict[str, Any]:
    """Returns seconds per step against Optimistix, on the same residuals."""
    width, N, rounds = (6, 40, 2) if smoke else (31, 1200, 5)
    with jax.enable_x64(True):
        net = nets.MLP(2, 1, width=width, depth=2, key=jr.key(0))
        x = jr.uniform(jr.key(1), (N, 2))
        y = jnp.sin(3 * x[:, :1]) * x[:, 1:]
        objective = Objective({"fit": Term(lambda m, x, y: m(x))})
        samples = {"fit": Samples(x, y)}
        method = curve.levenberg_marquardt(acceleration=False)
        state = eqx.filter_jit(method.init)(objective, net, samples)
        ours = eqx.filter_jit(lambda m, s: method.step(objective, m, samples, s))
        theta, build = trainable(net)

        def residuals(t: Any, _: Any) -> jax.Array:
            return objective.residuals(build(t), samples)["fit"]

        solver = optx.LevenbergMarquardt(rtol=1e-12, atol=1e-12)

        @jax.jit
        def theirs(t: Any) -> Any:
            solve = optx.least_squares
            with jax.numpy_dtype_promotion("standard"):
                return solve(residuals, solver, t, max_steps=3, throw=False).value

        ways = {"ours": lambda: ours(net, state)[1].damping}
        ways |= {"optimistix, three steps": lambda: theirs(theta)}
        first = {}
        for name, way in ways.items():
            began = time.perf_counter()
            jax.block_until_ready(way())
            first[name] = time.perf_counter() - began
        P = sum(a.size for a in jax.tree.leaves(theta))
        times = interleaved(ways, rounds=rounds)
    return {"P": P, "N": N, "first seconds": first, "times": times}


PARTS = {
    "products": products,
    "poisson": poisson,
    "levenberg_marquardt": levenberg_marquardt,
}


def main() -> None:
    """Measures the parts that are asked for; keeps the results unless a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="small, nothing is kept")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    for name in options.only:
        found = PARTS[name](options.smoke)
        if options.smoke:
            print(name, np.shape(list(found)))
        else:
            keep(f"curve_{name}", found)


if __name__ == "__main__":
    main()
