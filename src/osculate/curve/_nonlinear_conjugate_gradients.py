"""Conjugate gradients on any smooth loss: three vectors of memory, no matrix."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from osculate.core import Objective, did_you_mean

from ._descent import flat_loss, nothing_left, stalled
from ._line_search import Found, line_search
from ._precision import refuse_precision

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]


class ConjugateState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        loss: At the parameters.
        gradient: There.
        direction: Of the next step.
        previous: The loss one step before; NaN if there is none.
        restarts: How often the direction became the negative gradient again.
        stalled: Steps since the loss fell by more than rounding.
        converged: Whether nothing is left to gain on these samples.
    """

    loss: Scalar
    gradient: Vector
    direction: Vector
    previous: Scalar
    restarts: Int[Array, ""]
    stalled: Int[Array, ""]
    converged: Bool[Array, ""]


class NonlinearConjugateGradients(eqx.Module):
    """Directions `d <- -g + beta d` with a line search. It wants all samples at once.

    Attributes:
        beta: Name of the function `(gradient, change of it, direction) -> beta`.
        evaluations: At most so many per line search.
        dtype: The precision that the parameters must have.
    """

    beta: str = eqx.field(static=True)
    evaluations: int = eqx.field(static=True)
    dtype: str = eqx.field(static=True)

    def init(
        self, objective: Objective, model: PyTree[Any], samples: Any
    ) -> ConjugateState:
        """Returns the state whose direction is the negative gradient."""
        theta = flat_loss(objective, model, samples).theta
        refuse_precision("nonlinear_conjugate_gradients", theta.dtype, self.dtype)
        nothing, zero = jnp.asarray(jnp.nan, theta.dtype), jnp.asarray(0)
        state = ConjugateState(
            loss=nothing,
            gradient=jnp.zeros_like(theta),
            direction=jnp.zeros_like(theta),
            previous=nothing,
            restarts=zero,
            stalled=zero,
            converged=jnp.asarray(False),
        )
        return self.moved(objective, model, samples, state)

    def moved(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Any,
        state: ConjugateState,
    ) -> ConjugateState:
        """Takes value and gradient anew, and the latter for the direction."""
        theta, _, loss_at = flat_loss(objective, model, samples)
        loss, gradient = jax.value_and_grad(loss_at)(theta)
        return state._replace(
            loss=loss,
            gradient=gradient,
            direction=-gradient,
            previous=jnp.full_like(loss, jnp.nan),
            stalled=jnp.zeros_like(state.stalled),
            converged=~jnp.isfinite(loss) | ~(gradient @ gradient > 0),
        )

    def step(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Any,
        state: ConjugateState,
    ) -> tuple[PyTree[Any], ConjugateState]:
        """Searches along the direction and takes the next one from the gradient."""
        theta, build, loss_at = flat_loss(objective, model, samples)
        bend = jax.jvp(jax.grad(loss_at), (theta,), (state.direction,))[1]
        found = line_search(
            jax.value_and_grad(loss_at),
            theta,
            state.direction,
            state.loss,
            state.gradient,
            _first_trial(state, bend),
            self.evaluations,
        )
        after = _updated(state, found, BETAS[self.beta])
        return build(theta + found.step * state.direction), after

    def notes(self, state: ConjugateState) -> dict[str, Array]:
        """Returns how often it began anew, and whether it is done."""
        return {"restarts": state.restarts, "converged": state.converged}


def _first_trial(state: ConjugateState, bend: Vector) -> Scalar:
    """Returns the minimum of the quadratic along the direction.

    Where that bends down, the last decrease is repeated; without one, the first step
    has the length 1.
    """
    slope, curvature = state.gradient @ state.direction, state.direction @ bend
    guess = 2.02 * (state.loss - state.previous) / slope
    unit = 1 / jnp.linalg.norm(state.direction)
    guess = jnp.where(guess > 0, guess, unit)
    return jnp.where(curvature > 0, -slope / curvature, guess)


def _updated(
    state: ConjugateState, found: Found, beta: Callable[..., Scalar]
) -> ConjugateState:
    """Returns the state at the point found, with the direction there."""
    gradient = jnp.where(found.moved, found.gradient, state.gradient)
    change = gradient - state.gradient
    direction = -gradient + beta(gradient, change, state.direction) * state.direction
    downhill = gradient @ direction < 0
    restart = ~found.moved | ~downhill | ~jnp.all(jnp.isfinite(direction))
    stuck = stalled(state.loss, found.loss, state.stalled)
    was_fresh = jnp.all(state.direction == -state.gradient)
    return ConjugateState(
        loss=found.loss,
        gradient=gradient,
        direction=jnp.where(restart, -gradient, direction),
        previous=jnp.where(found.moved, state.loss, jnp.nan),
        restarts=state.restarts + restart.astype(int),
        stalled=stuck,
        converged=(~found.moved & was_fresh) | nothing_left(gradient, stuck),
    )


def _polak_ribiere(gradient: Vector, change: Vector, direction: Vector) -> Scalar:
    """`max(0, g'y / |g_before|^2)` (Gilbert and Nocedal 1992)."""
    before = gradient - change
    return jnp.maximum(0.0, (gradient @ change) / (before @ before))


def _hager_zhang(gradient: Vector, change: Vector, direction: Vector) -> Scalar:
    """Hager and Zhang (2005), eq. 1.3, and the bound of 2013 from below.

    That is `0.4 d'g / d'd` with the gradient g where the search along d began.
    """
    along = direction @ change
    skewed = change - 2 * direction * ((change @ change) / along)
    least = 0.4 * (direction @ (gradient - change)) / (direction @ direction)
    return jnp.maximum((skewed @ gradient) / along, least)


BETAS = {"hager-zhang": _hager_zhang, "polak-ribiere": _polak_ribiere}


def nonlinear_conjugate_gradients(
    *, beta: str = "hager-zhang", evaluations: int = 20, dtype: str = "float64"
) -> NonlinearConjugateGradients:
    """Returns the method of nonlinear conjugate gradients.

    On a quadratic its iterates are those of `conjugate_gradients`, which ends after as
    many steps as the Hessian has distinct eigenvalues (SPEC K4.7.8-13). It keeps three
    vectors where `newton_cg` keeps a pass through the model and `lbfgs` a hundred: for
    the largest of all smooth models, on all samples at once.

    Cost of a step: one product with the Hessian, for the first trial of the line
    search, and most often one value and gradient: about three gradients.

    Reference: Hager and Zhang, A new conjugate gradient method with guaranteed descent
    and an efficient line search, SIAM J. Optim. 16 (2005); The limited memory conjugate
    gradient method, SIAM J. Optim. 23 (2013). Polak and Ribiere (1969), cut at 0 as by
    Gilbert and Nocedal, SIAM J. Optim. 2 (1992).

    Args:
        beta: `"hager-zhang"`, whose directions go down after any line search, or
            `"polak-ribiere"`.
        evaluations: At most so many evaluations per line search.
        dtype: Precision of the parameters; `"float32"` says that a loss which stops at
            1e-7 of its first value is enough.

    Returns:
        An Optimizer for `train.fit`.

    Raises:
        ValueError: If beta is not known, or there are no evaluations.

    Example:
        >>> method = nonlinear_conjugate_gradients(dtype="float32")
        >>> found = osculate.train.fit(objective, model, samples, method, steps=3)
        >>> first, *_, last = found.history["loss"]
        >>> bool(last < first)
        True
    """
    if beta not in BETAS:
        raise ValueError(
            f"`nonlinear_conjugate_gradients`: beta {beta!r}; expected one of "
            f"{list(BETAS)}.{did_you_mean(beta, BETAS)}"
        )
    if evaluations < 1:
        raise ValueError(
            f"`nonlinear_conjugate_gradients`: evaluations={evaluations}; expected 1 "
            "or more."
        )
    return NonlinearConjugateGradients(beta, evaluations, dtype)
