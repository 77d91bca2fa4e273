"""From samples to a process: standard units, hyperparameters, and one factorization."""

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from osculate.core import FitWarning, InputError, Samples, did_you_mean
from osculate.diff import TENSORS

from ._evidence import Entries, factors, log_evidence
from ._gaussian_process import GaussianProcess, refuse_precision
from ._hyperparameters import Hyperparameters, Search, find
from ._jet_rows import JetPrior, distinct
from ._kernels import KERNELS
from ._known_entries import (
    KnownEntries,
    known_entries,
    refuse_few,
    refuse_size,
    refuse_unequal,
    without_repeats,
)

OWNER = "match.gaussian_process"
TRENDS = ("none", "constant", "linear")
JITTERS = tuple(10.0**k for k in range(-13, -5))


def gaussian_process(
    samples: Samples,
    *,
    kernel: str = "squared_exponential",
    trend: str = "constant",
    sigma: Mapping[str, Any] | None = None,
    noise: Collection[str] = (),
    hyperparameters: Hyperparameters | None = None,
    starts: int = 2,
) -> GaussianProcess:
    """Conditions Gaussian processes on values and derivatives: exact kriging.

    One independent process per output. Any subset of the entries may be known: points
    with gradients only, single missing partials. Missing entries are left out exactly.
    The n known entries make one dense matrix: `n^2` memory, `n^3` time per step of the
    search, which suits up to one or two thousand of them; beyond that, fit a network.

    Length scales, the amplitude and the asked noise levels maximize the restricted
    marginal likelihood times a wide log-normal prior on the length scales, centered at
    `2 √D` standard deviations of the inputs, which keeps 4 to 20 points from extreme
    answers.

    Args:
        samples: Points `(N, D)`; `y` by name: `"value"` `(N, M)`, `"jacobian"`
            `(N, M, D)`, `"hessian"` `(N, M, D, D)`; `weight` by name, 0 where an entry
            is missing. Other weights count alike: the noise is told by `sigma`, as
            `sigma=table.sigma` for a `Table` whose errors are known.
        kernel: `"squared_exponential"`, of smooth functions; `"matern52"`, of twice
            differentiable ones, which takes no Hessians.
        trend: Mean of the process: `"none"`, the average of the values; `"constant"`;
            `"linear"`; coefficients are found with all data, under a flat prior. Where
            nothing is known of the level, as with gradients only, it is 0 there.
        sigma: Known standard deviations of the noise by name, one number or an array
            that broadcasts against the tensor, in units of its entries.
        noise: Names of tensors whose noise level is to be found; one number per output
            and order, the same for all entries in standard units.
        hyperparameters: Take these and search for none; `noise` is then theirs.
        starts: How many searches, from the best of several screened length scales.

    Returns:
        The posterior.

    Raises:
        InputError: If names, shapes or numbers are not such, two rows or two equal
            mixed derivatives contradict each other without noise, or the matrix does
            not fit into memory.
        ValueError: If x64 is off.
    """
    refuse_precision(jnp.result_type(float))
    _refuse_name("kernel", kernel, tuple(KERNELS))
    _refuse_name("trend", trend, TRENDS)
    for name in [*noise, *(sigma or {})]:
        _refuse_name("tensor", name, TENSORS)
    found = known_entries(OWNER, samples, sigma or {})
    found = _with_noise(found, hyperparameters)
    levels = [TENSORS.index(name) for name in noise] if not hyperparameters else []
    for name in noise:
        if TENSORS.index(name) not in found.orders:
            raise InputError(
                f"`{OWNER}`: the noise of {name!r} is to be found, but nothing is "
                f"known of it.\nTake it out of `noise`, or give {name!r}."
            )
    noisy = np.isin(found.order, levels)[None] | (found.sigma > 0)
    refuse_unequal(OWNER, found, ~noisy)
    found = without_repeats(OWNER, found, ~noisy)
    most = KERNELS[kernel].most_given
    if max(found.orders) > most:
        raise InputError(
            f"`{OWNER}`: the data have a {TENSORS[max(found.orders)]}; the kernel "
            f"{kernel!r} takes derivatives up to order {most}.\nLeave it out, or take "
            "'squared_exponential'."
        )
    refuse_few(OWNER, found)
    refuse_size(OWNER, found)
    prior = JetPrior(kernel, trend, found.x.shape[1], found.orders)
    scales = _scales(found)
    _refuse_trend(prior, found, scales)
    if hyperparameters is None:
        hyperparameters = _search(prior, found, scales, tuple(levels), starts)
        found = _with_noise(found, hyperparameters)
    return _condition(prior, found, scales, hyperparameters)


class Scales(NamedTuple):
    """Mean and standard deviation of inputs `(D,)` and outputs `(M,)`."""

    x_shift: Float[ndarray, " D"]
    x_scale: Float[ndarray, " D"]
    y_shift: Float[ndarray, " M"]
    y_scale: Float[ndarray, " M"]


def _scales(found: KnownEntries) -> Scales:
    """Returns the scales; that of an output without values from its derivatives."""
    x_shift, x_scale = found.used.mean(axis=0), found.used.std(axis=0)
    unit = np.prod(x_scale**found.powers, axis=1)
    shifts, scales = [], []
    for m, (row, known) in enumerate(zip(found.targets, found.known, strict=True)):
        values = row[known & (found.order == 0)]
        slopes = (row * unit)[known & (found.order > 0)]
        shifts.append(values.mean() if len(values) else 0.0)
        spread = values.std() if len(values) else 0.0
        steep = np.sqrt(np.mean(slopes**2)) if len(slopes) else 0.0
        scales.append(spread if spread > 1e-14 * abs(shifts[-1]) else steep)
        if scales[-1] == 0:
            raise InputError(
                f"`{OWNER}`: output {m} does not vary; expected one that does.\nTake "
                "it out."
            )
    return Scales(x_shift, x_scale, np.array(shifts), np.array(scales))


def _search(
    prior: JetPrior,
    found: KnownEntries,
    scales: Scales,
    levels: tuple[int, ...],
    starts: int,
) -> Hyperparameters:
    """Returns the hyperparameters of all outputs, found in standard units."""
    kinds = (found.order[:, None] == np.array(levels, int)[None]).astype(float)
    profiled = not (found.sigma > 0).any()
    search = Search(prior, len(levels), profiled)
    all_scales, all_levels, amplitudes = [], [], []
    for m, y_scale in enumerate(scales.y_scale):
        unit = Unit(scales.x_scale, y_scale)
        entries = _entries(found, scales, m, unit)
        best = find(search, entries, kinds, JITTERS[0], starts)
        all_scales.append(best[0] * scales.x_scale)
        all_levels.append(best[1] * y_scale)
        amplitudes.append(best[2] * y_scale)
    D, noise = prior.size, {}
    for k, order in enumerate(levels):
        level = np.array([found[k] for found in all_levels])
        for _ in range(order):
            level = level[..., None] / scales.x_scale.reshape((1,) * level.ndim + (D,))
        noise[TENSORS[order]] = jnp.asarray(level)
    return Hyperparameters(
        jnp.asarray(np.array(all_scales)), jnp.asarray(np.array(amplitudes)), noise
    )


def _condition(
    prior: JetPrior,
    found: KnownEntries,
    scales: Scales,
    hyperparameters: Hyperparameters,
) -> GaussianProcess:
    """Returns the posterior under given hyperparameters."""
    parts = []
    for m in range(len(found.targets)):
        entries = _entries(found, scales, m, Unit(np.ones(prior.size), 1.0))
        length_scale = np.asarray(hyperparameters.length_scale)[m]
        amplitude = np.asarray(hyperparameters.amplitude)[m]
        for jitter in JITTERS:
            part, weights, evidence = _factored(
                prior, entries, length_scale, amplitude, np.asarray(jitter)
            )
            if np.isfinite(evidence) and np.isfinite(weights).all():
                break
        else:
            raise InputError(
                f"`{OWNER}`: the covariance of output {m} is not positive definite, "
                f"even with a jitter of {JITTERS[-1]:.0e}.\nSay how large the noise "
                "is: `sigma`, or `noise`."
            )
        if jitter > JITTERS[0]:
            warnings.warn(
                f"`{OWNER}`: output {m} needed a jitter of {jitter:.0e} of its "
                f"variance, more than {JITTERS[0]:.0e}: points are close, or length "
                "scales long.",
                FitWarning,
                stacklevel=3,
            )
        targets = np.asarray(part.scale) * np.asarray(entries.targets)
        parts.append((part, weights, evidence, jitter, targets))
    part, weights, evidence, jitter, targets = jax.tree.map(
        lambda *outputs: jnp.asarray(np.stack(outputs)), *parts
    )
    return GaussianProcess(
        kernel=prior.name,
        trend=prior.trend,
        orders=prior.orders,
        rows=jnp.asarray(found.rows),
        x=jnp.asarray(found.x),
        level=jnp.asarray(scales.y_shift),
        center=jnp.asarray(scales.x_shift),
        spread=jnp.asarray(scales.x_scale),
        hyperparameters=hyperparameters,
        jitter=jitter,
        log_evidence=evidence,
        targets=targets,
        known=jnp.asarray(found.known, float),
        factor=part.factor,
        weights=weights,
        coefficients=part.coefficients,
        trend_rows=part.trend,
        trend_root=part.root,
    )


@eqx.filter_jit
def _factored(prior, entries, length_scale, amplitude, jitter):
    found = factors(prior, entries, length_scale, amplitude, jitter)
    return found, found.weights, log_evidence(found, entries, amplitude)


class Unit(NamedTuple):
    """What inputs `(D,)` and an output are measured in."""

    x: Float[ndarray, " D"]
    y: float


def _entries(found: KnownEntries, scales: Scales, m: int, unit: Unit) -> Entries:
    """Returns the entries of one output, less the average of its values."""
    level = np.where(found.order == 0, scales.y_shift[m], 0.0)
    row = np.prod(unit.x**found.powers, axis=1) / unit.y
    arrays = (
        found.x / unit.x,
        found.rows,
        (found.targets[m] - level) * found.known[m] * row,
        found.known[m].astype(float),
        found.sigma[m] * row,
        scales.x_shift / unit.x,
        scales.x_scale / unit.x,
    )
    return Entries(*map(jnp.asarray, arrays))


def _with_noise(
    found: KnownEntries, hyperparameters: Hyperparameters | None
) -> KnownEntries:
    """Returns the entries with the noise of these hyperparameters added."""
    if hyperparameters is None or not hyperparameters.noise:
        return found
    M, D = len(found.targets), found.x.shape[1]
    levels = []
    for order in found.orders:
        level = hyperparameters.noise.get(TENSORS[order])
        level = np.zeros((M,) + (D,) * order) if level is None else np.asarray(level)
        levels += [level[(slice(None), *c)] for c in distinct(D, order)]
    level = np.stack(levels, axis=1)[:, found.rows % found.jet_size]
    sigma = np.sqrt(found.sigma**2 + level**2)
    return found._replace(sigma=np.where(found.known, sigma, 0.0))


def _refuse_name(what: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise InputError(
            f"`{OWNER}`: no {what} {name!r}; expected one of {list(names)}."
            f"{did_you_mean(name, names)}\nTake one of these."
        )


def _refuse_trend(prior: JetPrior, found: KnownEntries, scales: Scales) -> None:
    """Checks that each output determines the coefficients it knows anything of."""
    z = ((found.x - scales.x_shift) / scales.x_scale)[found.point]
    is_value, is_slope = (found.order[:, None] == order for order in (0, 1))
    every = np.hstack([is_value, is_value * z + is_slope * found.powers])
    every = every[:, : prior.num_trend]
    for m in range(len(found.targets)):
        rows = every[found.known[m]]
        wanted = np.any(rows != 0, axis=0).sum()
        rank = np.linalg.matrix_rank(rows) if rows.size else 0
        if rank < wanted or wanted >= len(rows):
            raise InputError(
                f"`{OWNER}`: output {m} has {len(rows)} known entries, which leave "
                f"nothing beyond the {wanted} coefficients of the trend "
                f"{prior.trend!r}.\nAdd points, or take a simpler trend."
            )
