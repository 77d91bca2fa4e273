"""Natural gradient descent on sums of squares, with the momentum of SPRING."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, did_you_mean

from ._lanes import LANES, Lane, Local, choose_lane, local
from ._precision import refuse_precision
from ._rows import refuse_losses

Scalar = Float[Array, ""]


class NaturalGradientState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        direction: The last direction, before its step size, `(P,)`.
        step_size: What it was multiplied by.
    """

    direction: Float[Array, " P"]
    step_size: Scalar


class NaturalGradient(eqx.Module):
    """Steps along `-(J'J + damping)^-1 J'r`, J the derivatives of all residuals r.

    Attributes:
        step_size: Multiple of the direction.
        damping: What is added to the matrix.
        momentum: Share of the last direction that is kept where residuals allow it.
        halvings: How often the step size may be halved to lower the loss.
        lane: As for `levenberg_marquardt`.
        dtype: The precision that the parameters must have.
    """

    step_size: Scalar
    damping: Scalar
    momentum: Scalar
    halvings: int = eqx.field(static=True)
    lane: str | None = eqx.field(static=True)
    dtype: str = eqx.field(static=True)

    def init(
        self, objective: Objective, model: PyTree[Any], samples: Any
    ) -> NaturalGradientState:
        """Returns the state without momentum."""
        refuse_losses("natural_gradient", objective)
        here = local(objective, model, samples)
        refuse_precision("natural_gradient", here.theta.dtype, self.dtype)
        zero = jnp.zeros_like(here.theta)
        return NaturalGradientState(zero, jnp.zeros((), zero.dtype))

    def moved(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Any,
        state: NaturalGradientState,
    ) -> NaturalGradientState:
        """Returns the state unchanged: it holds nothing of the old points' values."""
        return state

    def notes(self, state: NaturalGradientState) -> dict[str, Array]:
        """Returns the last step size."""
        return {"step_size": state.step_size}

    def step(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Any,
        state: NaturalGradientState,
    ) -> tuple[PyTree[Any], NaturalGradientState]:
        """Takes one step."""
        here = local(objective, model, samples)
        lane = self._lane(here)
        dtype = here.theta.dtype
        damping, momentum, largest = (
            a.astype(dtype) for a in (self.damping, self.momentum, self.step_size)
        )
        one = jnp.ones_like(here.theta)
        matrix = lane.matrix(objective, model, samples)
        solve = lane.solver(matrix, here, damping, one, one)
        kept = momentum * state.direction
        direction = kept - solve(here.residual + here.push(kept))
        size = self._step_size(here, direction, largest)
        moved = here.build(here.theta + size * direction)
        return moved, NaturalGradientState(direction, size)

    def _step_size(
        self, here: Local, direction: Float[Array, " P"], largest: Scalar
    ) -> Scalar:
        """Halves the step size as often as that lowers the loss."""
        if not self.halvings:
            return largest
        loss = lambda size: jnp.sum(here.at(here.theta + size * direction) ** 2)
        sizes = largest * 0.5 ** jnp.arange(self.halvings + 1, dtype=largest.dtype)
        losses = jax.lax.map(loss, sizes)
        return sizes[jnp.argmin(jnp.where(jnp.isfinite(losses), losses, jnp.inf))]

    def _lane(self, here: Local) -> Lane:
        return LANES[self.lane or choose_lane(here.theta.size, here.residual.size)]()


def natural_gradient(
    step_size: float = 1.0,
    damping: float = 1e-6,
    *,
    momentum: float = 0.0,
    halvings: int = 0,
    lane: str | None = None,
    dtype: str = "float64",
) -> NaturalGradient:
    """Returns natural gradient descent for losses that are sums of squares.

    A square is the negative log-likelihood of a normal law, whose Fisher matrix by the
    parameters is `J'J`: the step does not depend on the coordinates of the model, to
    first order in its size (SPEC K4.6.17). For the residuals of an equation this is
    energy natural gradient descent (Mueller and Zeinhofer 2023), with `halvings=30` its
    line search; with `momentum` the method of Goldshlager, Abrahamsen and Lin (2024,
    SPRING), for minibatches.

    Args:
        step_size: Multiple of the direction; 1 is a Gauss-Newton step.
        damping: What is added to `J'J`, in its units.
        momentum: From 0 to below 1.
        halvings: How often the step size may be halved; the lowest loss is taken.
        lane: `"primal"`, `"dual"` or `"free"`; None chooses by P and R.
        dtype: Precision of the parameters.

    Returns:
        An Optimizer for `train.fit`.

    Raises:
        ValueError: If a number is out of range or the lane is not known.
    """
    if not (step_size > 0 and damping > 0 and 0 <= momentum < 1 and halvings >= 0):
        raise ValueError(
            f"`natural_gradient`: step_size={step_size}, damping={damping}, "
            f"momentum={momentum}, halvings={halvings}; expected a positive step size "
            "and damping, a momentum in [0, 1) and no fewer than 0 halvings."
        )
    if lane is not None and lane not in LANES:
        raise ValueError(
            f"`natural_gradient`: lane {lane!r}; expected one of {list(LANES)} or None."
            f"{did_you_mean(lane, LANES)}"
        )
    return NaturalGradient(
        step_size=jnp.asarray(float(step_size)),
        damping=jnp.asarray(float(damping)),
        momentum=jnp.asarray(float(momentum)),
        halvings=halvings,
        lane=lane,
        dtype=dtype,
    )
