"""L-BFGS with a strong-Wolfe line search, Optax's, on the flat vector of parameters."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import optax
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, flatten, relaxed


class LBFGS(eqx.Module):
    """Limited-memory BFGS (Nocedal and Wright, Numerical Optimization, alg. 7.5).

    All parameters are one vector: a few large operations per step in place of many
    small ones per layer. It wants all samples at once and float64.

    Attributes:
        memory: Number of past steps that shape the inverse Hessian.
        evaluations: At most so many per line search.
    """

    memory: int = eqx.field(static=True, default=50)
    evaluations: int = eqx.field(static=True, default=20)

    def init(
        self, objective: Objective, model: PyTree[Any], samples: Any
    ) -> PyTree[Any]:
        """Returns the Optax state for the flat parameters."""
        flat, _ = _flat_loss(objective, model, samples)
        with relaxed():
            return self._method().init(flat)

    def step(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: PyTree[Any]
    ) -> tuple[PyTree[Any], PyTree[Any]]:
        """Takes one step; the value and gradient at its end are kept for the next."""
        flat, loss = _flat_loss(objective, model, samples)
        with relaxed():
            value, gradient = optax.value_and_grad_from_state(loss)(flat, state=state)
            updates, state = self._method().update(
                gradient, state, flat, value=value, grad=gradient, value_fn=loss
            )
            flat += updates  # pyright: ignore[reportOperatorIssue]
        return flatten(model)[1](flat), state

    def notes(self, state: PyTree[Any]) -> dict[str, Any]:
        """Returns nothing: there is nothing to tell."""
        return {}

    def moved(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: PyTree[Any]
    ) -> PyTree[Any]:
        """Forgets the value and gradient at the old points, keeps the curvature."""
        flat, loss = _flat_loss(objective, model, samples)
        value, gradient = jax.value_and_grad(loss)(flat)
        return optax.tree_utils.tree_set(state, value=value, grad=gradient)

    def _method(self) -> optax.GradientTransformationExtraArgs:
        search = optax.scale_by_zoom_linesearch(
            max_linesearch_steps=self.evaluations, initial_guess_strategy="one"
        )
        return optax.lbfgs(memory_size=self.memory, linesearch=search)


def lbfgs(*, memory: int = 50, evaluations: int = 20) -> LBFGS:
    """Returns the L-BFGS optimizer.

    Args:
        memory: Number of past steps kept.
        evaluations: At most so many evaluations per line search.

    Returns:
        An Optimizer for `fit`.
    """
    return LBFGS(memory, evaluations)


def _flat_loss(
    objective: Objective, model: PyTree[Any], samples: Any
) -> tuple[Float[Array, " P"], Callable[[Float[Array, " P"]], Float[Array, ""]]]:
    theta, build = flatten(model)
    return theta, lambda theta: objective(build(theta), samples)[0]
