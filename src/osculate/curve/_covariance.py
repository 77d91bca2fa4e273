"""How sure fitted quantities are: their covariance where equations are constraints."""

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PyTree
from scipy.special import ndtri, stdtrit

from osculate.core import Objective, Samples, Term, did_you_mean, flatten

from ._dense import refuse_large
from ._jacobian import jacobians_by_part
from ._rows import refuse_empty, refuse_losses

RANK_TOLERANCE = 1e-10  # an error of 1e-16 there turns a direction by 1e-6


class Covariance(NamedTuple):
    """Quantities of a fitted model and how sure they are.

    A direction of the parameters is *free* where it moves the observations and not the
    constraints. Its stiffness is what it changes the constraints over what it changes
    the observations, each relative to the largest changes there are.

    Attributes:
        value: The quantities, as `of` returned them.
        standard_error: In their tree and units; infinite where not identified.
        covariance: `(Q, Q)`, ordered as by `ravel_pytree`. In the row of a quantity
            that is not identified, infinite on the diagonal and NaN beside it.
        identified: By quantity: whether observations and constraints determine it.
        unseen: By quantity: the share of its gradient along directions that move
            neither observations nor constraints.
        remaining: By quantity: the step along the free directions that is left to the
            least squares, to first order. Beside the standard error it is small where
            the fit has converged.
        sigma: Standard deviation of the observations, in units of their losses' own.
        degrees_of_freedom: Of the estimate of sigma; infinite where it was given.
        stiffness: `(K,)`, ascending; the first `num_free` are free. There should be a
            gap of decades behind them.
        num_free: Number of free directions.
        tolerance: Up to which stiffness a direction is free.
        rank: Number of directions that move an observation or a constraint.
        singular_values: Of the scaled Jacobian of both, over the largest.
        rank_tolerance: Below which of them a direction is taken to move neither.
    """

    value: PyTree[Any]
    standard_error: PyTree[Any]
    covariance: Float[np.ndarray, "Q Q"]
    identified: Bool[np.ndarray, " Q"]
    unseen: Float[np.ndarray, " Q"]
    remaining: Float[np.ndarray, " Q"]
    sigma: float
    degrees_of_freedom: float
    stiffness: Float[np.ndarray, " K"]
    num_free: int
    tolerance: float
    rank: int
    singular_values: Float[np.ndarray, " S"]
    rank_tolerance: float

    @property
    def gap(self) -> tuple[float, float]:
        """The largest stiffness that is free and the smallest that is held."""
        after = self.stiffness[self.num_free :]
        return float(self.stiffness[self.num_free - 1]), float(
            after.min(initial=np.inf)
        )

    def interval(self, level: float = 0.95) -> tuple[PyTree[Any], PyTree[Any]]:
        """Returns the ends of confidence intervals, each quantity by itself.

        Quantiles are those of Student's t with the degrees of freedom; of the normal
        distribution where sigma was given.

        Args:
            level: How often the interval shall cover the truth, between 0 and 1.

        Returns:
            `(low, high)`, each a tree like `value`.

        Raises:
            ValueError: If the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(
                f"`Covariance.interval`: level is {level}; expected a number between "
                "0 and 1, such as 0.95."
            )
        p, known = (1 + level) / 2, math.isinf(self.degrees_of_freedom)
        times = ndtri(p) if known else stdtrit(self.degrees_of_freedom, p)
        end = lambda sign: jax.tree.map(
            lambda v, e: np.asarray(v) + sign * times * e,
            self.value,
            self.standard_error,
        )
        return end(-1), end(1)


def covariance(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    *,
    of: Callable[[PyTree[Any]], PyTree[Any]],
    observed: str | Collection[str],
    sigma: float | int | None = None,
    tolerance: float = 1e-2,
    rank_tolerance: float = RANK_TOLERANCE,
) -> Covariance:
    """Returns quantities of a fitted model with the covariance of their estimates.

    Terms that are observed bring noise, once for each observation; all other terms are
    constraints, which hold. To first order the estimate moves along the free
    directions, `theta = T q` with `J T = X`, J the rows of the observations as the
    objective weighs them and X orthonormal: `q = -X' r`, and the covariance is
    `sigma^2 (G T) X' D^2 X (G T)'` with the derivative G of `of` and D the weighing. It
    is `(G T) (G T)'` where all observations count alike, and does not depend on the
    weights of the constraints.

    Samples of constraints should lie denser than the model can bend, which may be
    denser than those of the fit; else it evades them between the points and too many
    directions are free. An observation of weight w has the variance `sigma^2 / w`;
    sigma, if not given, is `sum(w residual^2) / (N - num_free)` for N observations (if
    terms count unlike, the number by which that is unbiased). Dense and on the host:
    not for `jit`. Cost: the Jacobian and two SVDs, O(R P min(R, P)).

    Args:
        objective: What was minimized; its losses have a `residual`. Leave out terms
            that only guide the fit, such as penalties of the weights.
        model: The fitted model, in double precision.
        samples: Samples for every label.
        of: `model -> quantities`, a pytree of real arrays, differentiable.
        observed: Terms that are observations: `label`, or `label.name` where a probe
            returns several.
        sigma: Standard deviation of the observations in units of `sigma` of their
            losses: 1 where the losses know it. None estimates it.
        tolerance: Up to which stiffness a direction is free. Choose it in the gap.
            What a constraint changes is relative to the norm of all its rows: those of
            other units belong in terms, or names, of their own.
        rank_tolerance: Of the singular values of both Jacobians, each over its norm,
            with columns of norm 1. A quantity is not identified where more than its
            root of the gradient is unseen.

    Returns:
        Values, covariance, standard errors, and what decided them.

    Raises:
        ValueError: If a term is not known or no sum of squares, nothing is observed or
            asked for, numbers are not usable, the constraints hold all directions, too
            few observations are left to estimate sigma, or the matrices do not fit
            into memory.

    Reference: Seber and Wild (2003), Nonlinear Regression, section 2.1.2 and appendix
        D; Golub and Van Loan (2013), Matrix Computations, 4th ed., section 6.1.6, for
        the pair of Jacobians. SPEC K3.4.14.

    Example:
        >>> line = Objective({"fit": Term(lambda slope, x, y: slope * x)})
        >>> with jax.enable_x64(True):
        ...     x, y = jnp.arange(1.0, 5.0), jnp.array([1.1, 1.9, 3.2, 3.9])
        ...     slope, rows = (x @ y) / (x @ x), {"fit": Samples(x, y)}
        ...     found = covariance(line, slope, rows, of=lambda m: m, observed="fit")
        >>> round(float(found.value), 3), round(float(found.standard_error), 3)
        (1.003, 0.028)
    """
    _refuse(objective, model, samples, sigma, tolerance, rank_tolerance)
    value, G, parts = _linearized(objective, model, samples, of)
    G = _checked(np.asarray(G), parts)
    chosen = _observed(parts, observed)
    rows, held = _split(objective, samples, parts, chosen)
    free = _free(rows.J, held, tolerance, rank_tolerance)
    degrees_of_freedom = math.inf
    if sigma is None:
        sigma, degrees_of_freedom = _estimate_sigma(rows, free.X)
    along = G @ free.T
    half = sigma * along @ (free.X.T * rows.scale)
    unseen = free.unseen(G)
    identified = unseen <= math.sqrt(rank_tolerance)
    matrix = _mark(half @ half.T, identified)
    restore = ravel_pytree(value)[1]
    on_host = lambda tree: jax.tree.map(np.asarray, tree)
    return Covariance(
        value=on_host(value),
        standard_error=on_host(restore(jnp.sqrt(jnp.diag(matrix)))),
        covariance=matrix,
        identified=identified,
        unseen=unseen,
        remaining=-along @ (free.X.T @ rows.residual),
        sigma=float(sigma),
        degrees_of_freedom=degrees_of_freedom,
        stiffness=free.stiffness,
        num_free=free.X.shape[1],
        tolerance=float(tolerance),
        rank=free.basis.shape[1],
        singular_values=free.singular_values,
        rank_tolerance=float(rank_tolerance),
    )


class _Part(NamedTuple):
    """One named quantity of a term: residuals `(N, m)` and their slopes `(N, m, P)`."""

    residual: Array
    J: Array


class _Observations(NamedTuple):
    """Observations as the objective weighs them, absent ones left out.

    Attributes:
        J: `(n, P)`.
        residual: `(n,)`.
        scale: `(n,)`, the standard deviation of each in units of sigma.
    """

    J: np.ndarray
    residual: np.ndarray
    scale: np.ndarray


class _Free(NamedTuple):
    """Directions that the observations determine.

    Attributes:
        T: `(P, num_free)`, in units of the parameters.
        X: `(n, num_free)`, `J T`, with orthonormal columns.
        stiffness: Of all directions that observations see, ascending.
        basis: `(P, rank)`, an orthonormal basis of what moves anything.
        columns: `(P,)`, by which the parameters are scaled there.
        singular_values: Over the largest.
    """

    T: np.ndarray
    X: np.ndarray
    stiffness: np.ndarray
    basis: np.ndarray
    columns: np.ndarray
    singular_values: np.ndarray

    def unseen(self, G: np.ndarray) -> np.ndarray:
        """Returns the share of each gradient that lies outside of the basis."""
        G = G / self.columns
        outside = np.linalg.norm(G - (G @ self.basis) @ self.basis.T, axis=1)
        whole = np.linalg.norm(G, axis=1)
        return outside / np.where(whole > 0, whole, 1)


def _free(
    J: np.ndarray, held: list[np.ndarray], tolerance: float, rank_tolerance: float
) -> _Free:
    """Returns the free directions of a pair of Jacobians.

    The stack of both, `[J; C] = U S V'`, has rows U of which those of J have the
    singular values cos and those of C, in the same directions, sin (CS decomposition).
    """
    blocks = [_scaled(block)[0] for block in (J, *held)]
    columns = np.linalg.norm(np.concatenate(blocks), axis=0)
    columns = np.maximum(columns, np.finfo(float).eps * columns.max(initial=0))
    columns = np.where(columns > 0, columns, 1)
    scaled = [_scaled(block / columns) for block in blocks]
    size = _scaled(J)[1] * scaled[0][1]
    stack = np.concatenate([block for block, _ in scaled])
    U, S, Vt = np.linalg.svd(stack, full_matrices=False)
    rank = int(np.sum(rank_tolerance * S[0] < S))
    U, basis = U[:, :rank], Vt[:rank].T
    X, cos, Yt = np.linalg.svd(U[: len(J)], full_matrices=False)
    sin = np.linalg.norm(U[len(J) :] @ Yt.T, axis=0)
    stiffness = sin / np.maximum(cos, np.finfo(float).tiny)
    order = np.argsort(stiffness, kind="stable")
    chosen = order[stiffness[order] <= tolerance]
    if not chosen.size:
        raise ValueError(
            "`covariance`: the constraints hold every direction that moves the "
            f"observations: the least stiffness is {stiffness.min(initial=np.inf):.3g},"
            f" above the tolerance {tolerance:.3g}.\nIf the next, "
            f"{np.sort(stiffness)[1:2]}, are far larger, pass a tolerance between; "
            "else nothing is left to be found from observations."
        )
    T = (basis / S[:rank]) @ Yt[chosen].T / cos[chosen] / size / columns[:, None]
    return _Free(T, X[:, chosen], stiffness[order], basis, columns, S / S[0])


def _scaled(block: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns a matrix over its norm, and the norm; 1 for that of zeros."""
    norm = float(np.linalg.norm(block)) or 1.0
    return block / norm, norm


def _estimate_sigma(rows: _Observations, X: np.ndarray) -> tuple[float, float]:
    """Returns sigma of the residuals, and the degrees of freedom that they have left.

    The residuals are `D^-1 (I - X X') D` times the noise: their sum of squares is on
    average `N - 2 num_free + tr(X' D^2 X X' D^-2 X)` times its variance.
    """
    N, num_free = X.shape
    square = lambda d: X.T @ (X * d[:, None] ** 2)
    alike = np.sum(square(rows.scale) * square(1 / rows.scale))
    left = float(N - 2 * num_free + alike)
    if left < 0.5:
        raise ValueError(
            f"`covariance`: {N} observations for {num_free} free directions leave none "
            "to estimate sigma; expected more. Pass sigma= (1 where the losses know "
            "it), or more observations."
        )
    return math.sqrt(np.sum((rows.residual / rows.scale) ** 2) / left), left


@eqx.filter_jit
def _linearized(
    objective: Objective, model: PyTree[Any], samples: Any, of: Callable[..., Any]
) -> tuple[PyTree[Array], Array, dict[str, dict[str, _Part]]]:
    """Returns the quantities, their derivative, and the parts by label and name."""
    theta, build = flatten(model)
    G = jax.jacrev(lambda t: ravel_pytree(of(build(t)))[0])(theta)
    parts = {
        label: {n: _Part(r, J.reshape(*r.shape, -1)) for n, (r, J) in found.items()}
        for label, found in jacobians_by_part(objective, model, samples).items()
    }
    return of(model), G, parts


def _checked(G: np.ndarray, parts: dict[str, dict[str, _Part]]) -> np.ndarray:
    """Returns the derivative of the quantities if there are some and all is finite."""
    if not G.size:
        raise ValueError(
            "`covariance`: `of` returns no numbers; expected one or more. Return the "
            "quantities asked for, such as `lambda model: model['coefficient']`."
        )
    wrong = [
        label
        for label, found in parts.items()
        if not all(np.isfinite(part.J).all() for part in found.values())
    ]
    if wrong or not np.isfinite(G).all():
        raise ValueError(
            f"`covariance`: derivatives of {wrong or '`of`'} are infinite or NaN; "
            "expected finite ones. Look at the samples and the fit."
        )
    return G


def _observed(
    parts: Mapping[str, Mapping[str, _Part]], observed: str | Collection[str]
) -> set[tuple[str, str]]:
    """Returns the label and name of the parts that are observations."""
    wanted = {observed} if isinstance(observed, str) else set(observed)
    called = {
        (label, name): {label, f"{label}.{name}" if name else label}
        for label, found in parts.items()
        for name in found
    }
    known = sorted(set().union(*called.values()))
    if unknown := sorted(wanted - set(known)):
        raise ValueError(
            f"`covariance`: observed has {unknown[0]!r}, which is no term; expected "
            f"some of {known}.{did_you_mean(unknown[0], known)}"
        )
    if not wanted:
        raise ValueError(
            "`covariance`: observed is empty: without noise there is no covariance. "
            f"Name the terms that are observations, some of {known}."
        )
    return {part for part, names in called.items() if names & wanted}


def _split(
    objective: Objective,
    samples: Mapping[str, Samples],
    parts: Mapping[str, Mapping[str, _Part]],
    observed: set[tuple[str, str]],
) -> tuple[_Observations, list[np.ndarray]]:
    """Returns the observations, and the Jacobians of the constraints."""
    found, held = [], []
    for label, term in objective.terms.items():
        for name, part in parts[label].items():
            J, r = np.asarray(part.J), np.asarray(part.residual)
            if (label, name) not in observed:
                held.append(J.reshape(-1, J.shape[-1]))
                continue
            share, weight = _weights(term, samples[label], name, r)
            present = (share > 0) & (weight > 0)
            scale = np.sqrt(share[present] / weight[present])
            found.append(_Observations(J[present], r[present], scale))
    rows = _Observations(*(np.concatenate(a) for a in zip(*found, strict=True)))
    if not rows.J.any():
        raise ValueError(
            f"`covariance`: {len(rows.scale)} observations with a weight, none of "
            "which moves with the model; expected some that do. Check the weights of "
            "what is observed, and its probe."
        )
    return rows, held


def _weights(
    term: Term, samples: Samples, name: str, residual: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the share and the weight of every entry, of the residuals' shape."""
    N, w = len(residual), samples.weight
    w = w.get(name) if isinstance(w, Mapping) else w
    w = np.ones(N) if w is None else np.asarray(w, float)
    like = jax.ShapeDtypeStruct(w.shape, residual.dtype)
    share = np.asarray(term.shares({name: like}, samples)[name])
    spread = lambda a: np.broadcast_to(a.reshape(N, -1), residual.shape)
    return spread(share), spread(w)


def _mark(matrix: np.ndarray, identified: np.ndarray) -> np.ndarray:
    """Returns the covariance with what is not identified marked as such."""
    both = identified[:, None] & identified
    matrix = np.where(both, matrix, np.nan)
    return np.where(np.diag(~identified), np.inf, matrix)


def _refuse(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    sigma: float | int | None,
    tolerance: float,
    rank_tolerance: float,
) -> None:
    """Checks what can be checked before any work."""
    for name, number in (("tolerance", tolerance), ("rank_tolerance", rank_tolerance)):
        if not 0 < number < 1:
            raise ValueError(
                f"`covariance`: {name} is {number}; expected a number between 0 and 1."
            )
    if sigma is not None and not 0 < sigma < math.inf:
        raise ValueError(
            f"`covariance`: sigma is {sigma}; expected a positive number, or None to "
            "estimate it."
        )
    theta, _ = flatten(model)
    if theta.dtype != np.float64:
        raise ValueError(
            f"`covariance`: the parameters are of type {theta.dtype}; expected "
            "float64, as free directions are told from held ones by small numbers.\n"
            'Call jax.config.update("jax_enable_x64", True) before the model is made.'
        )
    refuse_losses("covariance", objective)
    refuse_empty("covariance", objective, samples)
    residuals = jax.eval_shape(lambda: objective.residuals(model, samples))
    R = sum(r.size for r in residuals.values())
    refuse_large("covariance", (4 * R, theta.size), theta.dtype)  # with U, V and a copy
