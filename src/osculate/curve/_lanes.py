"""Three ways to solve `(J'J + damping) x = J's`: by P, by R, or by products alone."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples, flatten

from ._conjugate_gradients import conjugate_gradients
from ._dense import memory
from ._dual_gram import structured_dual_gram
from ._jacobian import dual_gram, gram
from ._nystrom import nystrom, preconditioner
from ._rows import residual_vector

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]
Residuals = Float[Array, " R"]

MAX_DENSE = (
    12_000  # rows of a matrix that is still factored: 1.2 GB in double precision
)
COPIES = 5  # of that matrix: of this chunk, of the one before, and its factors
SMALL = 2**20  # entries of a J that is formed, since nothing is faster


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
    residual, push = jax.linearize(at, theta)
    pull = jax.linear_transpose(push, theta)
    bend = lambda v: jax.jvp(lambda t: jax.jvp(at, (t,), (v,))[1], (theta,), (v,))[1]
    return Local(theta, residual, push, lambda s: pull(s)[0], bend, build, at)


def num_residuals(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> int:
    """Returns R, without computing one.

    Args:
        objective: What is wanted; every loss a sum of squares.
        model: The point.
        samples: Samples for every label.

    Returns:
        The number of entries of all residuals.
    """
    found = jax.eval_shape(lambda: objective.residuals(model, samples))
    return sum(r.size for r in found.values())


class Primal(eqx.Module):
    """A Cholesky factor of the P x P matrix: few parameters, many residuals."""

    def matrix(self, objective: Objective, model: PyTree[Any], samples: Any) -> Array:
        """Returns `J'J`, `(P, P)`."""
        return gram(objective, model, samples)

    def diagonal(self, matrix: Array) -> Array | None:
        """Returns `diag(J'J)`."""
        return jnp.diag(matrix)

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
        """Returns `JJ'`, `(R, R)`, layer by layer where J as a whole is large.

        From a million entries of J on, `structured_dual_gram` was 3 to 50 times faster
        on values and on Laplacians of networks, and takes 2 or 3 matrices of memory.
        """
        entries = flatten(model)[0].size * num_residuals(objective, model, samples)
        form = dual_gram if entries <= SMALL else structured_dual_gram
        return form(objective, model, samples)

    def diagonal(self, matrix: Array) -> Array | None:
        """Returns `diag(JJ')`."""
        return jnp.diag(matrix)

    def solver(
        self, matrix: Array, here: Local, damping: Scalar, scale: Vector, free: Vector
    ) -> Callable[[Residuals], Vector]:
        """Returns `s -> J'(JJ' + damping)^-1 s`, which is the same."""
        del scale, free
        factor = cho_factor(matrix + jnp.diag(jnp.full(len(matrix), damping)), True)
        return lambda s: here.pull(cho_solve(factor, s))


class Free(eqx.Module):
    """Conjugate gradients on products with a Nystrom preconditioner: any size.

    Attributes:
        max_steps: Products per solution at most.
        tolerance: Relative size of the residual at which it ends.
        rank: Of the preconditioner, which costs as many products at every new point.
    """

    max_steps: int = eqx.field(static=True, default=200)
    tolerance: float = eqx.field(static=True, default=1e-3)
    rank: int = eqx.field(static=True, default=25)

    def matrix(self, objective: Objective, model: PyTree[Any], samples: Any) -> Array:
        """Returns a factor of `J'J` for the preconditioner, `(P, rank)`."""
        here = local(objective, model, samples)
        return self.factor(lambda v: here.pull(here.push(v)), here.theta)

    def diagonal(self, matrix: Array) -> Array | None:
        """Returns None: products do not show it."""
        return None

    def solver(
        self, matrix: Array, here: Local, damping: Scalar, scale: Vector, free: Vector
    ) -> Callable[[Residuals], Vector]:
        """Returns `s -> (J'J + damping diag(scale))^-1 J's`, to the tolerance."""
        mv = lambda v: free * here.pull(here.push(free * v)) + damping * scale * v
        return lambda s: self.solve(matrix, mv, free * here.pull(s), damping, free)

    def factor(self, mv: Callable[[Vector], Vector], like: Vector) -> Array:
        """Returns the Nystrom factor of a matrix from `rank` products, `(P, rank)`."""
        return nystrom(mv, like, min(self.rank, like.size))

    def solve(
        self,
        factor: Array,
        mv: Callable[[Vector], Vector],
        b: Vector,
        damping: Scalar,
        free: Vector,
    ) -> Vector:
        """Returns `x` with `mv(x) = b`, to the tolerance."""
        near = preconditioner(factor, damping)
        found = conjugate_gradients(
            mv,
            b,
            preconditioner=lambda v: free * near(free * v) + (1 - free) * v,
            tolerance=self.tolerance,
            max_steps=self.max_steps,
        )
        return found.value


Lane = Primal | Dual | Free
LANES = {"primal": Primal, "dual": Dual, "free": Free}


def choose_lane(
    num_parameters: int, num_residuals: int, dtype: Any = jnp.float64
) -> str:
    """Returns the name of the lane with the fewest operations that fits into memory.

    Args:
        num_parameters: P.
        num_residuals: R.
        dtype: Of the parameters.

    Returns:
        `"primal"`, `"dual"` or `"free"`.
    """
    P, R = num_parameters, num_residuals
    if min(P, R) > MAX_DENSE or dense_memory(min(P, R), dtype) > memory():
        return "free"
    return "dual" if R < P else "primal"


def dense_memory(num_rows: int, dtype: Any) -> int:
    """Returns the bytes that a lane takes for a matrix of so many rows.

    Args:
        num_rows: P of the primal lane, R of the dual one.
        dtype: Of its entries.

    Returns:
        Bytes.
    """
    return COPIES * num_rows**2 * jnp.dtype(dtype).itemsize


def refuse_lane(
    owner: str, name: str, P: int, R: int, dtype: Any, products: str = "lane 'free'"
) -> None:
    """Checks that the matrix of a lane fits into memory.

    Args:
        owner: Who asks.
        name: Of the lane.
        P: Number of parameters.
        R: Number of residuals.
        dtype: Of the parameters.
        products: What needs no matrix.

    Raises:
        ValueError: If it does not; the message names what does.
    """
    if name == "free":
        return
    present = memory()
    rows = {"primal": P, "dual": R}
    needed = {lane: dense_memory(n, dtype) for lane, n in rows.items()}
    if needed[name] <= present:
        return
    other = "dual" if name == "primal" else "primal"
    advice = products
    if needed[other] <= present:
        advice = f"lane {other!r} ({_gigabytes(needed[other])}) or {advice}"
    raise ValueError(
        f"`{owner}`: lane {name!r} factors a matrix of {rows[name]} x {rows[name]} "
        f"numbers, which takes {_gigabytes(needed[name])} with its copies; there are "
        f"{_gigabytes(present)} of memory.\nUse {advice}."
    )


def report_free(owner: str, P: int, R: int, dtype: Any) -> None:
    """Warns that products take the place of a matrix that is too large.

    Args:
        owner: Who chose.
        P: Number of parameters.
        R: Number of residuals, or of parameters where only their matrix would do.
        dtype: Of the parameters.
    """
    rows = min(P, R)
    warnings.warn(
        f"`{owner}`: a matrix of {rows} x {rows} numbers would take "
        f"{_gigabytes(dense_memory(rows, dtype))} with its copies; lane 'free' solves "
        "by products instead, to 1e-3. Say so, lane='free', to read this no more.",
        stacklevel=2,
    )


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"
