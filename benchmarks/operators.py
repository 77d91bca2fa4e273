"""Derivatives inside a training step: the engine against nested differentiation.

For every operator, the time of one step of gradient descent on the mean squared
operator of a tanh network (64 x 4), ten steps inside one compiled loop; ways in turn,
one of them twice (A/A). The ratio is to the engine: above 1, the engine is faster.

    python benchmarks/operators.py [--rounds 11] [CASE ...]
"""

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.jet import jet as taylor

from _common import interleaved, keep
from osculate import diff, nets
from osculate.core import trainable

STEPS, WIDTH, DEPTH = 10, 64, 4
Way = Callable[[Callable, jax.Array], list]


def along(u: Callable, axis: int) -> Callable:
    """Returns the derivative along a coordinate, forward."""

    def at(x):
        e = jnp.zeros_like(x).at[axis].set(1)
        return jax.jvp(u, (x,), (e,))[1]

    return at


def forward(*axes: int) -> Way:
    """Nested forward differentiation."""
    return lambda u, x: [functools.reduce(along, axes, u)(x)]


def reverse(*axes: int) -> Way:
    """Nested reverse differentiation, as with `torch.autograd.grad`."""
    step = lambda u, axis: lambda x: jax.grad(u)(x)[axis]
    return lambda u, x: [functools.reduce(step, axes, u)(x)]


def burgers_nested(u: Callable, x: jax.Array) -> list:
    """Value and gradient in reverse, the second derivative forward over forward."""
    value, g = jax.value_and_grad(u)(x)
    return [value, g, along(along(u, 1), 1)(x)]


def burgers_reverse(u: Callable, x: jax.Array) -> list:
    """Everything in reverse."""
    value, g = jax.value_and_grad(u)(x)
    return [value, g, jax.grad(lambda y: jax.grad(u)(y)[1])(x)[1]]


def trace_of_hessian(u: Callable, x: jax.Array) -> list:
    """The Laplacian from the full Hessian."""
    return [jnp.trace(jax.hessian(u)(x))]


def forward_over_forward(u: Callable, x: jax.Array) -> list:
    """The Laplacian from second derivatives along every coordinate."""
    second = lambda e: jax.jvp(lambda y: jax.jvp(u, (y,), (e,))[1], (x,), (e,))[1]
    return [jnp.sum(jax.vmap(second)(jnp.eye(x.size, dtype=x.dtype)))]


def forward_over_reverse(u: Callable, x: jax.Array) -> list:
    """The Laplacian from products with the Hessian."""
    row = lambda e: jax.jvp(jax.grad(u), (x,), (e,))[1] @ e
    return [jnp.sum(jax.vmap(row)(jnp.eye(x.size, dtype=x.dtype)))]


def taylor_mode(order: int, axis: int | None) -> Way:
    """`jax.experimental.jet` along one coordinate, or summed over all."""

    def one(u, x, e):
        series = [e, *[jnp.zeros_like(e)] * (order - 1)]
        return taylor(u, (x,), (series,))[1][-1]

    def at(u, x):
        eye = jnp.eye(x.size, dtype=x.dtype)
        if axis is not None:
            return [one(u, x, eye[axis])]
        return [jnp.sum(jax.vmap(lambda e: one(u, x, e))(eye))]

    return at


def twice(laplacian: Way) -> Way:
    """The biharmonic operator as the Laplacian of the Laplacian."""
    return lambda u, x: laplacian(lambda y: laplacian(u, y)[0], x)


LAPLACIANS: dict[str, Way] = {
    "engine": lambda u, x: [diff.laplacian(u)(x)],
    "hessian": trace_of_hessian,
    "forward over forward": forward_over_forward,
    "forward over reverse": forward_over_reverse,
    "jet": taylor_mode(2, None),
}
BIHARMONICS: dict[str, Way] = {
    "engine": lambda u, x: [diff.biharmonic(u)(x)],
    "forward": twice(forward_over_forward),
    "forward over reverse": twice(forward_over_reverse),
}
CASES: dict[str, tuple[int, int, dict[str, Way]]] = {
    "u, u_t, u_x, u_xx": (
        2,
        2048,
        {
            "engine": lambda u, x: list(
                diff.partials(u, "u u_t u_x u_xx", over="t x")(x)
            ),
            "reverse and forward": burgers_nested,
            "reverse": burgers_reverse,
        },
    ),
    "laplacian, D = 2": (2, 2048, LAPLACIANS),
    "laplacian, D = 10": (10, 1024, LAPLACIANS),
    "laplacian, D = 100": (
        100,
        128,
        {n: way for n, way in LAPLACIANS.items() if n != "hessian"},
    ),
    "u_xxxx": (
        2,
        2048,
        {
            "engine": lambda u, x: [diff.partial(u, "u_xxxx", over="t x")(x)],
            "forward": forward(1, 1, 1, 1),
            "reverse": reverse(1, 1, 1, 1),
            "jet": taylor_mode(4, 1),
        },
    ),
    "u_ttxx": (
        2,
        1024,
        {
            "engine": lambda u, x: [diff.partial(u, "u_ttxx", over="t x")(x)],
            "forward": forward(0, 0, 1, 1),
            "reverse": reverse(0, 0, 1, 1),
        },
    ),
    "biharmonic, D = 2": (2, 1024, BIHARMONICS),
    "biharmonic, D = 3": (3, 512, BIHARMONICS),
    "biharmonic, D = 5": (5, 256, BIHARMONICS),
}


def descent(way: Way, size: int, points: int, dtype: Any) -> tuple[Callable, dict]:
    """Returns a compiled run of steps, and what its compilation took."""
    model = nets.MLP(size, 1, width=WIDTH, depth=DEPTH, key=jax.random.key(0))
    theta, build = trainable(jax.tree.map(lambda a: a.astype(dtype), model))
    draws = np.random.default_rng(0).uniform(-1, 1, (points, size))
    x = jnp.asarray(draws, dtype)

    def loss(theta):
        u = lambda p: build(theta)(p)[0]
        found = jax.vmap(lambda p: way(u, p))(x)
        return sum(jnp.mean(f**2) for f in found)

    def steps(theta):
        down = lambda a, g: a - jnp.asarray(1e-6, dtype) * g
        step = lambda theta, _: (jax.tree.map(down, theta, jax.grad(loss)(theta)), None)
        return jax.lax.scan(step, theta, length=STEPS)[0]

    begun = time.perf_counter()
    compiled = jax.jit(steps).lower(theta).compile()
    facts = {
        "compile seconds": time.perf_counter() - begun,
        "temporary MB": compiled.memory_analysis().temp_size_in_bytes / 1e6,
    }
    jax.block_until_ready(compiled(theta))
    return lambda: compiled(theta), facts


def main() -> None:
    """Runs the cases in both precisions and keeps the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    found: dict[str, Any] = {"network": f"tanh, {WIDTH} x {DEPTH}", "steps": STEPS}
    for dtype in ("float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            for name in options.cases:
                size, points, ways = CASES[name]
                runs = {n: descent(w, size, points, dtype) for n, w in ways.items()}
                times = interleaved(
                    {n: run for n, (run, _) in runs.items()}, rounds=options.rounds
                )
                found[f"{name}, {dtype}"] = {
                    "points": points,
                    "times": times,
                    "facts": {n: facts for n, (_, facts) in runs.items()},
                }
                line = {n: round(t["ratio"]["median"], 2) for n, t in times.items()}
                print(dtype, name, line, flush=True)
    keep("operators", found)


if __name__ == "__main__":
    main()
