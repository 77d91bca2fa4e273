"""jinns on the library's problems, as well as it can be set: the nearest rival.

Needs jinns in the environment of this package: `uv pip install jinns==1.10.2`, then

    python benchmarks/solve_jinns.py [--seconds 60] [--seeds 1] [--only NAME ...]

Double precision, its self-scaled Broyden method, the networks and the number of points
of our library, conditions built in by hand (`output_transform`). Steps are as many as
fit into the time: what compilation and a step take is found by two short runs before.
Every run is a process of its own. Errors are relative L2 norms on the grid of the
problem.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jinns
import numpy as np
from jinns.optimizers import scale_by_SSBroyden_family
from jinns.parameters import Params
from jinns.solver._utils import GetJinnsVariableName

from _clock import in_a_process, merge
from _common import place
from osculate.solve import problems
from osculate.tasks._reference import relative_l2

SHORT, LONGER = 20, 1020


class Setting(NamedTuple):
    """A problem as a user of jinns would write it.

    Attributes:
        equation: From a point and a function of one point to the residual.
        trial: From a point and the network's output to the field.
        layers: Hidden ones.
        points: How many.
        names: Coordinates in the order that it has them: time first.
    """

    equation: Callable[..., Any]
    trial: Callable[..., Any]
    layers: tuple[int, ...]
    points: int
    names: str


def _second(u: Callable[..., Any], i: int) -> Callable[..., Any]:
    return jax.grad(lambda p: jax.grad(u)(p)[i])


def _poisson(p: Any, u: Any) -> Any:
    lap = _second(u, 0)(p)[0] + _second(u, 1)(p)[1]
    return lap + 2 * jnp.pi**2 * jnp.sin(jnp.pi * p[0]) * jnp.sin(jnp.pi * p[1])


def _helmholtz(p: Any, u: Any) -> Any:
    k = 4 * jnp.pi
    lap = _second(u, 0)(p)[0] + _second(u, 1)(p)[1]
    return lap + k**2 * (u(p) + jnp.sin(k * p[0]) * jnp.sin(k * p[1]))


def _burgers(p: Any, u: Any) -> Any:
    slope = jax.grad(u)(p)
    return slope[0] + u(p) * slope[1] - 0.01 / jnp.pi * _second(u, 1)(p)[1]


def _square(p: Any, z: Any) -> Any:
    return p[0] * (1 - p[0]) * p[1] * (1 - p[1]) * z


SETTINGS = {
    "poisson": Setting(_poisson, _square, (20, 20), 900, "xy"),
    "helmholtz": Setting(_helmholtz, _square, (30, 30, 30), 900, "xy"),
    "heat": Setting(
        lambda p, u: jax.grad(u)(p)[0] - 0.4 * _second(u, 1)(p)[1],
        lambda p, z: jnp.sin(jnp.pi * p[1]) + p[0] * p[1] * (1 - p[1]) * z,
        (20, 20),
        900,
        "tx",
    ),
    "burgers": Setting(
        _burgers,
        lambda p, z: -jnp.sin(jnp.pi * p[1]) + p[0] * (1 - p[1] ** 2) * z,
        (20, 20, 20),
        4000,
        "tx",
    ),
}


class Steady(jinns.loss.PDEStatio):
    """An equation over all coordinates alike."""

    of: Callable[..., Any] = eqx.field(static=True, kw_only=True)

    def equation(self, x: Any, u: Any, params: Any) -> Any:
        """Returns the residual at a point."""
        return jnp.atleast_1d(self.of(x, lambda p: jnp.squeeze(u(p, params))))


def callback_value(params, batch, loss):
    """Returns the loss, for the line search."""
    return loss.evaluate(params, batch)[0]


def callback_slope(params, batch, loss):
    """Returns its gradient."""
    return jax.grad(lambda p: loss.evaluate(p, batch)[0])(params)


ASKED = {
    "value": GetJinnsVariableName("train_loss_value"),
    "grad_pt": GetJinnsVariableName("grads"),
    "value_fn": callback_value,
    "grad_fn": callback_slope,
    "batch": GetJinnsVariableName("batch"),
    "loss": GetJinnsVariableName("loss"),
}


def solved(name: str, steps: int, seed: int) -> tuple[Any, Any, float]:
    """Returns the network, its parameters and the seconds of that many steps."""
    setting, domain = SETTINGS[name], problems.named(name).make().domain
    places = [domain.names.index(n) for n in setting.names]
    low, high = ([float(e[k]) for k in places] for e in (domain.low, domain.high))
    began = time.perf_counter()
    sizes = (2, *setting.layers, 1)
    layers: list[Any] = []
    for a, b in itertools.pairwise(sizes):
        layers += [(eqx.nn.Linear, a, b), (jnp.tanh,)]
    u, start = jinns.nn.PINN_MLP.create(
        key=jax.random.key(seed),
        eqx_list=tuple(layers[:-1]),
        eq_type="PDEStatio",
        output_transform=lambda p, z, params: setting.trial(p, z),
    )
    params = Params(nn_params=start, eq_params={})
    points = jinns.data.CubicMeshPDEStatio(
        key=jax.random.key(seed + 1),
        n=setting.points,
        dim=2,
        min_pts=tuple(low),
        max_pts=tuple(high),
        method="uniform",
    )
    loss = jinns.loss.LossPDEStatio(
        u=u,
        dynamic_loss=Steady(of=setting.equation),
        loss_weights=jinns.loss.LossWeightsPDEStatio(dyn_loss=1.0),
        params=params,
    )
    found = jinns.solve(
        n_iter=steps,
        init_params=params,
        data=points,
        loss=loss,
        optimizer=scale_by_SSBroyden_family(),
        verbose=False,
        extra_optax_args_and_kwargs=ASKED,
    )
    jax.block_until_ready(found[0])
    return u, found[0], time.perf_counter() - began


def one(name: str, seconds: float, seed: int) -> dict:
    """Solves once, in as many steps as fit."""
    jax.config.update("jax_enable_x64", True)
    first, second = solved(name, SHORT, seed)[2], solved(name, LONGER, seed)[2]
    each = max(second - first, 1e-3) / (LONGER - SHORT)
    steps = max(int((seconds - first) / each) + SHORT, 1)
    u, params, wall = solved(name, steps, seed)
    entry, order = problems.named(name), SETTINGS[name].names

    def at(**coordinates: Any) -> np.ndarray:
        points = jnp.stack([jnp.asarray(coordinates[n]) for n in order], axis=-1)
        return np.asarray(jax.vmap(lambda p: jnp.squeeze(u(p, params)))(points))

    error = relative_l2(entry.make(), at, entry.grid)
    return {"error": error, "steps": steps, "wall": wall, "step": each}


def main() -> None:
    """Measures the cases and keeps each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="+", help="names of problems")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, seconds, seed = options.one
        print(json.dumps(one(name, float(seconds), int(seed))))
        return
    head = {"machine": place(), "peers": {"jinns": "1.10.2"}}
    for name in options.only or SETTINGS:
        seeds = range(options.seeds)
        found = [in_a_process(__file__, name, options.seconds, seed) for seed in seeds]
        print(name, found, flush=True)
        merge("solve_jinns", head, name, {f"{options.seconds:g} s": found})


if __name__ == "__main__":
    main()
