"""Closed forms of eight inputs on which surrogates are compared, with their gradients.

Definitions and ranges as in Surjanovic and Bingham, Virtual Library of Simulation
Experiments; Harper and Gupta (1983), Sensitivity/uncertainty analysis of a borehole
scenario; An and Owen (2001), Quasi-regression, J. Complexity 17.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import qmc

from osculate import data

TURN = 2 * np.pi


class Function(NamedTuple):
    """A function of one point on a box.

    Attributes:
        output: Its name.
        ranges: Lower and upper end of every input, by name.
        at: From a point `(D,)` to a number.
    """

    output: str
    ranges: dict[str, tuple[float, float]]
    at: Callable[[jax.Array], jax.Array]


def _water_flow(x: jax.Array) -> jax.Array:
    """Flow of water through a borehole, in m^3 per year."""
    rw, r, Tu, Hu, Tl, Hl, L, Kw = x
    log = jnp.log(r / rw)
    resistance = 1 + 2 * L * Tu / (log * rw**2 * Kw) + Tu / Tl
    return 2 * jnp.pi * Tu * (Hu - Hl) / (log * resistance)


def _robot_arm(x: jax.Array) -> jax.Array:
    """Distance of the end of an arm of four segments from its shoulder."""
    angles, lengths = jnp.cumsum(x[:4]), x[4:]
    return jnp.hypot(lengths @ jnp.cos(angles), lengths @ jnp.sin(angles))


WATER_FLOW = Function(
    "flow",
    {
        "rw": (0.05, 0.15),
        "r": (100.0, 50_000.0),
        "Tu": (63_070.0, 115_600.0),
        "Hu": (990.0, 1110.0),
        "Tl": (63.1, 116.0),
        "Hl": (700.0, 820.0),
        "L": (1120.0, 1680.0),
        "Kw": (9855.0, 12_045.0),
    },
    _water_flow,
)
ROBOT_ARM = Function(
    "distance",
    {f"theta{i}": (0.0, TURN) for i in range(1, 5)}
    | {f"L{i}": (0.0, 1.0) for i in range(1, 5)},
    _robot_arm,
)


def sampled(function: Function, rows: int, seed: int) -> data.Table:
    """Returns values and gradients on a Latin hypercube.

    Args:
        function: What is sampled.
        rows: N.
        seed: Of the points.

    Returns:
        A table with one output.
    """
    low, high = np.transpose([*function.ranges.values()])
    unit = qmc.LatinHypercube(len(low), rng=np.random.default_rng(seed)).random(rows)
    with jax.enable_x64(True):
        x = jnp.asarray(low + (high - low) * unit)
        y, gradient = jax.vmap(jax.value_and_grad(function.at))(x)
    return data.table(
        x, y, jacobian=gradient, inputs=[*function.ranges], outputs=[function.output]
    )


RASTRIGIN = Function(
    "y",
    {"x1": (-1.0, 1.5), "x2": (-1.0, 1.5)},
    lambda x: jnp.sum(x**2 - 10 * jnp.cos(TURN * x) + 10),
)
ROSENBROCK = Function(
    "y",
    {"x1": (-2.0, 2.0), "x2": (-2.0, 2.0)},
    lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2,
)
PARABOLA = Function(
    "y", {"x1": (-1.0, 1.0), "x2": (-1.0, 1.0)}, lambda x: 0.5 * jnp.sum(x**2)
)
SINUSOID = Function("y", {"x": (-3.14, 3.14)}, lambda x: x[0] * jnp.sin(x[0]))
