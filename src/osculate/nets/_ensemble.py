"""An ensemble of networks: their mean answers, their spread tells what is not known."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree


class Ensemble(eqx.Module):
    """E networks of one form; the call is the mean of their answers at one point.

    Its derivatives are the means of the members' derivatives. Each member is to be
    trained by itself, on the same data from other first weights (`train.members`): the
    members then agree where the data determine them and differ where they do not.

    Reference: Lakshminarayanan, Pritzel and Blundell, Simple and scalable predictive
    uncertainty estimation using deep ensembles, NeurIPS (2017), section 2.4.

    Attributes:
        members: A network all of whose arrays have a leading axis E, those in `Fixed`
            too; it is a function of one point once one member's arrays are taken.
    """

    members: PyTree[Any]

    def __init__(self, members: PyTree[Any]):
        """Takes stacked members; `ensemble` makes them.

        Args:
            members: A network all of whose arrays have a leading axis E.

        Raises:
            ValueError: If there are no arrays, or they have no common leading axis.
        """
        shapes = [a.shape for a in jax.tree.leaves(members) if eqx.is_array(a)]
        if len({shape[:1] for shape in shapes}) != 1 or shapes[0][:1] in ((), (0,)):
            raise ValueError(
                f"`Ensemble`: arrays of the shapes {shapes[:6]}; expected one leading "
                "axis E of all, the number of members. Use `nets.ensemble`, which "
                "stacks them."
            )
        self.members = members

    @property
    def num_members(self) -> int:
        """How many members there are, E."""
        leaves = filter(eqx.is_array, jax.tree.leaves(self.members))
        return next(leaves).shape[0]

    def each(self, x: Float[Array, " D"]) -> Any:
        """Returns what every member answers at one point.

        Args:
            x: The point.

        Returns:
            `(E, M)`, or `{name: (E, ...)}` where members return named fields.
        """

        def one(net: Any) -> tuple[tuple[str, ...] | None, Any]:
            y = net(x)
            return (tuple(y), list(y.values())) if isinstance(y, dict) else (None, y)

        # Names leave beside the arrays: a dictionary would come back sorted by them.
        names, y = eqx.filter_vmap(one)(self.members)
        return y if names is None else dict(zip(names, y, strict=True))

    def __call__(self, x: Float[Array, " D"]) -> Any:
        """Returns the mean over members at one point.

        Args:
            x: The point.

        Returns:
            What one member returns: `(M,)`, or `{name: () or (size,)}`.
        """
        y, mean = self.each(x), lambda a: jnp.mean(a, axis=0)
        if isinstance(y, dict):
            return {name: mean(a) for name, a in y.items()}
        return jax.tree.map(mean, y)


def ensemble(
    make: Callable[[PRNGKeyArray], PyTree[Any]],
    num_members: int,
    *,
    key: PRNGKeyArray,
) -> Ensemble:
    """Returns an ensemble whose members differ in their random weights.

    Args:
        make: From a key to a network; traced once.
        num_members: E, 1 or more; 5 to 10 are usual.
        key: Split into one key per member.

    Returns:
        The ensemble.

    Raises:
        ValueError: If there is no member.

    Example:
        >>> make = lambda key: osculate.nets.MLP(2, 1, width=16, depth=2, key=key)
        >>> ensemble(make, 8, key=jax.random.key(0)).each(jnp.ones(2)).shape
        (8, 1)
    """
    if num_members < 1:
        raise ValueError(f"`ensemble`: {num_members} members; expected 1 or more.")
    return Ensemble(eqx.filter_vmap(make)(jr.split(key, num_members)))
