"""Derivatives inside a training step: the engine against other ways of JAX.

For every case, the time of one step of gradient descent on the mean squared operator,
and that of the operator alone, ten of them inside one compiled loop; ways in turn, one
of them twice (A/A). The ratio is to the engine: above 1, the engine is faster. Before
that, all ways are compared in value, and a case whose ways differ fails.

Any environment with osculate does; folx is one of the ways where it is installed.
Without a case all are run; what is run replaces the same cases and precisions of the
result and leaves the others.

    python benchmarks/operators.py [--rounds 11] [--dtype float64] [CASE ...]
    python benchmarks/operators.py --dtype float32 laplacian u_xxxx
"""

import functools
import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from _cases import (
    CASES,
    DEPTH,
    RATE,
    STEPS,
    TOLERANCES,
    Case,
    arguments,
    chosen,
    compare,
    draw,
    precisions,
)
from _clock import merge
from _common import interleaved, place
from _ways import WAYS, Field, Way, folx
from osculate import diff, nets
from osculate.core import trainable


class Problem(NamedTuple):
    """A case in one precision.

    Attributes:
        theta: The parameters.
        field: Parameters to the function of one point.
        batches: Points, `(STEPS, points, D)`.
    """

    theta: Any
    field: Callable[[Any], Field]
    batches: jax.Array


def problem(case: Case, dtype: Any) -> Problem:
    """Returns the network and the points of a case."""
    weights, biases, batches = draw(case)
    cast = lambda arrays: [jnp.asarray(a, dtype) for a in arrays]
    key = jax.random.key(0)
    model = eqx.tree_at(
        lambda m: (m.weights, m.biases),
        nets.MLP(case.size, 1, width=case.width, depth=DEPTH, key=key),
        (cast(weights), cast(biases)),
    )
    theta, build = trainable(model)
    trial = lambda n: (
        lambda p: -jnp.sin(jnp.pi * p[1]) + p[0] * (1 - p[1] ** 2) * n(p)[0]
    )
    plain = lambda n: lambda p: n(p)[0]
    shape = trial if case.trial else plain
    return Problem(
        theta, lambda theta: shape(build(theta)), jnp.asarray(batches, dtype)
    )


def descent(given: Problem, way: Way) -> Callable:
    """Returns `STEPS` steps of descent on the mean square of a way.

    What is carried and returned is the sum of the gradients, from which the parameters
    follow: they themselves would keep few of its digits after steps so small.
    """

    def loss(theta, x):
        found = jax.vmap(lambda p: way(given.field(theta), p))(x)
        return sum(jnp.sum(f**2) for f in found) / len(x)

    def steps(theta, batches):
        down = lambda a, g: a - jnp.asarray(RATE, a.dtype) * g

        def step(total, _):
            found = jax.grad(loss)(jax.tree.map(down, theta, total), batches[0])
            return jax.tree.map(jnp.add, total, found), None

        return jax.lax.scan(step, jax.tree.map(jnp.zeros_like, theta), length=STEPS)[0]

    return steps


def operator(given: Problem, way: Way) -> Callable:
    """Returns a way at all points of all batches, batch by batch."""

    def values(theta, batches):
        return jax.lax.map(jax.vmap(lambda p: way(given.field(theta), p)), batches)

    return values


def compiled(
    kind: Callable, given: Problem, ways: dict[str, Way], rounds: int
) -> tuple[dict[str, Callable], dict[str, dict]]:
    """Compiles ways in turn, and says what it took.

    Args:
        kind: `descent` or `operator`.
        given: The problem.
        ways: The ways.
        rounds: How often each is compiled.

    Returns:
        The programs, ready to call, and of each the median seconds of tracing and
        compilation, and its memory.
    """
    programs, seconds = {}, {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            lowered = jax.jit(kind(given, way)).lower(given.theta, given.batches)
            programs[name] = lowered.compile()
            seconds[name].append(time.perf_counter() - begun)
    facts = {
        name: {
            "compile seconds": statistics.median(seconds[name]),
            "temporary MB": program.memory_analysis().temp_size_in_bytes / 1e6,
        }
        for name, program in programs.items()
    }
    call = lambda program: lambda: program(given.theta, given.batches)
    return {name: call(program) for name, program in programs.items()}, facts


def forwards(given: Problem, way: Way) -> float:
    """Returns the products of a way by those of the field, at many points."""
    u, points = given.field(given.theta), jnp.tile(given.batches[0, :1], (10_000, 1))
    products = lambda f: diff.cost(jax.vmap(f), points).products
    return products(lambda p: way(u, p)) / products(u)


def table_of(values: list[jax.Array]) -> np.ndarray:
    """Returns the numbers of a way, one row per point."""
    rows = values[0].shape[0] * values[0].shape[1]
    return np.concatenate([np.reshape(v, (rows, -1)) for v in values], axis=1)


def flat(tree: Any) -> np.ndarray:
    """Returns all numbers of a tree."""
    return np.concatenate([np.ravel(a) for a in jax.tree.leaves(tree)])


def agree(steps: dict, operators: dict, dtype: str) -> dict[str, float]:
    """Fails unless all ways compute the same values and the same gradients.

    Args:
        steps: Ways of the descent.
        operators: Ways of the operator alone.
        dtype: The precision.

    Returns:
        What another process can compare with: the mean square of the first batch and
        the length of the mean gradient.
    """
    found = {name: run() for name, run in operators.items()}
    values = {name: table_of(v) for name, v in found.items()}
    gradients = {name: flat(run()) / STEPS for name, run in steps.items()}
    for name in values:
        compare(values[name], values["engine"], TOLERANCES[dtype], name)
        what = f"{name}, gradient"
        compare(gradients[name], gradients["engine"], TOLERANCES[dtype], what)
    points = found["engine"][0].shape[1]
    first = values["engine"][:points].astype(np.float64)
    return {
        "loss": float(np.sum(first**2) / points),
        "gradient": float(np.linalg.norm(gradients["engine"])),
    }


def measure(case: Case, dtype: str, rounds: int, compilations: int) -> dict[str, Any]:
    """Compiles, compares and times all ways of a case.

    Args:
        case: The case.
        dtype: The precision.
        rounds: How often each way is called.
        compilations: How often each training step is compiled.

    Returns:
        Times of the training step and of the operator, and facts of every way.
    """
    given, ways = problem(case, dtype), WAYS[case.operator]
    operators, alone = compiled(operator, given, ways, 1)
    steps, facts = compiled(descent, given, ways, compilations)
    reference = agree(steps, operators, dtype)
    for name, way in ways.items():
        facts[name]["operator alone"] = alone[name]
        facts[name]["dot FLOPs in forwards"] = forwards(given, way)
    return {
        "points": case.points,
        "load": os.getloadavg()[0],
        "reference": reference,
        "facts": facts,
        "step": interleaved(steps, rounds=rounds),
        "operator": interleaved(operators, rounds=rounds),
    }


def show(case: Case, dtype: str, entry: dict[str, Any]) -> None:
    """Prints one line per case."""
    for kind in ("step", "operator"):
        ratios = {n: round(t["ratio"]["median"], 2) for n, t in entry[kind].items()}
        taken = entry[kind]["engine"]["milliseconds"]["median"] / STEPS
        print(f"{dtype}, {case.name}, {kind}: {taken:.3g} ms", ratios, flush=True)


def main() -> None:
    """Runs the chosen cases and adds them to the result."""
    parser = arguments(__doc__, CASES)
    parser.add_argument("--compilations", type=int, default=3)
    options = parser.parse_args()
    if not folx:
        print("folx is not installed: skipped.")
    head = {"machine": place(), "depth": DEPTH, "steps in a call": STEPS}
    head["machine"]["versions"]["folx"] = version("folx") if folx else "none"
    run = functools.partial(
        measure, rounds=options.rounds, compilations=options.compilations
    )
    for dtype in precisions(options.dtype):
        with jax.enable_x64(dtype == "float64"):
            for case in chosen(options.cases, CASES):
                entry = run(case, dtype)
                show(case, dtype, entry)
                merge("operators", head, case.name, {dtype: entry})


if __name__ == "__main__":
    main()
