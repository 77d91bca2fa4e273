"""Levenberg-Marquardt whose penalty and noise levels are the most probable ones."""

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve
from jaxtyping import Array, Bool, Float, Int, PyTree

from osculate.core import Objective, Samples, Term, trainable

from ._jacobian import jacobians_by_part
from ._levenberg_marquardt import LevenbergMarquardt, LMState, levenberg_marquardt

Scalar = Float[Array, ""]
Levels = dict[str, dict[str, Scalar]]

PRIOR = "prior"
MOST_CHANGE = 3.0  # of a noise level at once: a fit that is not done says little of it
PRECISION = (1e-6, 1e6)
SETTLED = 0.02  # change of the logarithm of a noise level or a precision
GIVEN_UP = 6  # looks in a row that found no larger evidence: those before were better


class EvidenceState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        inner: Of Levenberg-Marquardt.
        sigma: Noise level of each part, in units of its residuals, by label and name.
        precision: Inverse variance of the weights of each trained array, `(G,)`.
        log_evidence: Of noise levels and precisions before their last change, in nats.
        effective: How many parameters the data determine there.
        age: Steps since that change.
        best: The largest evidence so far.
        worse: How many looks at the evidence have found none larger since.
        converged: Whether nothing changes any more, or not for the better.
    """

    inner: LMState
    sigma: Levels
    precision: Float[Array, " G"]
    log_evidence: Scalar
    effective: Scalar
    age: Int[Array, ""]
    best: Scalar
    worse: Int[Array, ""]
    converged: Bool[Array, ""]


class BayesianRegularization(eqx.Module):
    """Fits weights, and between times the penalty and the noise level of every part.

    Attributes:
        inner: Takes the steps.
        every: Steps after which noise levels and precisions are taken anew.
        first: Noise level to begin with, in units of the residuals: of every part, or
            by the part's name.
        least: Noise level below which none is taken.
    """

    inner: LevenbergMarquardt
    every: int = eqx.field(static=True)
    first: Scalar | dict[str, Scalar]
    least: Scalar

    def init(
        self, objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
    ) -> EvidenceState:
        """Returns the state before the first step."""
        _refuse_name(objective)
        shapes = jax.eval_shape(lambda: objective.outputs(model, samples))
        arrays = jax.tree.leaves(trainable(model)[0])
        dtype = arrays[0].dtype
        sigma = {
            label: {name: jnp.asarray(self._first(name), dtype) for name in found}
            for label, found in shapes.items()
        }
        precision = jnp.ones(len(arrays), dtype)
        posterior, known = _posterior(objective, model, samples, sigma, precision)
        zero = jnp.zeros((), dtype)
        return EvidenceState(
            inner=self.inner.init(posterior, model, known),
            sigma=sigma,
            precision=precision,
            log_evidence=zero - jnp.inf,
            effective=zero,
            age=jnp.asarray(0),
            best=zero - jnp.inf,
            worse=jnp.asarray(0),
            converged=jnp.asarray(False),
        )

    def _first(self, name: str) -> Scalar:
        if not isinstance(self.first, dict):
            return self.first
        if name not in self.first:
            raise ValueError(
                f"`bayesian_regularization`: first has no level for the part {name!r}; "
                f"got {sorted(self.first)}. Add it."
            )
        return self.first[name]

    def moved(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Mapping[str, Samples],
        state: EvidenceState,
    ) -> EvidenceState:
        """Takes the matrix anew; keeps noise levels and precisions."""
        posterior, known = _posterior(
            objective, model, samples, state.sigma, state.precision
        )
        inner = self.inner.moved(posterior, model, known, state.inner)
        return state._replace(inner=inner, converged=jnp.zeros_like(state.converged))

    def step(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Mapping[str, Samples],
        state: EvidenceState,
    ) -> tuple[PyTree[Any], EvidenceState]:
        """Takes a step on the posterior; looks at the evidence where that is due."""
        posterior, known = _posterior(
            objective, model, samples, state.sigma, state.precision
        )
        model, inner = self.inner.step(posterior, model, known, state.inner)
        state = state._replace(inner=inner, age=state.age + 1)
        due = inner.converged | (state.age >= self.every)
        state = jax.lax.cond(
            due, lambda: self._looked(objective, model, samples, state), lambda: state
        )
        return model, state

    def notes(self, state: EvidenceState) -> dict[str, Array]:
        """Returns noise levels, evidence and the number of determined parameters."""
        levels = {
            f"sigma {label}.{name}" if name else f"sigma {label}": level
            for label, found in state.sigma.items()
            for name, level in found.items()
        }
        return {
            **levels,
            "log_evidence": state.log_evidence,
            "score": state.log_evidence,
            "effective": state.effective,
            "converged": state.converged,
        }

    def _looked(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Mapping[str, Samples],
        state: EvidenceState,
    ) -> EvidenceState:
        """Takes noise levels and precisions anew."""
        found = evidence(objective, model, samples, state.sigma, state.precision)
        sigma = jax.tree.map(
            lambda new, old: jnp.maximum(
                jnp.clip(new, old / MOST_CHANGE, old * MOST_CHANGE), self.least
            ),
            found.sigma,
            state.sigma,
        )
        pairs = zip(
            jax.tree.leaves((sigma, found.precision)),
            jax.tree.leaves((state.sigma, state.precision)),
            strict=True,
        )
        change = jnp.stack([jnp.max(jnp.abs(jnp.log(new / old))) for new, old in pairs])
        known = jnp.all(jnp.isfinite(change)) & jnp.isfinite(found.log_evidence)
        keep = lambda new, old: jnp.where(known, new, old)
        better = known & (found.log_evidence > state.best)
        worse = jnp.where(better, 0, state.worse + 1)
        state = state._replace(
            sigma=jax.tree.map(keep, sigma, state.sigma),
            precision=keep(found.precision, state.precision),
            log_evidence=keep(found.log_evidence, -jnp.inf),
            effective=keep(found.effective, state.effective),
            age=jnp.zeros_like(state.age),
            best=jnp.where(better, found.log_evidence, state.best),
            worse=worse,
        )
        state = self.moved(objective, model, samples, state)
        ended = ~known | (jnp.max(change) < SETTLED) | (worse >= GIVEN_UP)
        return state._replace(converged=ended)


class Evidence(NamedTuple):
    """What the data say of noise levels and of the sizes of weights.

    Attributes:
        log_evidence: Log marginal likelihood of those that were assumed, in nats, up to
            a constant of the data; by Laplace's approximation.
        effective: How many parameters the data determine.
        sigma: More probable noise levels, by label and name.
        precision: More probable inverse variances, one per trained array.
    """

    log_evidence: Scalar
    effective: Scalar
    sigma: Levels
    precision: Float[Array, " G"]


def evidence(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    sigma: Levels,
    precision: Float[Array, " G"],
) -> Evidence:
    """Returns the evidence of noise levels and precisions at their best weights.

    MacKay (1992), A practical Bayesian framework for backpropagation networks, eqs. 4.7
    to 4.10 of the thesis: with `A` the Gauss-Newton matrix of the negative log
    posterior, a part of n residuals has `sigma^2 = square / (n - gamma)`, `gamma` the
    trace of `A^-1` times its own matrix; an array of g weights has the precision
    `(g - precision * trace of its block of A^-1) / |weights|^2`.

    Args:
        objective: Every loss a sum of squares.
        model: The weights that are best for these levels.
        samples: Samples for every label.
        sigma: Noise level of each part by label and name, in units of its residuals.
        precision: Inverse variance of the weights, one per trained array.

    Returns:
        The evidence, and levels that are more probable.
    """
    likelihood = Objective(_likelihood(objective, model, samples, sigma))
    arrays = jax.tree.leaves(trainable(model)[0])
    sizes = [a.size for a in arrays]
    spread = jnp.repeat(precision, jnp.asarray(sizes), total_repeat_length=sum(sizes))
    parts = {
        (label, name): (residual.reshape(-1), J)
        for label, found in jacobians_by_part(likelihood, model, samples).items()
        for name, (residual, J) in found.items()
    }
    squares = {part: J.T @ J for part, (_, J) in parts.items()}
    inverse, log_root = _inverse(sum(squares.values()), spread)  # pyright: ignore[reportArgumentType]
    counts = _counts(objective, model, samples)
    levels: Levels = {}
    misfit = jnp.zeros((), spread.dtype)
    for (label, name), (residual, _) in parts.items():
        n, square = counts[label][name], residual @ residual
        gamma = jnp.sum(inverse * squares[label, name])
        free = jnp.maximum(n - gamma, 1e-2 * n)
        old = sigma[label][name]
        ratio = jnp.sqrt(square / jnp.where(n > 0, free, 1.0))
        levels.setdefault(label, {})[name] = jnp.where(n > 0, old * ratio, old)
        misfit = misfit + 0.5 * square + n * jnp.log(old)
    diagonal = jnp.split(jnp.diag(inverse), list(itertools.accumulate(sizes))[:-1])
    size = jnp.asarray(sizes, spread.dtype)
    norm = jnp.stack([jnp.sum(a**2) for a in arrays])
    gamma = size - precision * jnp.stack([jnp.sum(d) for d in diagonal])
    prior = 0.5 * jnp.sum(precision * norm) - 0.5 * jnp.sum(size * jnp.log(precision))
    return Evidence(
        log_evidence=-misfit - prior - log_root,
        effective=jnp.sum(gamma),
        sigma=levels,
        precision=jnp.clip(jnp.maximum(gamma, 1e-3) / norm, *PRECISION),
    )


def _inverse(
    square: Float[Array, "P P"], precision: Float[Array, " P"]
) -> tuple[Float[Array, "P P"], Scalar]:
    """Returns the inverse of `square + diag(precision)`, and half its log-determinant.

    Weights are measured in their standard deviations first; what rounding takes from
    eigenvalues near 1 is put back.
    """
    root = jnp.sqrt(precision)
    both = jnp.outer(root, root)
    unit = jnp.eye(len(precision), dtype=precision.dtype)
    scaled = square / both
    rounding = jnp.finfo(precision.dtype).eps * jnp.trace(scaled)
    factor = jnp.linalg.cholesky(scaled + (1 + rounding) * unit)
    inverse = cho_solve((factor, True), unit) / both
    return inverse, jnp.sum(jnp.log(jnp.diag(factor))) + jnp.sum(jnp.log(root))


class _Scaled(eqx.Module):
    """Probe: the trained weights over their standard deviations."""

    precision: Float[Array, " G"]

    def __call__(self, model: PyTree[Any], x: Any, y: Any) -> Float[Array, " P"]:
        arrays = jax.tree.leaves(trainable(model)[0])
        root = jnp.sqrt(self.precision)
        return jnp.concatenate(
            [r * jnp.ravel(a) for r, a in zip(root, arrays, strict=True)]
        )


def _posterior(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    sigma: Levels,
    precision: Float[Array, " G"],
) -> tuple[Objective, dict[str, Samples]]:
    """Returns the negative log posterior of the weights, and its samples."""
    terms = _likelihood(objective, model, samples, sigma)
    point = Samples(jnp.zeros((1, 1), precision.dtype), None)
    prior = Term(_Scaled(precision))
    return Objective({**terms, PRIOR: prior}), {**samples, PRIOR: point}


def _likelihood(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    sigma: Levels,
) -> dict[str, Term]:
    """Returns the terms as sums over data, in units of their noise levels.

    A datum counts by its weight over the mean weight of its entry: whatever factor a
    part has is absorbed by its level.
    """
    found = {}
    for label, share in _shares(objective, model, samples).items():
        term = objective.terms[label]
        weight = {}
        for name, s in share.items():
            total = jnp.sum(s, axis=0, keepdims=True)
            count = jnp.sum(s > 0, axis=0, keepdims=True).astype(s.dtype)
            old = term.weight[name] if isinstance(term.weight, Mapping) else term.weight
            scale = old * count / jnp.where(total > 0, total, 1.0)
            weight[name] = scale / sigma[label][name] ** 2
        found[label] = Term(term.probe, term.loss, weight)
    return found


def _shares(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> dict[str, dict[str, Array]]:
    shapes = jax.eval_shape(lambda: objective.outputs(model, samples))
    return {
        label: term.shares(shapes[label], samples[label])
        for label, term in objective.terms.items()
    }


def _counts(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> dict[str, dict[str, Scalar]]:
    """Returns how many residuals of each part count."""
    shapes = jax.eval_shape(lambda: objective.outputs(model, samples))
    return {
        label: {
            name: jnp.sum(s > 0).astype(s.dtype) * (shapes[label][name].size // s.size)
            for name, s in found.items()
        }
        for label, found in _shares(objective, model, samples).items()
    }


def _refuse_name(objective: Objective) -> None:
    if PRIOR in objective.terms:
        raise ValueError(
            f"`bayesian_regularization`: a term is called {PRIOR!r}; that of the "
            "weights is. Give the term another label; take a prior of your own out."
        )


def bayesian_regularization(
    *,
    every: int = 100,
    first: float | Mapping[str, float] = 0.3,
    least: float = 1e-4,
    lane: str | None = None,
) -> BayesianRegularization:
    """Returns Levenberg-Marquardt steps on a posterior whose levels are found as well.

    For small networks and few data. Beside the weights it finds by their evidence (the
    marginal likelihood) one penalty for each trained array, as the precision of a
    normal prior about 0, and one noise level for each part of the objective: nothing is
    weighted by hand, noisy derivatives count less than exact ones, and rows need not be
    held out to know when to stop. It begins with large noise levels, that is with a
    smooth fit, and lowers them.

    Factors of parts have no influence; weights of rows and entries have, as inverse
    variances relative to each other. Its history has `sigma label.part`,
    `log_evidence` and `effective`, the number of parameters that the data determine.
    Cost: that of Levenberg-Marquardt with a P x P matrix.

    Reference: MacKay (1992), A practical Bayesian framework for backpropagation
    networks; Foresee and Hagan (1997), Gauss-Newton approximation to Bayesian learning.

    Args:
        every: Steps after which levels are taken anew, unless the weights have
            converged before.
        first: Noise level to begin with, in units of the residuals: a share of what is
            to be explained, of every part or by the part's name. From 0.3 exact data
            are found, from 2 noisy ones, from 10 what is worth next to nothing.
        least: Noise level that is assumed of exact data.
        lane: As for `levenberg_marquardt`.

    Returns:
        An Optimizer for `train.fit`.

    Raises:
        ValueError: If a number is not positive.
    """
    levels = dict(first) if isinstance(first, Mapping) else {"": first}
    if every < 1 or not 0 < least <= min(levels.values(), default=0.0):
        raise ValueError(
            f"`bayesian_regularization`: every={every}, first={first}, least={least}; "
            "expected every >= 1 and 0 < least <= first."
        )
    inner = levenberg_marquardt(lane=lane)
    begin = {name: jnp.asarray(level) for name, level in levels.items()}
    begin = begin if isinstance(first, Mapping) else begin[""]
    return BayesianRegularization(inner, every, begin, jnp.asarray(least))
