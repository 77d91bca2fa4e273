"""From a table to what a fit needs: network, objective and weighted rows.

Everything stays in the units of the table. The network standardizes inside, and each
loss measures its tensor in units of the scale that the standardized map gives it,
`y_scale / x_scale` per order of derivative, so that no order is weighted by hand.
"""

import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from osculate import chance, diff, match, nets, train
from osculate.core import InputError, Objective, Samples
from osculate.data import Table

from ._settings import Settings

LABEL = "fit"
FEW_ROWS, MOST_FOLDS = 10, 5  # of held-out rows: fewer say little
ARRAYS_PER_PARAMETER = 120  # the memory of L-BFGS, 50 pairs, and what a step holds


class Scales(NamedTuple):
    """Shift and scale of inputs `(D,)` and outputs `(M,)`, in the table's units."""

    x_shift: Float[Array, " D"]
    x_scale: Float[Array, " D"]
    y_shift: Float[Array, " M"]
    y_scale: Float[Array, " M"]


class Split(NamedTuple):
    """One padded set of rows under three weightings, so that all fits share shapes."""

    all_rows: dict[str, Samples]
    fitted: dict[str, Samples]
    held_out: dict[str, Samples]


def orders_of(table: Table) -> tuple[int, ...]:
    """Returns the orders of derivative of which the table knows anything."""
    return tuple(k for k, part in enumerate(diff.TENSORS) if part in table.y)


def folds(table: Table, settings: Settings) -> list[Bool[np.ndarray, " N"]]:
    """Draws a share of the rows that know values, and of those that know only slopes.

    Hence the values-only arm has rows to be judged by, too. Where a share is few rows,
    further shares follow, without common rows, as many as make `FEW_ROWS`.

    Args:
        table: The rows.
        settings: The share, and the seed.

    Returns:
        Which rows are held out, fold by fold; those of the first are held out of the
        fits that ship.
    """
    knows = {
        name: known.reshape(len(table), -1).any(axis=1)
        for name, known in table.known.items()
    }
    values = np.flatnonzero(knows["value"])
    slopes = np.flatnonzero(np.any([*knows.values()], axis=0) & ~knows["value"])
    random = np.random.default_rng(settings.seed)
    share = lambda n: round(settings.validation * n)
    count = int(np.clip(share(len(values)), 1, len(values) - 1))
    parts = (
        (random.permutation(values), count),
        (random.permutation(slopes), share(len(slopes))),
    )
    num_folds = min(-(-FEW_ROWS // count), len(values) // count, MOST_FOLDS)
    chosen = [
        np.concatenate([rows[k * n : (k + 1) * n] for rows, n in parts])
        for k in range(num_folds)
    ]
    return [np.isin(np.arange(len(table)), rows) for rows in chosen]


def scales_of(table: Table, fitted: Bool[np.ndarray, " N"]) -> Scales:
    """Returns mean and standard deviation of inputs and known outputs of these rows.

    A column that does not vary in these rows takes its scale from all rows.
    """
    x = _moments(table.x, np.ones_like(table.x, bool), fitted)
    y = _moments(table.y["value"], table.known["value"], fitted)
    return Scales(*map(jnp.asarray, (*x, *y)))


def units_of(scales: Scales, order: int) -> list[Float[Array, "M ..."]]:
    """Returns what the entries of each derivative are measured in, up to an order."""
    x, units = jnp.asarray(scales.x_scale), [jnp.asarray(scales.y_scale)]
    for k in range(1, order + 1):
        units.append(units[-1][..., None] / x.reshape((1,) * k + (-1,)))
    return units


def scales_within(model: nets.Named) -> Scales:
    """Returns the scales that a fitted model holds.

    Args:
        model: Of networks the scales that they were given; of a process those of its
            trend and amplitude.

    Returns:
        The scales.
    """
    net = model.net
    if isinstance(net, match.GaussianProcess):
        amplitude = net.hyperparameters.amplitude
        return Scales(net.center, net.spread, net.level, amplitude)
    if isinstance(net, nets.Ensemble):
        net = jax.tree.map(lambda a: a[0], net.members)
    fixed = net.x_shift, net.x_scale, net.y_shift, net.y_scale
    return Scales(*(scale.value for scale in fixed))


def _moments(
    columns: Float[np.ndarray, "N K"],
    known: Bool[np.ndarray, "N K"],
    rows: Bool[np.ndarray, " N"],
) -> tuple[Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """Returns mean and standard deviation of the known entries of these rows."""
    found = []
    for column, k in zip(columns.T, known.T, strict=True):
        few, all_known = column[k & rows], column[k]
        entries = few if len(few) and few.std() > 0 else all_known
        found.append((entries.mean(), entries.std()))
    shift, scale = np.transpose(found)
    return shift, scale


def network_width(table: Table) -> int:
    """Chooses a width so that three layers have half as many weights as known numbers.

    A Hessian counts once per distinct entry. Widths are multiples of 8 from 8 to 64.
    """
    counts = [int(table.known[part].sum()) for part in diff.TENSORS if part in table.y]
    d = table.x.shape[1]
    if len(counts) == 3:
        counts[2] = counts[2] * (d + 1) // (2 * d)
    return int(np.clip(8 * round(np.sqrt(sum(counts) / 4) / 8), 8, 64))


def refuse_size(table: Table, settings: Settings) -> None:
    """Checks that the arrays of a fit of this size fit into memory.

    Args:
        table: The rows.
        settings: The choices.

    Raises:
        InputError: If the network or its states need more than the machine has.
    """
    width, depth = settings.width or network_width(table), settings.depth
    ends = len(table.inputs) + len(table.outputs)
    parameters = width * (ends + (depth - 1) * width)
    needed = 8 * parameters * ARRAYS_PER_PARAMETER
    owned = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > owned:
        raise InputError(
            f"width {width} and depth {depth} make {parameters:.2g} parameters; their "
            f"fit needs about {needed / 1e9:.2g} GB, this machine has "
            f"{owned / 1e9:,.0f} GB.\nChoose a smaller width or depth."
        )


def network(
    table: Table, scales: Scales, settings: Settings, key: PRNGKeyArray
) -> nets.Named:
    """Returns the network before the fit: named outputs in the table's units."""
    net = nets.MLP(
        len(table.inputs),
        len(table.outputs),
        width=settings.width or network_width(table),
        depth=settings.depth,
        activation=settings.activation,
        key=key,
    )
    standardized = nets.Standardized(net, **scales._asdict())
    return nets.Named(standardized, dict.fromkeys(table.outputs, 0))


def objective(
    orders: tuple[int, ...],
    scales: Scales,
    loss: Any = chance.Gaussian(),
    jacobian: float = 1.0,
) -> Objective:
    """Returns the Sobolev objective over these orders, in standardized units.

    Args:
        orders: Orders of derivative.
        scales: Of inputs and outputs.
        loss: A loss of differences, in units of a standardized tensor.
        jacobian: Factor of the part of order 1; 0 leaves it out.

    Returns:
        The objective.
    """
    parts = []
    for order, unit in enumerate(units_of(scales, max(orders))):
        weight = jacobian if order == 1 else 1.0
        if order in orders and weight > 0:
            parts.append(match.derivatives(order, chance.rescale(loss, unit), weight))
    return Objective({LABEL: match.term(*parts)})


def split(table: Table, held_out: Bool[np.ndarray, " N"]) -> Split:
    """Pads the rows and weights them three ways: all, fitted, held out."""
    rows = train.pad(table.samples())
    size = rows.x.shape[0]
    held = np.concatenate([held_out, np.zeros(size - len(held_out), bool)])
    return Split(
        {LABEL: rows},
        {LABEL: _weighted(rows, jnp.asarray(~held, float))},
        {LABEL: _weighted(rows, jnp.asarray(held, float))},
    )


def _weighted(rows: Samples, factor: Float[Array, " N"]) -> Samples:
    scale = lambda w: w * factor.reshape((-1,) + (1,) * (w.ndim - 1))
    return Samples(rows.x, rows.y, jax.tree.map(scale, rows.weight))


def keys_of(settings: Settings, member: int = 0) -> tuple[PRNGKeyArray, PRNGKeyArray]:
    """Returns the keys of the random weights and of the minibatches of a network."""
    key = jr.key(settings.seed)
    initial, batches = jr.split(jr.fold_in(key, member) if member else key)
    return initial, batches
