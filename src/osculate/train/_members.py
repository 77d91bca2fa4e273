"""One fit for every member of an ensemble, all in one compiled program."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Optimizer
from osculate.nets import Ensemble

CONVERGED = "converged"


class Members(eqx.Module):
    """Minimizes an objective for each member of an ensemble independently.

    The state is the other optimizer's with a leading axis E. A member that has
    converged stays where it is; the fit ends when all have.

    Attributes:
        optimizer: Of one member.
    """

    optimizer: Any

    def init(
        self, objective: Objective, model: PyTree[Any], samples: Any
    ) -> PyTree[Any]:
        """Returns the states of all members."""
        start = lambda net: self.optimizer.init(objective, net, samples)
        return eqx.filter_vmap(start)(_members(model))

    def step(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: PyTree[Any]
    ) -> tuple[PyTree[Any], PyTree[Any]]:
        """Takes one step of every member that has not converged."""

        def one(net: Any, state: Any) -> tuple[Any, Any]:
            after = self.optimizer.step(objective, net, samples, state)
            done = self.optimizer.notes(state).get(CONVERGED)
            if done is None:
                return after
            stay = lambda old, new: jnp.where(done, old, new)
            keep = lambda old, new: stay(old, new) if eqx.is_array(old) else old
            return jax.tree.map(keep, (net, state), after)

        net, state = eqx.filter_vmap(one)(_members(model), state)
        return Ensemble(net), state

    def notes(self, state: PyTree[Any]) -> dict[str, Array]:
        """Returns the means over members, and whether all of them are done."""
        found = eqx.filter_vmap(self.optimizer.notes)(state)
        done = {CONVERGED: jnp.all(found.pop(CONVERGED))} if CONVERGED in found else {}
        return {name: jnp.mean(a, axis=0) for name, a in found.items()} | done

    def moved(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: PyTree[Any]
    ) -> PyTree[Any]:
        """Tells every member's optimizer that the samples changed."""
        tell = lambda net, state: self.optimizer.moved(objective, net, samples, state)
        return eqx.filter_vmap(tell)(_members(model), state)

    def evaluate(
        self, objective: Objective, model: PyTree[Any], samples: Any
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """Returns the means over members of the loss and of its parts."""
        look = lambda net: objective(net, samples)
        found = eqx.filter_vmap(look)(_members(model))
        return jax.tree.map(lambda a: jnp.mean(a, axis=0), found)

    @property
    def shorter(self) -> Callable[[PyTree[Any]], PyTree[Any]] | None:
        """The function that shortens the steps of all members, where one can be."""
        one = getattr(self.optimizer, "shorter", None)
        return None if one is None else eqx.filter_vmap(one)


def members(optimizer: Optimizer) -> Members:
    """Returns an Optimizer that trains each member of an ensemble by itself.

    The objective is that of one member, and all members see the same samples. What
    `fit` records, compares on validation samples and returns as the best iterate is the
    mean over members of the loss, which is no less than the loss of their mean where
    the loss is convex. One member whose loss is not finite stops the fit of all.

    A step takes E times the memory of one member. It saves time where one member leaves
    the processor idle: first-order steps of small networks, accelerators. A line search
    goes on until the last member is satisfied, and both branches of a condition are
    computed; on a few cores methods that keep a P x P matrix are faster one member
    after the other, while that matrix stays in the cache.

    Args:
        optimizer: Of one member: `first_order(...)`, `lbfgs()`, `curve.ssbroyden()`.

    Returns:
        An Optimizer for `fit` of a `nets.Ensemble`.

    Example:
        >>> method = members(osculate.train.lbfgs())
    """
    return Members(optimizer)


def _members(model: Any) -> PyTree[Any]:
    if not isinstance(model, Ensemble):
        raise TypeError(
            f"`members`: the model is a {type(model).__name__}; expected a "
            "`nets.Ensemble`. Make one with `nets.ensemble`, or pass the optimizer "
            "itself."
        )
    return model.members
