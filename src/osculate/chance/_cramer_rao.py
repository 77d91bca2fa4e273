"""The least covariance that an unbiased estimate can have."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from ._distribution import parameter, require

Matvec = Callable[[Float[Array, " P"]], Float[Array, " P"]]


def cramer_rao(
    fisher: ArrayLike | Matvec,
    phi_jacobian: ArrayLike | None = None,
) -> Float[Array, "..."]:
    """Returns the Cramér-Rao bound `J F⁻¹ Jᵀ` on the covariance of estimates of phi.

    No unbiased estimate of phi(theta) has a smaller covariance, in the sense that the
    difference has no negative eigenvalue. That of N observations has N times the Fisher
    information of one. Maximum likelihood attains the bound as N grows; at finite N it
    may be biased and above it.

    Args:
        fisher: Fisher information of the data: a number, `(P, P)`, or the function
            v -> F v of a positive definite F, which is then solved for by conjugate
            gradients.
        phi_jacobian: Derivative of phi by theta: `(M, P)`, the gradient `(P,)` of one
            number, or a number for one parameter. None: phi is theta itself.

    Returns:
        The bound `(M, M)`; a number where phi is one number.

    Raises:
        ValueError: If the shapes do not fit, F is a function and the Jacobian is
            missing, or F is singular: some direction cannot be estimated at all.
            Compiled, the bound is NaN then.

    Reference: H. Cramér 1946; C. R. Rao 1945; SPEC K3.4.9-14.

    Example:
        >>> from osculate.chance import Normal
        >>> cramer_rao(10 * Normal(0.0, 2.0).fisher()[0, 0])  # mean of 10: σ²/10
        Array(0.4, dtype=float32)
    """
    if callable(fisher):
        return _by_products(fisher, phi_jacobian)
    F = parameter(fisher)
    if F.ndim not in (0, 2) or (F.ndim == 2 and F.shape[0] != F.shape[1]):
        raise ValueError(
            f"`cramer_rao`: fisher has shape {F.shape}; expected a number, (P, P) "
            "or a function v -> F v."
        )
    if phi_jacobian is None:
        J = jnp.eye(len(F), dtype=F.dtype) if F.ndim else jnp.ones((), F.dtype)
    else:
        J = jnp.asarray(phi_jacobian, F.dtype)
    given = J.shape
    if F.ndim == 0:
        F, J = F[None, None], J[..., None]
    if J.ndim not in (1, 2) or J.shape[-1] != len(F):
        raise ValueError(
            f"`cramer_rao`: phi_jacobian has shape {given}; expected "
            f"the derivative by {len(F)} parameters, last axis {len(F)}."
        )
    root = jnp.linalg.cholesky(F)
    require(
        jnp.isfinite(root),
        "cramer_rao",
        "fisher is not positive definite; expected one that tells all parameters apart",
    )
    half = jax.scipy.linalg.solve_triangular(root, J.T, lower=True)
    return half.T @ half


def _by_products(fisher: Matvec, phi_jacobian: ArrayLike | None) -> Float[Array, "..."]:
    J = None if phi_jacobian is None else parameter(phi_jacobian)
    if J is None or J.ndim not in (1, 2):
        what = "is missing" if J is None else f"has shape {J.shape}"
        raise ValueError(
            f"`cramer_rao`: phi_jacobian {what}; expected (P,) or (M, P) where "
            "fisher is a function. Pass `jnp.eye(P)` for theta itself."
        )

    def solve(row: Float[Array, " P"]) -> Float[Array, " P"]:
        return lax.custom_linear_solve(fisher, row, conjugate_gradients, symmetric=True)

    bound = J @ (jax.vmap(solve)(J).T if J.ndim == 2 else solve(J))
    require(
        jnp.isfinite(bound),
        "cramer_rao",
        "fisher v -> F v could not be solved for phi_jacobian; expected a positive "
        "definite F that is not too near a singular one",
    )
    return bound


class _Progress(NamedTuple):
    x: Array
    residual: Array
    direction: Array
    square: Array
    ahead: Array
    iteration: Array


def conjugate_gradients(matvec: Matvec, b: Float[Array, " P"]) -> Float[Array, " P"]:
    """Solves `F x = b` for a positive definite F known by its products.

    Args:
        matvec: v -> F v.
        b: The right-hand side.

    Returns:
        x; NaN where F turns out not to be positive definite, or after three times as
        many steps as exact arithmetic would take, unless the residual is small by then.
    """
    limit = 3 * b.size
    eps, whole = jnp.finfo(b.dtype).eps, jnp.vdot(b, b)

    def go_on(at: _Progress) -> Bool[Array, ""]:
        return (at.square > eps**2 * whole) & at.ahead & (at.iteration < limit)

    def step(at: _Progress) -> _Progress:
        product = matvec(at.direction)
        curvature = jnp.vdot(at.direction, product)
        ahead = curvature > 0
        length = jnp.where(ahead, at.square / jnp.where(ahead, curvature, 1), 0)
        residual = at.residual - length * product
        square = jnp.vdot(residual, residual)
        direction = residual + square / at.square * at.direction
        x = at.x + length * at.direction
        return _Progress(x, residual, direction, square, ahead, at.iteration + 1)

    start = _Progress(
        jnp.zeros_like(b), b, b, whole, jnp.array(True), jnp.zeros((), int)
    )
    end = lax.while_loop(go_on, step, start)
    return jnp.where(end.square <= eps * whole, end.x, jnp.nan)
