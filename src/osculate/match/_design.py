"""Sequential design: the next points to measure, where the jet is least known."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy import ndarray

from osculate import diff
from osculate.core import InputError, did_you_mean
from osculate.nets import Ensemble

from ._gaussian_process import GaussianProcess
from ._jet_rows import JetPrior

OWNER = "match.propose"
JET = (0, 1)  # orders of derivative whose variance counts
TAPER = 1.5  # length scales; for draws of known processes 1 to 2 leave least unknown
ROUNDING = 100  # of the precision: members that differ by less agree
ENTRIES = 2**20  # of one block of the prior's covariances
NAMES = ("value", "jacobian")


class Proposal(NamedTuple):
    """Points to measure, the most wanted first.

    Attributes:
        rows: Which of the C candidates they are.
        x: The points, in the units of the candidates.
        mean_variance: Mean over candidates of the total variance of the jet, in
            standard units: before any choice, and after each.
        remaining: Total variance at every candidate after all choices.
    """

    rows: Int[Array, " count"]
    x: Float[Array, "count D"]
    mean_variance: Float[Array, " K"]
    remaining: Float[Array, " C"]


def propose(
    posterior: GaussianProcess | Ensemble,
    candidates: Float[Array, "C D"] | Float[ndarray, "C D"],
    count: int,
    *,
    order: int = 1,
    sigma: Mapping[str, Any] | None = None,
    x_scale: Any = None,
    y_scale: Any = None,
) -> Proposal:
    """Chooses the next points to measure, where value and gradient are least known.

    One candidate after the other is chosen, each time that of the largest posterior
    variance, summed over values and first derivatives of all outputs in standard units,
    given what measurements at those chosen before will tell. Of a Gaussian process that
    takes no new data: its variances do not depend on the values, and the ones used here
    are those of the process conditioned on the new points with its hyperparameters. It
    is a Cholesky factorization pivoted by blocks, of which only the pivots' columns are
    computed: `C n^2` operations for n known entries, `C n` memory.

    Of an ensemble the covariance is the members' sample covariance, all outputs
    together, times a Gaussian of the distance. The E members' own has rank E - 1 and
    would be used up by a few jets; its correlations at long distance are chance. The
    Gaussian's length is 1.5 length scales of the members' differences, which their
    slopes tell: `sqrt(variance of values / variance of slopes)` by coordinate. The
    product is a covariance with the same variances at each point.

    Reference: Krause, Singh and Guestrin, Near-optimal sensor placements in Gaussian
    processes, J. Mach. Learn. Res. 9 (2008), section 3: the greedy choice of the
    largest conditional variance, here of jets. Houtekamer and Mitchell, A sequential
    ensemble Kalman filter, Mon. Weather Rev. 129 (2001), section 2: sample covariances
    times a correlation of compact support; here a Gaussian.

    Args:
        posterior: What is known now: of `gaussian_process`, or a trained ensemble.
        candidates: Points that may be measured.
        count: How many to choose, at most C.
        order: What will be measured there: 0 values, 1 values and gradients.
        sigma: Standard deviation of the noise of these measurements, by name `"value"`
            and `"jacobian"`: a number or an array that broadcasts against `(M,)` or
            `(M, D)`, in units of the entries. The noise levels of a process's
            hyperparameters are added.
        x_scale: Unit of each coordinate, `(D,)` or a number; by default the standard
            deviation of a process's data, or of the candidates.
        y_scale: Unit of each output, `(M,)` or a number; by default the amplitude of a
            process, or the standard deviation of the ensemble's mean over candidates.

    Returns:
        The points in the order of choice, and how much stays unknown.

    Raises:
        InputError: If the posterior is neither, numbers or shapes are not such, the
            members agree everywhere, or the factors do not fit into memory.
    """
    x = jnp.asarray(candidates, float)
    _refuse(posterior, x, count, order, sigma or {})
    given = x, count, order, sigma or {}, x_scale, y_scale
    if isinstance(posterior, GaussianProcess):
        field, noise = _of_process(posterior, *given)
    else:
        field, noise = _of_ensemble(posterior, *given)
    rows, mean, remaining = _greedy(field, noise, count)
    return Proposal(rows, x[rows], mean, remaining)


class _OfProcess(eqx.Module):
    """The jets of M independent processes at the candidates, in standard units."""

    process: GaussianProcess
    x: Float[Array, "C D"]
    known: Float[Array, "C M k R"]
    unit: Float[Array, "M R"]

    def variance(self) -> Float[Array, "M C R"]:
        """Returns the variance of every entry."""
        own = lambda x, at: jnp.diagonal(
            self.process.between(x, at, x, at, JET), axis1=1, axis2=2
        )
        found = jnp.moveaxis(jax.vmap(own)(self.x, self.known), 0, 1)
        return jnp.maximum(found * self.unit[:, None] ** 2, 0.0)

    def column(self, p: Int[Array, ""]) -> Float[Array, "M C R R"]:
        """Returns the covariance of every entry with those at the candidate p."""
        there = self.x[p], self.known[p]
        across = lambda x, at: self.process.between(x, at, *there, JET)
        found = jnp.moveaxis(jax.vmap(across)(self.x, self.known), 0, 1)
        unit = self.unit
        return found * unit[:, None, :, None] * unit[:, None, None, :]


class _OfEnsemble(eqx.Module):
    """The jets of E members about their mean, in standard units: all outputs together.

    Points are in lengths of the taper.
    """

    deviations: Float[Array, "E C R"]
    x: Float[Array, "C D"]

    def variance(self) -> Float[Array, "1 C R"]:
        """Returns the variance of every entry."""
        return jnp.sum(self.deviations**2, axis=0)[None]

    def column(self, p: Int[Array, ""]) -> Float[Array, "1 C R R"]:
        """Returns the covariance of every entry with those at the candidate p."""
        found = jnp.einsum("ecr,es->crs", self.deviations, self.deviations[:, p])
        taper = jnp.exp(-0.5 * jnp.sum((self.x - self.x[p][None]) ** 2, axis=1))
        return (taper[:, None, None] * found)[None]


@eqx.filter_jit
def _greedy(
    field: _OfProcess | _OfEnsemble, noise: Float[Array, "G q"], count: int
) -> tuple[Int[Array, " count"], Float[Array, " K"], Float[Array, " C"]]:
    """Factors the covariance by blocks, each that of the largest trace left.

    Args:
        field: Of G independent groups of R entries at each candidate.
        noise: Standard deviation of what is measured, the first q entries.
        count: How many blocks.

    Returns:
        Their indices, the mean variance before and after each, and what remains.
    """
    G, q = noise.shape
    variance = field.variance()
    _, C, R = variance.shape
    tiny = q * jnp.finfo(variance.dtype).eps * jnp.max(variance)

    def choose(carry: Any, k: Array) -> tuple[Any, Any]:
        variance, free, factor = carry
        p = jnp.argmax(jnp.where(free, jnp.sum(variance, axis=(0, 2)), -1.0))
        column = field.column(p)[..., :q]
        column = column - jnp.einsum("gcrk,gqk->gcrq", factor, factor[:, p, :q])
        block = column[:, p, :q] + jax.vmap(jnp.diag)(noise**2)
        size, vectors = jnp.linalg.eigh(block)
        # A direction without variance is known: measuring it tells nothing.
        known = size <= tiny
        root = jnp.where(known, 0.0, 1 / jnp.sqrt(jnp.where(known, 1.0, size)))
        more = jnp.einsum("gcrq,gqs->gcrs", column, vectors * root[:, None])
        factor = jax.lax.dynamic_update_slice(factor, more, (0, 0, 0, k * q))
        variance = jnp.maximum(variance - jnp.sum(more**2, axis=-1), 0.0)
        return (variance, free.at[p].set(False), factor), (p, _mean(variance))

    empty = jnp.zeros((G, C, R, count * q), variance.dtype)
    begin = variance, jnp.ones(C, bool), empty
    (last, _, _), (index, means) = jax.lax.scan(choose, begin, jnp.arange(count))
    means = jnp.concatenate([_mean(variance)[None], means])
    return index, means, jnp.sum(last, axis=(0, 2))


def _mean(variance: Float[Array, "G C R"]) -> Float[Array, ""]:
    return jnp.sum(variance) / variance.shape[1]


def _of_process(
    process: GaussianProcess,
    x: Float[Array, "C D"],
    count: int,
    order: int,
    sigma: Mapping[str, Any],
    x_scale: Any,
    y_scale: Any,
) -> tuple[_OfProcess, Float[Array, "M q"]]:
    """Returns the process at the candidates, and the noise of new measurements."""
    M, n = process.targets.shape
    (C, D), hyper = x.shape, process.hyperparameters
    q = 1 + D * order
    _refuse_size((M, C, 1 + D), n + process.coefficients.shape[1], count * q)
    x_scale = _unit("x_scale", process.spread if x_scale is None else x_scale, D)
    y_scale = _unit("y_scale", hyper.amplitude if y_scale is None else y_scale, M)
    unit = jnp.concatenate([jnp.ones((1,)), x_scale])[None] / y_scale[:, None]
    # As a process adds them to all its rows: levels of its own, and the jitter.
    look = JetPrior(process.kernel, process.trend, D, JET)
    scale = jax.vmap(look.scale)(hyper.length_scale)
    prior = jnp.diagonal(look.covariance(jnp.zeros(D), look))[None]
    square = process.jitter[:, None] * prior * (hyper.amplitude[:, None] / scale) ** 2
    for levels in (sigma, hyper.noise):
        square = square + jnp.concatenate(_levels(levels, M, D), axis=1) ** 2
    noise = jnp.sqrt(square) * unit
    field = _OfProcess(process, x, _known(process, x), unit)
    return field, noise[:, :q]


@eqx.filter_jit
def _known(process: GaussianProcess, x: Float[Array, "C D"]) -> Float[Array, "C M k R"]:
    """Returns what the data tell of the jets at all candidates, in blocks of them."""
    M, (N, D) = len(process.targets), process.x.shape
    data = JetPrior(process.kernel, process.trend, D, process.orders)
    size = max(1, ENTRIES // (M * N * len(data.columns) * (1 + D)))
    tell = lambda x: process.known_of(x, JET)
    return jax.lax.map(tell, x, batch_size=min(size, len(x)))


def _of_ensemble(
    ensemble: Ensemble,
    x: Float[Array, "C D"],
    count: int,
    order: int,
    sigma: Mapping[str, Any],
    x_scale: Any,
    y_scale: Any,
) -> tuple[_OfEnsemble, Float[Array, "1 q"]]:
    """Returns the members at the candidates, and the noise of new measurements."""
    E, (C, D) = ensemble.num_members, x.shape
    M = eqx.filter_eval_shape(_jets, ensemble, x[:1])[0].shape[-1]
    q = M * (1 + D * order)
    _refuse_size((1, C, M * (1 + D)), E, count * q)
    value, slope = _jets(ensemble, x)
    spread = lambda a: jnp.where(jnp.std(a, axis=0) > 0, jnp.std(a, axis=0), 1.0)
    mean = jnp.mean(value, axis=0)
    x_scale = _unit("x_scale", spread(x) if x_scale is None else x_scale, D)
    y_scale = _unit("y_scale", spread(mean) if y_scale is None else y_scale, M)
    unit = x_scale[None] / y_scale[:, None]
    value, slope = value / y_scale[None, None], slope * unit[None, None]
    square = lambda *a: float(sum(jnp.sum(b**2) for b in a))
    size = square(value, slope)
    about = lambda a: (a - jnp.mean(a, axis=0)[None]) / (E - 1) ** 0.5
    value, slope = about(value), about(slope)
    if not square(value, slope) > (ROUNDING * jnp.finfo(x.dtype).eps) ** 2 * size:
        raise InputError(
            f"`{OWNER}`: the {E} members agree at all {C} candidates, or are not "
            "finite; expected members that differ.\nTrain them from other first "
            "weights: `nets.ensemble`."
        )
    length = x_scale * jnp.sqrt(jnp.sum(value**2) / jnp.sum(slope**2, axis=(0, 1, 2)))
    length = jnp.where(length > 0, length, jnp.inf)  # where they agree: no taper
    flat = jnp.concatenate([value, slope.reshape(E, C, M * D)], axis=2)
    noise, noise_slope = _levels(sigma, M, D)
    noise = jnp.ravel(noise / y_scale[:, None]), jnp.ravel(noise_slope * unit)
    field = _OfEnsemble(flat, x / (TAPER * length)[None])
    return field, jnp.concatenate(noise)[None, :q]


@eqx.filter_jit
def _jets(
    ensemble: Ensemble, x: Float[Array, "C D"]
) -> tuple[Float[Array, "E C M"], Float[Array, "E C M D"]]:
    """Returns values and Jacobians of all members at all candidates."""
    at = lambda net, x: tuple(diff.jet(diff.as_vector(net), 1)(x))
    return eqx.filter_vmap(lambda net: jax.vmap(lambda x: at(net, x))(x))(
        ensemble.members
    )


def _levels(
    sigma: Mapping[str, Any], M: int, D: int
) -> tuple[Float[Array, "M 1"], Float[Array, "M D"]]:
    """Returns standard deviations of the noise of values and gradients."""
    found = []
    for name, shape in zip(NAMES, [(M,), (M, D)], strict=True):
        level = np.asarray(sigma.get(name, 0.0), float)
        try:
            level = np.broadcast_to(level, shape)
        except ValueError as error:
            raise InputError(
                f"`{OWNER}`: the noise of {name!r} has shape {level.shape}; expected a "
                f"number or an array that broadcasts against {shape}."
            ) from error
        if not (np.isfinite(level).all() and (level >= 0).all()):
            raise InputError(
                f"`{OWNER}`: the noise of {name!r} is {level.min():g} to "
                f"{level.max():g}; expected standard deviations, 0 or more."
            )
        found.append(jnp.asarray(level.reshape(M, -1)))
    return found[0], found[1]


def _unit(name: str, scale: Any, size: int) -> Float[Array, " size"]:
    scale = jnp.asarray(scale)
    good = scale.shape in ((), (size,)) and bool(jnp.all(scale > 0))
    if not good or not bool(jnp.isfinite(scale).all()):
        raise InputError(
            f"`{OWNER}`: {name} is {np.asarray(scale)}; expected one positive number, "
            f"or {size} of them."
        )
    return jnp.broadcast_to(scale, (size,)).astype(jnp.result_type(float))


def _refuse(
    posterior: Any,
    x: Float[Array, "..."],
    count: int,
    order: int,
    sigma: Mapping[str, Any],
) -> None:
    """Checks everything that needs no computation."""
    if not isinstance(posterior, GaussianProcess | Ensemble):
        raise InputError(
            f"`{OWNER}`: the posterior is a {type(posterior).__name__}; expected a "
            "`match.GaussianProcess` or a `nets.Ensemble`."
        )
    if isinstance(posterior, Ensemble) and posterior.num_members < 2:
        raise InputError(
            f"`{OWNER}`: the ensemble has one member; expected two or more, whose "
            "differences tell what is not known."
        )
    own = posterior.x.shape[1:] if isinstance(posterior, GaussianProcess) else ()
    if x.ndim != 2 or x.shape[1:] != (own or x.shape[1:]):
        raise InputError(
            f"`{OWNER}`: candidates of shape {x.shape}; expected (C, "
            f"{own[0] if own else 'D'}), one point per row."
        )
    if not bool(jnp.isfinite(x).all()):
        raise InputError(
            f"`{OWNER}`: some candidates are infinite or NaN; expected finite "
            "numbers.\nTake them out."
        )
    if not 1 <= count <= len(x):
        raise InputError(
            f"`{OWNER}`: count is {count} of {len(x)} candidates; expected 1 to "
            f"{len(x)}.\nPass more candidates, or a smaller count."
        )
    if order not in JET:
        raise InputError(
            f"`{OWNER}`: order is {order}; expected 0, values are measured, or 1, "
            "values and gradients."
        )
    for name in sigma:
        if name not in NAMES:
            raise InputError(
                f"`{OWNER}`: noise of {name!r}; expected names of {list(NAMES)}."
                f"{did_you_mean(name, NAMES)}"
            )


def _refuse_size(shape: tuple[int, int, int], rank: int, kept: int) -> None:
    """Refuses factors that do not fit into memory: `rank` given columns, `kept` new."""
    G, C, R = shape
    needed = 8 * G * C * R * (rank + 2 * kept + 4 * R)
    owned = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > owned:
        raise InputError(
            f"`{OWNER}`: {C} candidates and {kept} new entries need about "
            f"{needed / 1e9:,.3g} GB, this machine has {owned / 1e9:,.0f} GB.\nPass "
            "fewer candidates."
        )
