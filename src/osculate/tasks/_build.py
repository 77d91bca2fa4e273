"""From a table to what a fit needs: network, objective and weighted rows.

Everything stays in the units of the table. The network standardizes inside, and each
loss measures its tensor in units of the scale that the standardized map gives it,
`y_scale / x_scale` per order of derivative, so that no order is weighted by hand.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from osculate import chance, diff, match, nets, train
from osculate.core import Objective, Samples
from osculate.data import Table

from ._settings import Settings

LABEL = "fit"


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


def held_out_rows(table: Table, settings: Settings) -> Bool[np.ndarray, " N"]:
    """Draws the rows of the validation set, at least one and never all."""
    count = int(np.clip(round(settings.validation * len(table)), 1, len(table) - 1))
    chosen = np.random.default_rng(settings.seed).permutation(len(table))[:count]
    return np.isin(np.arange(len(table)), chosen)


def scales_of(table: Table) -> Scales:
    """Returns mean and standard deviation of inputs and of the known outputs."""
    known = table.known["value"]
    y = np.where(known, table.y["value"], np.nan)
    numbers = (
        table.x.mean(0),
        table.x.std(0),
        np.nanmean(y, axis=0),
        np.nanstd(y, axis=0),
    )
    return Scales(*map(jnp.asarray, numbers))


def network_width(table: Table) -> int:
    """Chooses a width so that three layers have half as many weights as known numbers.

    A Hessian counts once per distinct entry. Widths are multiples of 8 from 8 to 96.
    """
    counts = [int(table.known[part].sum()) for part in diff.TENSORS if part in table.y]
    d = table.x.shape[1]
    if len(counts) == 3:
        counts[2] = counts[2] * (d + 1) // (2 * d)
    return int(np.clip(8 * round(np.sqrt(sum(counts) / 4) / 8), 8, 96))


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


def objective(orders: tuple[int, ...], scales: Scales) -> Objective:
    """Returns the Sobolev objective over these orders, in standardized units."""
    parts = []
    sigma = scales.y_scale
    for order in range(max(orders) + 1):
        if order in orders:
            parts.append(match.derivatives(order, chance.Gaussian(sigma)))
        sigma = sigma[..., None] / scales.x_scale.reshape((1,) * sigma.ndim + (-1,))
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


def initial_key(settings: Settings) -> PRNGKeyArray:
    """Returns the key from which the random weights are drawn."""
    return jr.key(settings.seed)
