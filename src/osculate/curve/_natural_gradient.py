"""Natural gradient descent on likelihoods, with the momentum of SPRING on squares."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, did_you_mean, flatten, is_square

from ._descent import flat_loss
from ._fisher import fisher
from ._lanes import (
    LANES,
    Lane,
    choose_lane,
    local,
    num_residuals,
    refuse_lane,
    report_free,
)
from ._operators import flat_product, linearized, losses_of
from ._precision import refuse_precision
from ._rows import refuse_losses

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]


class NaturalGradientState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        direction: The last direction, before its step size, `(P,)`.
        step_size: What it was multiplied by.
        scale: Factor of all step sizes; 1 unless a fit has asked for shorter ones.
    """

    direction: Float[Array, " P"]
    step_size: Scalar
    scale: Scalar


class _Here(NamedTuple):
    """What a step needs to know of the point, with F its Fisher matrix, g the gradient.

    Attributes:
        theta: The point, `(P,)`.
        build: From a vector to the model.
        direction: `d -> d - (F + damping)^-1 (g + F d)`, where d is kept of the last.
        loss: From a vector to the loss, or a multiple of it.
    """

    theta: Vector
    build: Callable[[Vector], PyTree[Any]]
    direction: Callable[[Vector], Vector]
    loss: Callable[[Vector], Scalar]


class NaturalGradient(eqx.Module):
    """Steps along `-(F + damping)^-1 g`, F the Fisher matrix and g the gradient.

    Attributes:
        step_size: Multiple of the direction.
        damping: What is added to the matrix.
        momentum: Share of the last direction that is kept where F allows it.
        halvings: How often the step size may be halved to lower the loss.
        lane: `"primal"`, `"dual"`, `"free"`, or None to choose.
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
        theta = flat_loss(objective, model, samples).theta
        refuse_precision("natural_gradient", theta.dtype, self.dtype)
        if self._by_residuals(objective):
            refuse_losses("natural_gradient", objective)
            self._check_lane(objective, model, samples)
        else:
            fisher(objective, model, samples)  # refuses losses it does not know
        zero, one = jnp.zeros_like(theta), jnp.ones((), theta.dtype)
        return NaturalGradientState(zero, jnp.zeros_like(one), one)

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
        look = _squares if self._by_residuals(objective) else _likelihoods
        dtype = state.direction.dtype
        damping, momentum, largest = (
            a.astype(dtype) for a in (self.damping, self.momentum, self.step_size)
        )
        largest = largest * state.scale
        here = look(self.lane, objective, model, samples, damping)
        direction = here.direction(momentum * state.direction)
        size = self._step_size(here, direction, largest)
        moved = here.build(here.theta + size * direction)
        return moved, NaturalGradientState(direction, size, state.scale)

    def shorter(self, state: NaturalGradientState) -> NaturalGradientState:
        """Halves this step and all that follow."""
        return state._replace(scale=state.scale / 2)

    def _step_size(self, here: _Here, direction: Vector, largest: Scalar) -> Scalar:
        """Returns the step size of the lowest loss among all halvings of the largest.

        Where none is finite it is the smallest.
        """
        if not self.halvings:
            return largest
        loss = lambda size: here.loss(here.theta + size * direction)
        sizes = largest * 0.5 ** jnp.arange(self.halvings + 1, dtype=largest.dtype)
        losses = jax.lax.map(loss, sizes)
        finite = jnp.isfinite(losses)
        lowest = jnp.argmin(jnp.where(finite, losses, jnp.inf))
        return sizes[jnp.where(finite.any(), lowest, self.halvings)]

    def _by_residuals(self, objective: Objective) -> bool:
        """Whether F is J'J of residuals; other likelihoods only have products."""
        losses = [loss for t in objective.terms.values() for loss in losses_of(t)]
        return all(map(is_square, losses)) or self.lane in ("primal", "dual")

    def _check_lane(
        self, objective: Objective, model: PyTree[Any], samples: Any
    ) -> None:
        theta, R = flatten(model)[0], num_residuals(objective, model, samples)
        owner, size = "natural_gradient", (theta.size, R, theta.dtype)
        if self.lane is not None:
            refuse_lane(owner, self.lane, *size)
        elif choose_lane(*size) == "free":
            report_free(owner, *size)


def _squares(
    name: str | None,
    objective: Objective,
    model: PyTree[Any],
    samples: Any,
    damping: Scalar,
) -> _Here:
    """Looks at residuals, whose matrix `J'J` is F."""
    here = local(objective, model, samples)
    P, R = here.theta.size, here.residual.size
    lane: Lane = LANES[name or choose_lane(P, R, here.theta.dtype)]()
    one = jnp.ones_like(here.theta)
    matrix = lane.matrix(objective, model, samples)
    solve = lane.solver(matrix, here, damping, one, one)
    return _Here(
        theta=here.theta,
        build=here.build,
        direction=lambda kept: kept - solve(here.residual + here.push(kept)),
        loss=lambda theta: jnp.sum(here.at(theta) ** 2),
    )


def _likelihoods(
    name: str | None,
    objective: Objective,
    model: PyTree[Any],
    samples: Any,
    damping: Scalar,
) -> _Here:
    """Looks at any likelihoods by products with F."""
    del name
    theta, build, loss = flat_loss(objective, model, samples)
    mv, _, _ = flat_product(linearized(fisher(objective, model, samples)))
    gradient = jax.grad(loss)(theta)
    lane, one = LANES["free"](), jnp.ones_like(theta)
    factor = lane.factor(mv, theta)
    solve = lambda b: lane.solve(factor, lambda v: mv(v) + damping * v, b, damping, one)
    return _Here(
        theta=theta,
        build=build,
        direction=lambda kept: kept - solve(gradient + mv(kept)),
        loss=loss,
    )


def natural_gradient(
    step_size: float = 1.0,
    damping: float = 1e-6,
    *,
    momentum: float = 0.0,
    halvings: int = 0,
    lane: str | None = None,
    dtype: str = "float64",
) -> NaturalGradient:
    """Returns natural gradient descent for losses with a likelihood behind them.

    The step `-(F + damping)^-1 g`, F the Fisher matrix of the parameters, does not
    depend on the coordinates of the model, to first order in its size (SPEC K4.6.17).
    Of squares F is `J'J`; for the residuals of an equation this is energy natural
    gradient descent (Mueller and Zeinhofer 2023), with `halvings=30` its line search,
    and with `momentum` the method of Goldshlager, Abrahamsen and Lin (2024, SPRING),
    for minibatches. Classes, counts and all else that `fisher` knows are solved by
    products with F.

    Args:
        step_size: Multiple of the direction; of squares 1 is a Gauss-Newton step.
        damping: What is added to F, in its units.
        momentum: From 0 to below 1.
        halvings: How often the step size may be halved. All are tried at every step, an
            evaluation of the loss each, and the lowest loss is taken.
        lane: `"primal"`, `"dual"` (for squares) or `"free"`; None chooses by P and R,
            and `"free"` where a loss is no square.
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
