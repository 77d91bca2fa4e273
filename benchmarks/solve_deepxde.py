"""DeepXDE on the library's problems: its own example settings, Adam and then L-BFGS.

Needs DeepXDE and PyTorch in the environment of this package: `uv pip install
deepxde==1.15.0 torch==2.13.0`, then

    python benchmarks/solve_deepxde.py [--seconds 60] [--seeds 1] [--only NAME ...]

Networks, points and rates are those of its examples (Poisson, heat, Burgers, Helmholtz,
and Lorenz with unknown parameters); two fifths of the time are Adam's, the rest those
of L-BFGS, which may stop earlier. Conditions are soft where the examples have them so.
Every run is a process of its own.
Errors are relative L2 norms on the grid of the problem, as in `solve_library.py`.
"""

import argparse
import functools
import json
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ["DDE_BACKEND"] = "pytorch"

import deepxde as dde
import numpy as np
import torch

from _clock import in_a_process, merge
from _common import place
from osculate.solve import Problem, problems
from osculate.tasks._reference import relative_l2

ADAM, RATE = 0.4, 1e-3


class Setting(NamedTuple):
    """What an example of DeepXDE declares.

    Attributes:
        residual: The equation.
        start: The initial value, or None without time.
        points: How many inside, on the boundary, at the start.
        layers: Sizes.
        initializer: Of the weights.
        activation: Of the layers.
        bubble: Whether the network is multiplied with x (1 - x) y (1 - y).
        unknowns: How many numbers are sought, the first arguments of the equation.
    """

    residual: Callable[..., Any]
    start: Callable[..., Any] | None
    points: tuple[int, int, int]
    layers: list[int]
    initializer: str = "Glorot normal"
    activation: str = "tanh"
    bubble: bool = False
    unknowns: int = 0


def second(u: Any, x: Any, i: int) -> Any:
    """Returns a second derivative of the network."""
    return dde.grad.hessian(u, x, i=i, j=i)


def poisson(x: Any, u: Any) -> Any:
    """Poisson's equation with the source of the library."""
    wave = torch.sin(np.pi * x[:, :1]) * torch.sin(np.pi * x[:, 1:])
    return second(u, x, 0) + second(u, x, 1) + 2 * np.pi**2 * wave


def helmholtz(x: Any, u: Any) -> Any:
    """Helmholtz' equation with the source of the library."""
    k = 4 * np.pi
    wave = torch.sin(k * x[:, :1]) * torch.sin(k * x[:, 1:])
    return second(u, x, 0) + second(u, x, 1) + k**2 * (u + wave)


def heat(x: Any, u: Any) -> Any:
    """The heat equation."""
    return dde.grad.jacobian(u, x, i=0, j=1) - 0.4 * second(u, x, 0)


def burgers(x: Any, u: Any) -> Any:
    """Burgers' equation."""
    u_x, u_t = (dde.grad.jacobian(u, x, i=0, j=j) for j in (0, 1))
    return u_t + u * u_x - 0.01 / np.pi * second(u, x, 0)


def lorenz(sigma: Any, rho: Any, beta: Any, t: Any, u: Any) -> list[Any]:
    """Lorenz' equations."""
    x, y, z = u[:, :1], u[:, 1:2], u[:, 2:]
    x_t, y_t, z_t = (dde.grad.jacobian(u, t, i=i) for i in range(3))
    return [x_t - sigma * (y - x), y_t - x * (rho - z) + y, z_t - x * y + beta * z]


SETTINGS = {
    "poisson": Setting(
        poisson, None, (1200, 120, 0), [2] + [50] * 4 + [1], "Glorot uniform"
    ),
    "helmholtz": Setting(
        helmholtz,
        None,
        (400, 80, 0),
        [2] + [150] * 3 + [1],
        "Glorot uniform",
        "sin",
        bubble=True,
    ),
    "heat": Setting(
        heat,
        lambda x: np.sin(np.pi * x[:, :1]),
        (2540, 80, 160),
        [2] + [20] * 3 + [1],
    ),
    "burgers": Setting(
        burgers,
        lambda x: -np.sin(np.pi * x[:, :1]),
        (2540, 80, 160),
        [2] + [20] * 3 + [1],
    ),
    "lorenz": Setting(
        lorenz,
        None,
        (400, 2, 0),
        [1] + [40] * 3 + [3],
        "Glorot uniform",
        unknowns=3,
    ),
}


def data_of(name: str, setting: Setting) -> Any:
    """Returns domain, equation, conditions and points in the words of DeepXDE."""
    problem = problems.named(name).make()
    domain = problem.domain
    inside, rim, start = setting.points
    if problem.observed is not None:
        return measured(problem, setting)
    if setting.start is None:
        geometry = dde.geometry.Rectangle(domain.low, domain.high)
        zero = dde.icbc.DirichletBC(geometry, lambda x: 0.0, lambda _, on: on)
        return dde.data.PDE(
            geometry, setting.residual, zero, num_domain=inside, num_boundary=rim
        )
    space = dde.geometry.Interval(domain.low[0], domain.high[0])
    geometry = dde.geometry.GeometryXTime(
        space, dde.geometry.TimeDomain(domain.low[1], domain.high[1])
    )
    conditions = [
        dde.icbc.DirichletBC(geometry, lambda x: 0.0, lambda _, on: on),
        dde.icbc.IC(geometry, setting.start, lambda _, on: on),
    ]
    return dde.data.TimePDE(
        geometry,
        setting.residual,
        conditions,
        num_domain=inside,
        num_boundary=rim,
        num_initial=start,
    )


def always(value: float) -> Callable[[Any], float]:
    """Returns a function of one argument, as DeepXDE wants it, that is a constant."""
    return lambda x: value


def measured(problem: Problem, setting: Setting) -> Any:
    """Returns the same of an initial value problem with measurements of all fields."""
    seen = problem.observed
    if seen is None:
        raise ValueError("no measurements")
    clock = dde.geometry.TimeDomain(problem.domain.low[0], problem.domain.high[0])
    first = lambda t, on: on and np.isclose(t[0], problem.domain.low[0])
    conditions = []
    for i, (field, _) in enumerate(problem.fields):
        at = np.asarray(seen.y[field])[:, None]
        begins = always(float(at[0, 0]))
        conditions += [
            dde.icbc.IC(clock, begins, first, component=i),
            dde.icbc.PointSetBC(np.asarray(seen.x), at, component=i),
        ]
    inside, rim, _ = setting.points
    return dde.data.PDE(
        clock,
        setting.residual,
        conditions,
        num_domain=inside,
        num_boundary=rim,
        anchors=np.asarray(seen.x),
    )


def one(name: str, seconds: float, precision: str, seed: int) -> dict[str, Any]:
    """Solves once and returns what came of it."""
    dde.config.set_default_float(precision)
    dde.config.set_random_seed(seed)
    setting, entry = SETTINGS[name], problems.named(name)
    unknowns = [dde.Variable(1.0) for _ in range(setting.unknowns)]
    residual = functools.partial(setting.residual, *unknowns)
    setting = setting._replace(residual=residual)
    began = time.perf_counter()
    net = dde.nn.FNN(setting.layers, setting.activation, setting.initializer)
    if setting.bubble:
        zero = lambda x: (x * (1 - x)).prod(dim=1, keepdim=True)
        net.apply_output_transform(lambda x, u: zero(x) * u)
    model = dde.Model(data_of(name, setting), net)
    timer = lambda until: dde.callbacks.Timer(
        max(until - (time.perf_counter() - began), 0.1) / 60
    )
    more = {"external_trainable_variables": unknowns}
    model.compile("adam", lr=RATE, **more)
    quiet = {"display_every": 1000, "verbose": 0}
    model.train(iterations=10**6, callbacks=[timer(ADAM * seconds)], **quiet)
    steps = model.train_state.step
    model.compile("L-BFGS", **more)
    model.train(callbacks=[timer(seconds)], **quiet)
    wall = time.perf_counter() - began
    problem = entry.make()

    def at(**coordinates: Any) -> dict[str, np.ndarray]:
        x = np.stack([coordinates[n] for n in problem.domain.names], axis=-1)
        found = model.predict(x.astype(precision))
        names = (field for field, _ in problem.fields)
        return dict(zip(names, found.T, strict=True))

    error = relative_l2(problem, at, entry.grid)
    later = model.train_state.step - steps
    return {"error": error, "steps": [steps, later], "wall": wall}


def main() -> None:
    """Measures the cases and keeps each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="names of problems")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, seconds, precision, seed = options.one
        print(json.dumps(one(name, float(seconds), precision, int(seed))))
        return
    peers = {"deepxde": dde.__version__, "torch": torch.__version__}
    head = {"machine": place(), "peers": peers}
    for name in options.only or SETTINGS:
        for precision in ("float32", "float64"):
            found = [
                in_a_process(__file__, name, options.seconds, precision, seed)
                for seed in range(options.seeds)
            ]
            print(name, precision, found, flush=True)
            title = f"{precision}, {options.seconds:g} s"
            merge("solve_deepxde", head, name, {title: found})


if __name__ == "__main__":
    main()
