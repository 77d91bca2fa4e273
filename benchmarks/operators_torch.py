"""The cases of `operators.py` in eager PyTorch, in a process of its own.

Needs torch and numpy; DeepXDE is one of the ways where it is installed. Networks,
points and steps are those of `operators.py`, and so must be the numbers: all ways of a
case are compared with each other before they are timed, and with JAX where
`operators.json` has the case, in the mean square and, in float64, in the gradient of
the training step. The operator alone is timed on one batch, with parameters that need
no gradient.

    python benchmarks/operators_torch.py [--rounds 11] [--dtype float64] [CASE ...]
"""

import math
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.func import grad, grad_and_value, hessian, jacfwd, jvp, vmap
from torch.nn.functional import linear

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
from _clock import interleaved, merge, read

os.environ.setdefault("DDE_BACKEND", "pytorch")
try:
    import deepxde as dde
except ImportError:
    dde = None

THREADS = 2
# Read from where a descent ends, a gradient has fewer digits than a value, and in
# float32 none.
GRADIENT_TOLERANCE = 1e-6
Field = Callable[[Tensor], Tensor]
Way = Callable[[Field, Tensor], list[Tensor]]


def slope(y: Tensor, x: Tensor) -> Tensor:
    """Returns the gradient of every y by its own point, `(N, D)`."""
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


def trace(y: Tensor, x: Tensor) -> Tensor:
    """Returns the Laplacian of every y, `(N,)`."""
    gradient = slope(y, x)
    return sum(slope(gradient[:, i], x)[:, i] for i in range(x.shape[1]))


def nested(*axes: int) -> Way:
    """Nested `torch.autograd.grad`, one derivative after the other."""

    def at(u, x):
        y = u(x)
        for axis in axes:
            y = slope(y, x)[:, axis]
        return [y]

    return at


def nested_gradient(u: Field, x: Tensor) -> list[Tensor]:
    """Value and gradient with `torch.autograd.grad`."""
    y = u(x)
    return [y, slope(y, x)]


def nested_burgers(u: Field, x: Tensor) -> list[Tensor]:
    """Value, gradient and second derivative with `torch.autograd.grad`."""
    y = u(x)
    gradient = slope(y, x)
    return [y, gradient, slope(gradient[:, 1], x)[:, 1]]


def along(u: Field, axis: int) -> Field:
    """Returns the derivative along a coordinate, forward."""
    return lambda p: jvp(u, (p,), (torch.eye(len(p), dtype=p.dtype)[axis],))[1]


def back(u: Field, axis: int) -> Field:
    """Returns the derivative along a coordinate, reverse."""
    return lambda p: grad(u)(p)[axis]


def chain(step: Callable[[Field, int], Field], *axes: int) -> Way:
    """Nested derivatives of one kind at a point."""

    def at(u, p):
        for axis in axes:
            u = step(u, axis)
        return [u(p)]

    return at


def func_gradient(u: Field, p: Tensor) -> list[Tensor]:
    """Value and gradient of `torch.func`."""
    gradient, value = grad_and_value(u)(p)
    return [value, gradient]


def func_jacfwd(u: Field, p: Tensor) -> list[Tensor]:
    """Value and gradient, forward."""
    return [u(p), jacfwd(u)(p)]


def func_burgers(u: Field, p: Tensor) -> list[Tensor]:
    """Forward along x through value and gradient."""
    e = torch.eye(2, dtype=p.dtype)[1]
    (gradient, value), (row, _) = jvp(grad_and_value(u), (p,), (e,))
    return [value, gradient, row[1]]


def func_burgers_forward(u: Field, p: Tensor) -> list[Tensor]:
    """Value and first derivatives, and the second forward over forward."""
    return [u(p), along(u, 0)(p), along(u, 1)(p), along(along(u, 1), 1)(p)]


def func_hessian(u: Field, p: Tensor) -> list[Tensor]:
    """The Laplacian from the full Hessian."""
    return [hessian(u)(p).diagonal().sum()]


def func_forward(u: Field, p: Tensor) -> list[Tensor]:
    """The Laplacian from second derivatives along every coordinate."""
    second = lambda e: jvp(lambda q: jvp(u, (q,), (e,))[1], (p,), (e,))[1]
    return [vmap(second)(torch.eye(len(p), dtype=p.dtype)).sum()]


def func_mixed(u: Field, p: Tensor) -> list[Tensor]:
    """The Laplacian from products with the Hessian."""
    row = lambda e: (jvp(grad(u), (p,), (e,))[1] * e).sum()
    return [vmap(row)(torch.eye(len(p), dtype=p.dtype)).sum()]


def twice(laplacian: Way) -> Way:
    """The biharmonic operator as the Laplacian of the Laplacian."""
    return lambda u, p: laplacian(lambda q: laplacian(u, q)[0], p)


def dde_gradient(y: Tensor, x: Tensor) -> list[Tensor]:
    """Value and gradient with DeepXDE."""
    return [y, dde.grad.jacobian(y, x, i=0)]


def dde_burgers(y: Tensor, x: Tensor) -> list[Tensor]:
    """Value, gradient and second derivative with DeepXDE."""
    first = [dde.grad.jacobian(y, x, i=0, j=j) for j in (0, 1)]
    return [y, *first, dde.grad.hessian(y, x, i=1, j=1)]


def dde_laplacian(y: Tensor, x: Tensor) -> list[Tensor]:
    """The Laplacian with DeepXDE."""
    return [sum(dde.grad.hessian(y, x, i=i, j=i) for i in range(x.shape[1]))]


def dde_fourth(i: int, j: int) -> Callable[[Tensor, Tensor], list[Tensor]]:
    """A derivative of fourth order with DeepXDE, two and two."""

    def at(y, x):
        second = dde.grad.hessian(y, x, i=i, j=i)
        return [dde.grad.hessian(second, x, i=j, j=j)]

    return at


def leaf(way: Way) -> Way:
    """Makes of the points what `torch.autograd.grad` can differentiate by."""
    return lambda u, x: way(u, x.detach().requires_grad_())


def pointwise(way: Way) -> Way:
    """Makes a way at one point a way at all of them."""
    return lambda u, x: list(vmap(lambda p: tuple(way(u, p)))(x))


def deepxde(way: Callable[[Tensor, Tensor], list[Tensor]]) -> Way:
    """Makes a way with columns a way, and empties DeepXDE's memory of derivatives."""

    def at(u, x):
        found = way(u(x)[:, None], x)
        dde.grad.clear()
        return found

    return leaf(at)


WAYS: dict[str, dict[str, Way]] = {
    "value, gradient": {
        "autograd": leaf(nested_gradient),
        "func, reverse": pointwise(func_gradient),
        "func, forward": pointwise(func_jacfwd),
    },
    "u u_t u_x u_xx": {
        "autograd": leaf(nested_burgers),
        "func, forward over reverse": pointwise(func_burgers),
        "func, forward": pointwise(func_burgers_forward),
    },
    "laplacian": {
        "autograd": leaf(lambda u, x: [trace(u(x), x)]),
        "func, hessian": pointwise(func_hessian),
        "func, forward over forward": pointwise(func_forward),
        "func, forward over reverse": pointwise(func_mixed),
    },
    "u_xxxx": {
        "autograd": leaf(nested(1, 1, 1, 1)),
        "func, forward": pointwise(chain(along, 1, 1, 1, 1)),
        "func, reverse": pointwise(chain(back, 1, 1, 1, 1)),
    },
    "u_ttxx": {
        "autograd": leaf(nested(0, 0, 1, 1)),
        "func, forward": pointwise(chain(along, 0, 0, 1, 1)),
        "func, reverse": pointwise(chain(back, 0, 0, 1, 1)),
    },
    "biharmonic": {
        "autograd": leaf(lambda u, x: [trace(trace(u(x), x), x)]),
        "func, forward": pointwise(twice(func_forward)),
        "func, forward over reverse": pointwise(twice(func_mixed)),
    },
}
if dde:
    WAYS["value, gradient"]["DeepXDE"] = deepxde(dde_gradient)
    WAYS["u u_t u_x u_xx"]["DeepXDE"] = deepxde(dde_burgers)
    WAYS["laplacian"]["DeepXDE"] = deepxde(dde_laplacian)
    WAYS["u_xxxx"]["DeepXDE"] = deepxde(dde_fourth(1, 1))
    WAYS["u_ttxx"]["DeepXDE"] = deepxde(dde_fourth(0, 1))


class Problem(NamedTuple):
    """A case in one precision.

    Attributes:
        parameters: Weights and biases.
        field: A function of one point or of many, `(..., D) -> (...)`.
        x: Points, `(points, D)`.
    """

    parameters: list[Tensor]
    field: Field
    x: Tensor


def problem(case: Case, dtype: str, *, trained: bool) -> Problem:
    """Returns the network and the points of a case."""
    weights, biases, batches = draw(case)
    tensor = lambda a: torch.tensor(a, dtype=getattr(torch, dtype))
    layers = [[tensor(W), tensor(b)] for W, b in zip(weights, biases, strict=True)]
    parameters = [a.requires_grad_(trained) for layer in layers for a in layer]

    def network(p):
        for W, b in layers[:-1]:
            p = torch.tanh(linear(p, W, b))
        return linear(p, *layers[-1])[..., 0]

    def trial(p):
        t, x = p[..., 0], p[..., 1]
        return -torch.sin(math.pi * x) + t * (1 - x**2) * network(p)

    return Problem(parameters, trial if case.trial else network, tensor(batches[0]))


def descent(given: Problem, way: Way) -> Callable[[], None]:
    """Returns a run of `STEPS` steps on the mean square of a way, from the start."""
    start = [a.detach().clone() for a in given.parameters]

    def step():
        found = way(given.field, given.x)
        loss = sum((f**2).sum() for f in found) / len(given.x)
        loss.backward(inputs=given.parameters)
        with torch.no_grad():
            for a in given.parameters:
                if a.grad is not None:  # The last bias is in no derivative.
                    a.add_(a.grad, alpha=-RATE)
                    a.grad = None

    def run():
        with torch.no_grad():
            for a, first in zip(given.parameters, start, strict=True):
                a.copy_(first)
        for _ in range(STEPS):
            step()

    return run


def values(given: Problem, way: Way) -> np.ndarray:
    """Returns the numbers of a way, one row per point."""
    found = way(given.field, given.x)
    rows = [f.detach().reshape(len(given.x), -1) for f in found]
    return torch.cat(rows, dim=1).numpy()


def gradient(given: Problem, run: Callable[[], None]) -> np.ndarray:
    """Returns the mean gradient of a descent, from where it ends."""
    flat = lambda: torch.cat([a.detach().ravel() for a in given.parameters]).clone()
    start = flat()
    run()
    change = (start - flat()).numpy()
    with torch.no_grad():
        parts = start.split([a.numel() for a in given.parameters])
        for a, part in zip(given.parameters, parts, strict=True):
            a.copy_(part.reshape(a.shape))
    return change / (RATE * STEPS)


def agree(case: Case, dtype: str, found: dict, gradients: dict) -> bool:
    """Fails unless all ways compute the same, and what JAX computed.

    Args:
        case: The case.
        dtype: The precision.
        found: The numbers of every way.
        gradients: The gradients of every way.

    Returns:
        Whether there were numbers of JAX to compare with.
    """
    truth, slopes, exact = found["autograd"], gradients["autograd"], dtype == "float64"
    for name in found:
        compare(found[name], truth, TOLERANCES[dtype], name)
        if exact:
            compare(gradients[name], slopes, GRADIENT_TOLERANCE, f"{name}, gradient")
    kept = read("operators").get("cases", {}).get(case.name, {}).get(dtype)
    if kept is None:
        return False
    loss = np.array([np.sum(truth.astype(np.float64) ** 2) / len(truth)])
    wanted = kept["reference"]
    compare(loss, np.array([wanted["loss"]]), TOLERANCES[dtype], "JAX, mean square")
    if exact:
        length = np.array([np.linalg.norm(slopes)])
        reference = np.array([wanted["gradient"]])
        compare(length, reference, GRADIENT_TOLERANCE, "JAX, gradient")
    return True


def seconds(times: dict[str, Any], steps: int) -> dict[str, Any]:
    """Returns seconds per step from milliseconds per call."""
    return {
        name: {q: t / 1e3 / steps for q, t in entry["milliseconds"].items()}
        for name, entry in times.items()
    }


def measure(case: Case, dtype: str, rounds: int) -> dict[str, Any]:
    """Compares and times all ways of a case.

    Args:
        case: The case.
        dtype: The precision.
        rounds: How often each way is called.

    Returns:
        Seconds of one training step and of the operator at one batch.
    """
    given = problem(case, dtype, trained=True)
    alone = problem(case, dtype, trained=False)
    ways = WAYS[case.operator]
    steps = {name: descent(given, way) for name, way in ways.items()}
    gradients = {name: gradient(given, run) for name, run in steps.items()}
    found = {name: values(alone, way) for name, way in ways.items()}
    call = lambda way: lambda: way(alone.field, alone.x)
    operators = {name: call(way) for name, way in ways.items()}
    return {
        "points": case.points,
        "compared with JAX": agree(case, dtype, found, gradients),
        "load": os.getloadavg()[0],
        "step": seconds(interleaved(steps, rounds=rounds), STEPS),
        "operator": seconds(interleaved(operators, rounds=rounds), 1),
    }


def machine() -> dict[str, Any]:
    """Returns what a reader needs to judge a figure."""
    versions = {name: version(name) for name in ("torch", "numpy")}
    versions["deepxde"] = version("deepxde") if dde else "none"
    return {
        "versions": {"python": platform.python_version(), **versions},
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
    }


def main() -> None:
    """Runs the chosen cases and adds them to the result."""
    options = arguments(__doc__, CASES).parse_args()
    torch.set_num_threads(THREADS)
    if not dde:
        print("DeepXDE is not installed: skipped.")
    head = {"machine": machine(), "depth": DEPTH, "steps in a call": STEPS}
    for dtype in precisions(options.dtype):
        if dde:
            dde.config.set_default_float(dtype)
        for case in chosen(options.cases, CASES):
            entry = measure(case, dtype, options.rounds)
            for kind in ("step", "operator"):
                taken = {n: f"{1e3 * t['median']:.3g}" for n, t in entry[kind].items()}
                print(f"{dtype}, {case.name}, {kind} (ms):", taken, flush=True)
            merge("operators_torch", head, case.name, {dtype: entry})


if __name__ == "__main__":
    main()
