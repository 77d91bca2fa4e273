"""How uncertain a model says it is: a process' posterior, the spread of members."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64, PyTree

from osculate import diff, match, nets

from ._predict import in_blocks

ROWS_OF_A_PROCESS = 256  # each takes a triangular system


def is_spread(model: nets.Named) -> bool:
    """Tells whether a model says how uncertain it is: not one network."""
    return isinstance(model.net, match.GaussianProcess | nets.Ensemble)


def spread(
    model: nets.Named, x: Float64[np.ndarray, "N D"], order: int
) -> Float64[np.ndarray, "N M ..."]:
    """Returns the standard deviation of each entry of one derivative tensor.

    Of a process that of the posterior, without noise; of an ensemble that of one member
    about the mean, from E - 1 degrees of freedom.

    Args:
        model: A process or an ensemble, with named outputs.
        x: Points.
        order: 0 of the values, 1 of the first derivatives.

    Returns:
        `(N, M)` or `(N, M, D)`, in the units of the entries.
    """
    return in_blocks(lambda rows: (_spread_rows(model.net, rows, order),), x)[0]


@eqx.filter_jit
def _spread_rows(net: PyTree[Any], x: Any, order: int) -> Any:
    if isinstance(net, match.GaussianProcess):
        variance = lambda p: net.variance(p, order)
        size = min(ROWS_OF_A_PROCESS, len(x))
        return jnp.sqrt(jax.lax.map(variance, x, batch_size=size))
    jet = lambda member, p: diff.jet(diff.as_vector(member), order)(p)[order]
    each = eqx.filter_vmap(lambda member: jax.vmap(lambda p: jet(member, p))(x))
    return jnp.std(each(net.members), axis=0, ddof=1)
