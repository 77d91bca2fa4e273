"""Levenberg-Marquardt with geodesic acceleration on the residuals of an Objective."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from osculate.core import Objective, did_you_mean, flatten, trainable

from ._descent import PATIENCE, stalled
from ._lanes import (
    LANES,
    Lane,
    Local,
    choose_lane,
    local,
    refuse_lane,
    report_free,
)
from ._precision import refuse_precision
from ._rows import refuse_losses

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]

FIRST_DAMPING = 1e-3  # of the largest diagonal entry of the matrix
MAX_BEND = 0.75  # of twice the acceleration over the velocity


class LMState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        matrix: Of the lane, at the parameters; a rejected step uses it again.
        damping: What is added to it.
        growth: Factor of the damping at the next rejection.
        scale: What the damping is multiplied by, parameter by parameter.
        stalled: Steps since the loss fell by more than rounding.
        converged: Whether nothing is left to gain on these samples.
    """

    matrix: Array
    damping: Scalar
    growth: Scalar
    scale: Vector
    stalled: Int[Array, ""]
    converged: Bool[Array, ""]


class LevenbergMarquardt(eqx.Module):
    """Damped Gauss-Newton steps, with the damping of Nielsen.

    Attributes:
        lane: `"primal"`, `"dual"`, `"free"`, or None to choose by P and R.
        acceleration: Whether the step follows the geodesic to second order.
        scaled: Whether the damping is multiplied by the largest `diag(J'J)` seen.
        lower: Bounds of the parameters from below: a tree like the model's, or None.
        upper: Bounds from above, or None.
        dtype: The precision that the parameters must have.
    """

    lane: str | None = eqx.field(static=True)
    acceleration: bool = eqx.field(static=True)
    scaled: bool = eqx.field(static=True)
    lower: PyTree[Any]
    upper: PyTree[Any]
    dtype: str = eqx.field(static=True)

    def init(self, objective: Objective, model: PyTree[Any], samples: Any) -> LMState:
        """Returns the state before the first step."""
        theta, _ = flatten(model)
        refuse_precision("levenberg_marquardt", theta.dtype, self.dtype)
        refuse_losses("levenberg_marquardt", objective)
        _refuse_bounds(model, lower=self.lower, upper=self.upper)
        here = local(objective, model, samples)
        lane = self._lane(here, first=True)
        matrix = lane.matrix(objective, model, samples)
        gradient = here.pull(here.residual)
        rayleigh = (gradient @ gradient) / (here.residual @ here.residual)
        diagonal = lane.diagonal(matrix)
        largest = rayleigh if diagonal is None else jnp.max(diagonal)
        largest = jnp.where(largest > 0, largest, 1.0)  # also where it is 0 / 0
        scale = jnp.ones_like(theta)
        if self.scaled:
            scale = _scale(diagonal, theta)
            largest = jnp.ones_like(largest)
        low, high = self._bounds(theta)
        largest = eqx.error_if(
            largest,
            jnp.any((theta < low) | (theta > high) | (low > high)),
            "`levenberg_marquardt`: the model lies outside of its bounds, or a lower "
            "one is above the upper one. Begin between them.",
        )
        return LMState(
            matrix=matrix,
            damping=FIRST_DAMPING * largest,
            growth=jnp.full_like(largest, 2.0),
            scale=scale,
            stalled=jnp.asarray(0),
            converged=~(gradient @ gradient > 0),
        )

    def moved(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: LMState
    ) -> LMState:
        """Takes the matrix anew; keeps the damping."""
        here = local(objective, model, samples)
        gradient = here.pull(here.residual)
        return state._replace(
            matrix=self._lane(here).matrix(objective, model, samples),
            stalled=jnp.zeros_like(state.stalled),
            converged=~(gradient @ gradient > 0),
        )

    def step(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: LMState
    ) -> tuple[PyTree[Any], LMState]:
        """Tries one step; a rejected one only raises the damping."""
        here = local(objective, model, samples)
        lane = self._lane(here)
        delta, promised, bent = self._direction(lane, here, state)
        loss = 0.5 * here.residual @ here.residual
        residual = here.at(here.theta + delta)
        after = 0.5 * residual @ residual
        gain = (loss - after) / promised
        accepted = (after < loss) & (gain > 0) & ~bent & jnp.isfinite(after)
        easier = jnp.maximum(1 / 3, 1 - (2 * jnp.minimum(gain, 1.0) - 1) ** 3)
        factor = jnp.where(accepted, easier, state.growth)
        theta = jnp.where(accepted, here.theta + delta, here.theta)
        model = here.build(theta)
        matrix = jax.lax.cond(
            accepted,
            lambda: lane.matrix(objective, model, samples),
            lambda: state.matrix,
        )
        stuck = stalled(loss, jnp.where(accepted, after, loss), state.stalled)
        scale = state.scale
        if self.scaled:
            scale = jnp.maximum(scale, _scale(lane.diagonal(matrix), theta))
        following = LMState(
            matrix=matrix,
            damping=jnp.clip(state.damping * factor, *_range(loss.dtype)),
            growth=jnp.where(accepted, 2.0, 2 * state.growth),
            scale=scale,
            stalled=stuck,
            converged=stuck >= PATIENCE,
        )
        return model, following

    def notes(self, state: LMState) -> dict[str, Array]:
        """Returns the damping, and whether it is done."""
        return {"damping": state.damping, "converged": state.converged}

    def _direction(
        self, lane: Lane, here: Local, state: LMState
    ) -> tuple[Vector, Scalar, Bool[Array, ""]]:
        """Returns the step, the decrease it promises and whether it bends too far."""
        lower, upper = self._bounds(here.theta)
        gradient = here.pull(here.residual)
        outward = ((here.theta <= lower) & (gradient > 0)) | (
            (here.theta >= upper) & (gradient < 0)
        )
        free = jnp.where(outward, 0.0, 1.0).astype(here.theta.dtype)
        solve = lane.solver(state.matrix, here, state.damping, state.scale, free)
        velocity = -solve(here.residual)
        bent = jnp.asarray(False)
        step = velocity
        if self.acceleration:
            turn = -0.5 * solve(here.bend(velocity))
            size = lambda v: jnp.sqrt(jnp.sum(state.scale * v * v))
            bent = ~(2 * size(turn) <= MAX_BEND * size(velocity))
            step = velocity + turn
        step = jnp.clip(here.theta + step, lower, upper) - here.theta
        along = here.push(velocity)
        promised = -(here.residual @ along) - 0.5 * along @ along
        return step, promised, bent

    def _bounds(self, theta: Vector) -> tuple[Vector, Vector]:
        infinite = jnp.full_like(theta, jnp.inf)
        lower = -infinite if self.lower is None else flatten(self.lower)[0]
        upper = infinite if self.upper is None else flatten(self.upper)[0]
        return lower, upper

    def _lane(self, here: Local, *, first: bool = False) -> Lane:
        P, R, dtype = here.theta.size, here.residual.size, here.theta.dtype
        owner = "levenberg_marquardt"
        if R == 0:
            raise ValueError(
                f"`{owner}`: there are no residuals. Pass samples with rows."
            )
        by_parameter = self.scaled or self.lower is not None or self.upper is not None
        name = self.lane or choose_lane(P, P if by_parameter else R, dtype)
        if name == "dual" and by_parameter:
            raise ValueError(
                f"`{owner}`: lane 'dual' has no matrix by parameter for bounds or "
                "scaled=True. Leave lane out, or choose 'primal' or 'free'."
            )
        if name == "free" and self.scaled:
            raise ValueError(
                f"`{owner}`: lane 'free' takes products, which do not show the "
                "curvature of each parameter. Leave scaled out, or choose 'primal'."
            )
        if first:
            products = "fewer parameters" if self.scaled else "lane 'free'"
            refuse_lane(owner, name, P, P if by_parameter else R, dtype, products)
        if first and name == "free" and self.lane is None:
            report_free(owner, P, P if by_parameter else R, dtype)
        return LANES[name]()


def _range(dtype: Any) -> tuple[float, float]:
    """Returns the least and the most damping: it has the units of the matrix."""
    known = jnp.finfo(dtype)
    return float(known.tiny) ** 0.5, float(known.max) ** 0.5


def _refuse_bounds(model: PyTree[Any], **bounds: PyTree[Any]) -> None:
    """Checks that bounds have the arrays of what is trained."""
    forms = lambda theta: (
        jax.tree.structure(theta),
        [a.shape for a in jax.tree.leaves(theta)],
    )
    wanted = forms(trainable(model)[0])
    for name, bound in bounds.items():
        if bound is not None and forms(trainable(bound)[0]) != wanted:
            raise ValueError(
                f"`levenberg_marquardt`: {name} is not a tree like the model's; "
                "expected an array for each that is trained. Use inf where there is no "
                "bound."
            )


def _scale(diagonal: Array | None, theta: Vector) -> Vector:
    """Returns `diag(J'J)` with no entry at 0."""
    if diagonal is None:
        return jnp.ones_like(theta)
    return jnp.maximum(diagonal, jnp.finfo(theta.dtype).eps * jnp.max(diagonal))


def levenberg_marquardt(
    *,
    lane: str | None = None,
    acceleration: bool = True,
    scaled: bool = False,
    lower: PyTree[Any] = None,
    upper: PyTree[Any] = None,
    dtype: str = "float64",
) -> LevenbergMarquardt:
    """Returns the Levenberg-Marquardt method with geodesic acceleration.

    Each step solves `(J'J + damping) v = -J'r`, J the derivatives of all residuals by
    all parameters: with a P x P matrix, with an R x R matrix where residuals are fewer,
    or by products alone where both are too many. It wants all samples at once.

    Reference: Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05, eq.
    2.4; Transtrum and Sethna, arXiv:1201.5885 (2012), section 4. SPEC K4.7/b.

    Args:
        lane: `"primal"`, `"dual"` or `"free"`; None chooses by P and R, and warns where
            memory leaves only products. A lane whose matrix does not fit is refused.
        acceleration: Adds half the second derivative along the step; costs one more
            solution with the same factor, and reaches small losses sooner.
        scaled: Damps every parameter in units of its own curvature (Marquardt).
        lower: Bounds of the parameters: a model whose arrays hold them.
        upper: As `lower`.
        dtype: Precision of the parameters; `"float32"` says that a loss which stops at
            1e-7 of its first value is enough.

    Returns:
        An Optimizer for `train.fit`. Its `init` raises where bounds are no tree like
        the model's, or the model lies outside of them.

    Raises:
        ValueError: If the lane is not known.
    """
    if lane is not None and lane not in LANES:
        raise ValueError(
            f"`levenberg_marquardt`: lane {lane!r}; expected one of {list(LANES)} or "
            f"None.{did_you_mean(lane, LANES)}"
        )
    return LevenbergMarquardt(lane, acceleration, scaled, lower, upper, dtype)
