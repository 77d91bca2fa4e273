"""Curvature in gradients, and how far second-order methods go on Poisson's equation.

    python benchmarks/curve.py [--smoke] [--only products poisson]
        [--values FILE.npz]

The network of the products has 4,155 parameters, the rows are 4,096, in float32. The
equation is -div grad u = 2 pi^2 sin(pi x) sin(pi y) on the unit square, in float64; the
condition u = 0 is built into the network, or asked of it at 400 points of the boundary.
"""

import argparse
import functools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax
import numpy as np
import optax

from _common import interleaved, keep, spread
from osculate import curve, diff, nets, train
from osculate.core import Objective, Samples, Term, trainable

BLOCK = 16  # vectors in a product with many
DAMPING = 1e-3  # of the inverse of Kronecker factors
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


def problem(
    seed: int, hard: bool, N: int = 900, depth: int = 2
) -> tuple[Any, Any, Any]:
    """Returns objective, network and points."""
    u = Poisson(nets.MLP(2, 1, width=20, depth=depth, key=jr.key(seed)), hard)
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


def regression(N: int) -> tuple[Objective, nets.MLP, dict[str, Samples]]:
    """Returns objective, network and rows of the products."""
    net = nets.MLP(2, 1, width=62, depth=2, key=jr.key(0))
    x, y = jr.uniform(jr.key(1), (N, 2)), jr.normal(jr.key(2), (N, 1))
    objective = Objective({"fit": Term(lambda m, x, y: m(x))})
    return objective, net, {"fit": Samples(x, y)}


def operators(*given: Any) -> dict[str, lineax.AbstractLinearOperator]:
    """Returns all operators, by name, on an objective at a network and rows."""
    J, factors = curve.jacobian(*given), curve.kfac(*given)
    return {
        "hessian": curve.hessian(*given),
        "gauss_newton": curve.gauss_newton(*given),
        "fisher": curve.fisher(*given),
        "fisher, drawn": curve.fisher(*given, key=jr.key(3)),
        "empirical_fisher": curve.empirical_fisher(*given),
        "jacobian": J,
        "jacobian, transposed": J.T,
        "kfac": factors,
        "kfac, inverse": factors.inverse(DAMPING),
    }


def drawn(structure: Any, seed: int = 4, number: int | None = None) -> Any:
    """Returns a tree of normal numbers, or so many along a first axis."""
    leaves, shape = jax.tree.flatten(structure)
    front = () if number is None else (number,)
    keys = jr.split(jr.key(seed), len(leaves))
    draw = lambda k, a: jr.normal(k, (*front, *a.shape), a.dtype)
    return jax.tree.unflatten(
        shape, [draw(k, a) for k, a in zip(keys, leaves, strict=True)]
    )


def products(smoke: bool) -> dict[str, Any]:
    """Returns times of products, alone and by 16, and of what is made once."""
    N, rounds = (64, 3) if smoke else (4096, 40)
    given = objective, net, samples = regression(N)
    theta, build = trainable(net)
    loss = lambda t: objective(build(t), samples)[0]
    gradient = jax.jit(jax.grad(loss))
    apply = eqx.filter_jit(lambda operator, v: operator.mv(v))
    block = eqx.filter_jit(lambda operator, V: jax.vmap(operator.mv)(V))
    noise = eqx.filter_jit(lambda m: curve.gradient_noise(objective, m, samples).simple)
    pairs = lambda made: (made.inputs, made.outputs)
    factors = eqx.filter_jit(lambda m: pairs(curve.kfac(objective, m, samples)))
    ways: dict[str, Callable[[], Any]] = {"gradient": lambda: gradient(theta)}
    # Apart: after a large block the next call pays for the memory it gave back.
    blocks = dict(ways)
    for name, operator in operators(*given).items():
        v = drawn(operator.in_structure())
        V = drawn(operator.in_structure(), number=BLOCK)
        ways[name] = lambda A=operator, v=v: apply(A, v)
        blocks[f"{name}, {BLOCK}"] = lambda A=operator, V=V: block(A, V)
    ways["kfac, factors"] = lambda: factors(net)
    ways["simple noise scale"] = lambda: noise(net)
    for way in (*ways.values(), *blocks.values()):
        jax.block_until_ready(way())
    P = sum(a.size for a in jax.tree.leaves(theta))
    times = interleaved(blocks, rounds=rounds) | interleaved(ways, rounds=rounds)
    return {"P": P, "N": N, "times": times}


def values(N: int) -> dict[str, Any]:
    """Returns network, rows, vectors and their products, for `curve_torch.py`.

    Args:
        N: Rows.

    Returns:
        Arrays by `dtype/name`; what is like the network is one vector, layer by layer,
        of a layer first its weights and then its biases.
    """
    found = {}
    for dtype in ("float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            given = _, net, samples = regression(N)
            rows = samples["fit"]
            noise = curve.gradient_noise(*given)
            here = {"x": rows.x, "y": rows.y, "parameters": by_layer(net)}
            here["trace_covariance"] = noise.trace_covariance
            here["widths"] = np.array([2, *(len(b) for b in net.biases)])
            for name, operator in operators(*given).items():
                v = drawn(operator.in_structure())
                here[f"{name}/vector"] = by_layer(v)
                here[f"{name}/product"] = by_layer(operator.mv(v))
            found |= {f"{dtype}/{name}": np.asarray(a) for name, a in here.items()}
    return found


def by_layer(tree: Any) -> jax.Array:
    """Returns one vector of what is like a network; an array as it is."""
    if not isinstance(tree, nets.MLP):
        return tree
    pairs = zip(tree.weights, tree.biases, strict=True)
    return jnp.concatenate([a.ravel() for pair in pairs for a in pair])


PARTS = {
    "products": products,
    "poisson": poisson,
}


def main() -> None:
    """Measures the parts that are asked for; keeps the results unless a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="small, nothing is kept")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--values", metavar="FILE.npz", help="write products, no times")
    options = parser.parse_args()
    if options.values:
        np.savez(options.values, **values(64 if options.smoke else 4096))
        return
    for name in options.only:
        found = PARTS[name](options.smoke)
        if options.smoke:
            print(name, np.shape(list(found)))
        else:
            keep(f"curve_{name}", found)


if __name__ == "__main__":
    main()
