"""Symbolic derivatives swell, programs do not (SPEC S3.14, K1.4/a).

Operations in sympy's gradient of a product, of a determinant and of a tanh network,
against equations in the trace of JAX's gradient of the same, number by number.

    python studies/symbolic_swell.py          (needs sympy: the group `studies`)
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from _keep import keep
from _programs import CASES, arguments, equations, known, network, product


def symbolic(case: str, n: int) -> tuple[tuple, list]:
    """Returns symbols, and sympy's derivatives by those of the first argument."""
    args = arguments(case, n, sympy.Symbol)
    if case == "determinant":  # elimination would divide: sympy's own is smaller
        f = sympy.Matrix(*args).det(method="laplace")
    else:
        f = network(*args, tanh=sympy.tanh) if case == "network" else product(*args)
    return args, [sympy.diff(f, symbol) for symbol in jax.tree.leaves(args[0])]


def sizes(case: str, n: int) -> dict[str, int]:
    """Returns the sizes of sympy's gradient and of JAX's.

    Args:
        case: One of `CASES`.
        n: Factors, rows, or hidden layers.

    Returns:
        Operations and nodes of the expressions; operations once their common parts are
        shared (`sympy.cse`); equations of the trace.
    """
    _, found = symbolic(case, n)
    count = lambda expressions: sum(int(sympy.count_ops(e)) for e in expressions)
    parts, rest = sympy.cse(found, optimizations=None)
    return {
        "n": n,
        "operations": count(found),
        "nodes": sum(1 for e in found for _ in sympy.preorder_traversal(e)),
        "shared": count([part for _, part in parts]) + count(rest),
        "equations": equations(case, n),
    }


def disagreement(case: str, n: int) -> float:
    """Returns the largest difference of both gradients at a random point."""
    symbols, found = symbolic(case, n)
    draw = np.random.default_rng(n).normal
    point = arguments(case, n, lambda _: jnp.asarray(draw()))
    names, numbers = jax.tree.leaves(symbols), jax.tree.leaves(point)
    by_sympy = sympy.lambdify(names, found)(*map(float, numbers))
    by_jax = jax.tree.leaves(jax.jit(jax.grad(CASES[case][0]))(*point))
    return float(np.max(np.abs(np.subtract(by_sympy, by_jax))))


if __name__ == "__main__":
    with jax.enable_x64(True):
        every: dict[str, Any] = {"sympy": sympy.__version__, "known": known()}
        for case, (_, numbers) in CASES.items():
            every[case] = [sizes(case, n) for n in numbers]
        every["disagreement"] = {case: disagreement(case, 4) for case in CASES}
    keep("symbolic_swell", every)
