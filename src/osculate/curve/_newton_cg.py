"""Newton's method on products alone: conjugate gradients, then a line search."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from osculate.core import Objective

from ._conjugate_gradients import Solution, conjugate_gradients
from ._descent import flat_loss, nothing_left, stalled
from ._line_search import line_search
from ._operators import flat_product, gauss_newton, hessian, linearized
from ._precision import refuse_precision

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]

LOOSEST = 0.25  # relative residual of a system far from the minimum


class NewtonState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        loss: At the parameters.
        gradient: There.
        tolerance: Relative residual to which the next system is solved.
        products: Products with the curvature so far.
        stalled: Steps since the loss fell by more than rounding.
        converged: Whether nothing is left to gain on these samples.
    """

    loss: Scalar
    gradient: Vector
    tolerance: Scalar
    products: Int[Array, ""]
    stalled: Int[Array, ""]
    converged: Bool[Array, ""]


class NewtonCG(eqx.Module):
    """Truncated Newton method. It wants all samples at once.

    Memory: a few vectors of the size of the parameters, and one pass through the model.

    Attributes:
        gauss_newton: Whether the curvature is the Gauss-Newton matrix.
        tolerance: Relative residual of every system, or None.
        max_products: Per step at most.
        evaluations: At most so many per line search.
        dtype: The precision that the parameters must have.
    """

    gauss_newton: bool = eqx.field(static=True)
    tolerance: float | None = eqx.field(static=True)
    max_products: int = eqx.field(static=True)
    evaluations: int = eqx.field(static=True)
    dtype: str = eqx.field(static=True)

    def init(
        self, objective: Objective, model: PyTree[Any], samples: Any
    ) -> NewtonState:
        """Returns the state before the first step."""
        theta = flat_loss(objective, model, samples).theta
        refuse_precision("newton_cg", theta.dtype, self.dtype)
        nothing, zero = jnp.asarray(jnp.nan, theta.dtype), jnp.asarray(0)
        state = NewtonState(
            loss=nothing,
            gradient=jnp.zeros_like(theta),
            tolerance=jnp.full_like(nothing, LOOSEST),
            products=zero,
            stalled=zero,
            converged=jnp.asarray(False),
        )
        return self.moved(objective, model, samples, state)

    def moved(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: NewtonState
    ) -> NewtonState:
        """Takes value and gradient anew, and begins with the loosest tolerance."""
        theta, _, loss_at = flat_loss(objective, model, samples)
        loss, gradient = jax.value_and_grad(loss_at)(theta)
        first = LOOSEST if self.tolerance is None else self.tolerance
        return state._replace(
            loss=loss,
            gradient=gradient,
            tolerance=jnp.full_like(loss, first),
            stalled=jnp.zeros_like(state.stalled),
            converged=~jnp.isfinite(loss) | ~(gradient @ gradient > 0),
        )

    def step(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: NewtonState
    ) -> tuple[PyTree[Any], NewtonState]:
        """Solves for the step of Newton, as far as the tolerance asks, and takes it."""
        theta, build, loss_at = flat_loss(objective, model, samples)
        curvature = gauss_newton if self.gauss_newton else hessian
        mv, _, _ = flat_product(linearized(curvature(objective, model, samples)))
        found = conjugate_gradients(
            mv,
            -state.gradient,
            tolerance=state.tolerance,
            max_steps=self.max_products,
        )
        end = line_search(
            jax.value_and_grad(loss_at),
            theta,
            found.value,
            state.loss,
            state.gradient,
            _first_trial(mv, found),
            self.evaluations,
        )
        gradient = jnp.where(end.moved, end.gradient, state.gradient)
        stuck = stalled(state.loss, end.loss, state.stalled)
        after = NewtonState(
            loss=end.loss,
            gradient=gradient,
            tolerance=self._next_tolerance(state, gradient),
            products=state.products + found.steps,
            stalled=stuck,
            converged=~end.moved | nothing_left(gradient, stuck),
        )
        return build(theta + end.step * found.value), after

    def notes(self, state: NewtonState) -> dict[str, Array]:
        """Returns the products taken so far, and whether it is done."""
        return {"products": state.products, "converged": state.converged}

    def _next_tolerance(self, state: NewtonState, gradient: Vector) -> Scalar:
        """The second choice of Eisenstat and Walker, eq. 2.6."""
        if self.tolerance is not None:
            return state.tolerance
        shrunk = (gradient @ gradient) / (state.gradient @ state.gradient)
        sharpest = jnp.sqrt(jnp.finfo(shrunk.dtype).eps)
        return jnp.clip(0.9 * shrunk, sharpest, LOOSEST)


def _first_trial(mv: Callable[[Vector], Vector], found: Solution) -> Scalar:
    """Returns 1; along the gradient, where it bends down, the radius of its bend."""
    along = found.indefinite & (found.steps == 1)
    slope = found.value
    bend = jax.lax.cond(along, mv, jnp.zeros_like, slope)
    radius = (slope @ slope) / jnp.abs(slope @ bend)
    unit = 1 / jnp.linalg.norm(slope)
    return jnp.where(along, jnp.where(jnp.isfinite(radius), radius, unit), 1.0)


def newton_cg(
    *,
    gauss_newton: bool = False,
    tolerance: float | None = None,
    max_products: int = 200,
    evaluations: int = 20,
    dtype: str = "float64",
) -> NewtonCG:
    """Returns Newton's method for many parameters: it asks for products, no matrix.

    Conjugate gradients solve `H v = -g`, loosely far from the minimum and ever more
    sharply near it, so that the last steps converge superlinearly. Where a direction of
    negative curvature comes up, the step is what was found before it, or the gradient.
    Along the step the loss is searched (SPEC K4.1.2). For smooth objectives of so many
    parameters that `ssbroyden` has no room for its matrix.

    Cost of a step: some products of two gradients each (`products` in the history
    counts them), and a gradient or two for the line search.

    Reference: Dembo and Steihaug, Truncated-Newton algorithms for large-scale
    unconstrained optimization, Math. Program. 26 (1983); Eisenstat and Walker, Choosing
    the forcing terms in an inexact Newton method, SIAM J. Sci. Comput. 17 (1996),
    choice 2.

    Args:
        gauss_newton: Takes the Gauss-Newton matrix for H: for convex losses it has no
            negative curvature, and it needs no second derivatives of the model.
        tolerance: Relative residual to which every system is solved; None chooses it
            from step to step by how the gradient shrinks.
        max_products: Per step at most.
        evaluations: At most so many evaluations per line search.
        dtype: Precision of the parameters; `"float32"` says that a loss which stops at
            1e-7 of its first value is enough.

    Returns:
        An Optimizer for `train.fit`.

    Raises:
        ValueError: If the tolerance or a number of products or evaluations is not
            positive.

    Example:
        >>> method = newton_cg(gauss_newton=True, dtype="float32")
        >>> found = osculate.train.fit(objective, model, samples, method, steps=3)
        >>> first, *_, last = found.history["loss"]
        >>> bool(last < first)
        True
    """
    sound = tolerance is None or 0 < tolerance < 1
    if not (sound and max_products >= 1 and evaluations >= 1):
        raise ValueError(
            f"`newton_cg`: tolerance={tolerance}, max_products={max_products}, "
            f"evaluations={evaluations}; expected a tolerance between 0 and 1 or None, "
            "and 1 or more of both."
        )
    return NewtonCG(gauss_newton, tolerance, max_products, evaluations, dtype)
