"""Programs that work number by number, on symbols too, and their gradients by JAX."""

import functools
import itertools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from osculate import diff

WIDTH = 3


def product(x: list) -> Any:
    """Returns the product of numbers or symbols."""
    return functools.reduce(operator.mul, x)


def determinant(A: list[list]) -> Any:
    """Returns det A by elimination without pivots."""
    if len(A) == 1:
        return A[0][0]
    (pivot, *top), *below = A
    rest = []
    for first, *row in below:
        factor = first / pivot
        rest.append([a - factor * b for a, b in zip(row, top, strict=True)])
    return pivot * determinant(rest)


def network(x: Any, weights: list[list[list]], tanh: Callable = jnp.tanh) -> Any:
    """Returns a tanh network of one number."""
    dot = lambda row, y: functools.reduce(operator.add, map(operator.mul, row, y))
    y = [x]
    for W in weights[:-1]:
        y = [tanh(dot(row, y)) for row in W]
    return dot(weights[-1][0], y)


CASES = {
    "product": (product, range(2, 11)),
    "determinant": (determinant, range(2, 7)),
    "network": (network, range(1, 6)),
}


def arguments(case: str, n: int, entry: Callable[[str], Any]) -> tuple:
    """Returns the arguments of a case: factors, a square matrix, or x and weights."""
    matrix = lambda name, rows, columns: [
        [entry(f"{name}_{i}_{j}") for j in range(columns)] for i in range(rows)
    ]
    if case == "product":
        return (matrix("x", 1, n)[0],)
    if case == "determinant":
        return (matrix("a", n, n),)
    sizes = [1, *[WIDTH] * n, 1]
    pairs = enumerate(itertools.pairwise(sizes))
    return entry("x"), [matrix(f"w{k}", b, a) for k, (a, b) in pairs]


def equations(case: str, n: int) -> int:
    """Counts the equations that JAX's gradient needs; each is one operation."""
    args = arguments(case, n, lambda _: jax.ShapeDtypeStruct((), float))
    return sum(diff.cost(jax.grad(CASES[case][0]), *args).calls.values())


def cofactors(A: np.ndarray) -> np.ndarray:
    """Returns the transposed adjugate, minor by minor."""
    minor = lambda i, j: np.linalg.det(np.delete(np.delete(A, i, 0), j, 1))
    entry = np.vectorize(lambda i, j: (-1) ** (i + j) * minor(i, j))
    return entry(*np.indices(A.shape))


def known() -> dict[str, Any]:
    """Returns gradients where they are known, or their error (SPEC K1.4/a)."""
    draw = np.random.default_rng(0).normal
    matrices = {
        "regular": draw(size=(4, 4)),
        "rank 3": draw(size=(4, 3)) @ draw(size=(3, 4)),
        "equal columns": np.array(
            [[4.0, 4, 1, 2], [2, 2, 3, 1], [1, 1, 0, 5], [0, 0, 2, 3]]
        ),
        "diag(1, 2, 0, 3)": np.diag([1.0, 2.0, 0.0, 3.0]),
    }
    slopes = {
        "diff.determinant": jax.jit(jax.grad(diff.determinant)),
        "jnp.linalg.det": jax.jit(jax.grad(jnp.linalg.det)),
    }
    off = lambda slope, A: float(np.max(np.abs(slope(jnp.asarray(A)) - cofactors(A))))
    point = jnp.asarray([2.0, 0.0, 3.0])
    return {
        "product at (2, 0, 3)": diff.gradient(product)(point).tolist(),
        "against cofactors": {
            way: {name: off(slope, A) for name, A in matrices.items()}
            for way, slope in slopes.items()
        },
    }
