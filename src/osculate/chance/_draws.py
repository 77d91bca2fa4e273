"""Many draws, with the derivatives of the parameters or without."""

import equinox as eqx
import jax
import jax.random as jr
from jax import lax
from jaxtyping import Array, PRNGKeyArray

from ._distribution import Distribution


def draws(law: Distribution, key: PRNGKeyArray, n: int) -> Array:
    """Returns n independent draws, `(n, *law.shape)`."""
    return jax.vmap(law.sample)(jr.split(key, n))


def constant_draws(law: Distribution, key: PRNGKeyArray, n: int) -> Array:
    """Returns n draws with no derivatives by the parameters, `(n, *law.shape)`.

    Those are stopped before the draw, for derivatives of some draws are dear, and after
    it, for a law made of functions may hold parameters in them.
    """
    stopped = lambda leaf: lax.stop_gradient(leaf) if eqx.is_array(leaf) else leaf
    return lax.stop_gradient(draws(jax.tree.map(stopped, law), key, n))
