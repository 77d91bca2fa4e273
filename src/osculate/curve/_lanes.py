"""Three ways to solve `(J'J + damping) x = J's`: by P, by R, or by products alone."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples

from ._conjugate_gradients import conjugate_gradients
from ._flat import flatten
from ._jacobian import dual_gram, gram
from ._rows import residual_vector

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]
Residuals = Float[Array, " R"]

MAX_DENSE = (
    12_000  # rows of a matrix that is still factored: 1.2 GB in double precision
)


class Local(NamedTuple):
    """The residuals at a point and their derivatives there.

    Attributes:
        theta: The point, `(P,)`.
        residual: `(R,)`, half whose sum of squares is the loss.
        push: `v -> J v`.
        pull: `s -> J' s`.
        bend: `v -> d^2 residual(theta + t v) / dt^2` at t = 0.
        build: From a vector to the model.
        at: Residuals of another vector.
    """

    theta: Vector
    residual: Residuals
    push: Callable[[Vector], Residuals]
    pull: Callable[[Residuals], Vector]
    bend: Callable[[Vector], Residuals]
    build: Callable[[Vector], PyTree[Any]]
    at: Callable[[Vector], Residuals]


def local(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> Local:
    """Returns the residuals of an objective at a model, with their derivatives.

    Args:
        objective: What is wanted; every loss a sum of squares.
        model: The point.
        samples: Samples for every label.

    Returns:
        Values, and functions that are traced where they are used.
    """
    theta, build = flatten(model)
    residuals = residual_vector(objective, samples)
    at = lambda t: residuals(build(t))
    residual, pull = jax.vjp(at, theta)
    push = lambda v: jax.jvp(at, (theta,), (v,))[1]
    bend = lambda v: jax.jvp(lambda t: jax.jvp(at, (t,), (v,))[1], (theta,), (v,))[1]
    return Local(theta, residual, push, lambda s: pull(s)[0], bend, build, at)


class Primal(eqx.Module):
    """A Cholesky factor of the P x P matrix: few parameters, many residuals."""

    def matrix(self, objective: Objective, model: PyTree[Any], samples: Any) -> Array:
        """Returns `J'J`, `(P, P)`."""
        return gram(objective, model, samples)

    def solver(
        self, matrix: Array, here: Local, damping: Scalar, scale: Vector, free: Vector
    ) -> Callable[[Residuals], Vector]:
        """Returns `s -> (J'J + damping diag(scale))^-1 J's` on the free parameters."""
        kept = matrix * free[:, None] * free[None]
        diagonal = jnp.where(free > 0, damping * scale, 1.0)
        factor = cho_factor(kept + jnp.diag(diagonal), lower=True)
        return lambda s: free * cho_solve(factor, free * here.pull(s))


class Dual(eqx.Module):
    """A Cholesky factor of the R x R matrix: few residuals, many parameters."""

    def matrix(self, objective: Objective, model: PyTree[Any], samples: Any) -> Array:
        """Returns `JJ'`, `(R, R)`, without J where layers allow it."""
        return dual_gram(objective, model, samples)

    def solver(
        self, matrix: Array, here: Local, damping: Scalar, scale: Vector, free: Vector
    ) -> Callable[[Residuals], Vector]:
        """Returns `s -> J'(JJ' + damping)^-1 s`, which is the same."""
        del scale, free
        factor = cho_factor(matrix + jnp.diag(jnp.full(len(matrix), damping)), True)
        return lambda s: here.pull(cho_solve(factor, s))


class Free(eqx.Module):
    """Conjugate gradients on products: any size, no matrix.

    Attributes:
        max_steps: Products per solution at most.
        tolerance: Relative size of the residual at which it ends.
    """

    max_steps: int = eqx.field(static=True, default=200)
    tolerance: float = eqx.field(static=True, default=1e-3)

    def matrix(self, objective: Objective, model: PyTree[Any], samples: Any) -> Array:
        """Returns an array of nothing."""
        theta, _ = flatten(model)
        return jnp.zeros((0, 0), theta.dtype)

    def solver(
        self, matrix: Array, here: Local, damping: Scalar, scale: Vector, free: Vector
    ) -> Callable[[Residuals], Vector]:
        """Returns `s -> (J'J + damping diag(scale))^-1 J's`, to the tolerance."""
        del matrix
        mv = lambda v: free * here.pull(here.push(free * v)) + damping * scale * v

        def solve(s: Residuals) -> Vector:
            found = conjugate_gradients(
                mv,
                free * here.pull(s),
                tolerance=self.tolerance,
                max_steps=self.max_steps,
            )
            return found.value

        return solve


Lane = Primal | Dual | Free
LANES = {"primal": Primal, "dual": Dual, "free": Free}


def choose_lane(num_parameters: int, num_residuals: int) -> str:
    """Returns the name of the lane with the fewest operations that fits into memory.

    Args:
        num_parameters: P.
        num_residuals: R.

    Returns:
        `"primal"`, `"dual"` or `"free"`.
    """
    P, R = num_parameters, num_residuals
    if min(P, R) > MAX_DENSE:
        return "free"
    return "dual" if R < P else "primal"
