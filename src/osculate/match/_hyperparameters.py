"""Length scales, amplitude and noise of a process, by their marginal likelihood."""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float, Int

from ._evidence import Entries, factors, log_evidence, profiled_amplitude
from ._jet_rows import JetPrior

PRIOR_WIDTH = 1.5  # of log length scales: one and a half e-folds
PRIOR_CENTER = 2.0  # length scale of one input among D, over sqrt(D): see `log_prior`
SCREENED = (0.05, 0.15, 0.4, 1.0, 2.5)  # of the prior's center
RATIOS = (1e-3, 1e-1)  # noise over amplitude to start from
BOUNDS = {"length_scale": (1e-2, 1e2), "noise": (1e-7, 1e1), "amplitude": (1e-6, 1e6)}
FAILED = 1e25  # in place of an infinite loss, from which the line search steps back


class Hyperparameters(eqx.Module):
    """What a process is like before any data, for each of M outputs.

    Attributes:
        length_scale: `(M, D)`, in units of the inputs.
        amplitude: Standard deviation of the process about its trend, `(M,)`, in units
            of the outputs.
        noise: Standard deviation of independent noise by tensor, in the units and the
            shape of its entries: `{"value": (M,), "jacobian": (M, D)}`. Without noise
            where a name is absent.
    """

    length_scale: Float[Array, "M D"]
    amplitude: Float[Array, " M"]
    noise: dict[str, Float[Array, "M ..."]]


class Search(NamedTuple):
    """What is searched for, beside one length scale per input.

    Attributes:
        prior: The process and its jet.
        num_noise: How many noise levels.
        profiled: Whether the amplitude follows in closed form from the others.
    """

    prior: JetPrior
    num_noise: int
    profiled: bool

    def split(self, theta: Array) -> tuple[Array, Array, Array]:
        """Returns length scales, ratios of noise to amplitude, and the amplitude."""
        D, k = self.prior.size, self.num_noise
        theta = jnp.exp(theta)
        amplitude = jnp.ones((), theta.dtype) if self.profiled else theta[D + k]
        return theta[:D], theta[D : D + k], amplitude


def log_prior(length_scale: Float[Array, " D"]) -> Float[Array, ""]:
    """Returns the log density of length scales in standard deviations of the inputs.

    Each is log-normal about `2 √D`: with D inputs of one unit each, distances grow with
    √D. It is wide, a factor of 4.5 either way within one standard deviation, and counts
    only where few numbers are known.
    """
    center = np.log(PRIOR_CENTER * np.sqrt(length_scale.shape[0]))
    distance = (jnp.log(length_scale) - center) / PRIOR_WIDTH
    return -0.5 * jnp.sum(distance**2)


def with_noise(
    entries: Entries, kinds: Float[Array, "n k"], noise: Float[Array, " k"]
) -> Entries:
    """Returns the entries with noise of these levels added to their own.

    Args:
        entries: Of one output.
        kinds: Which level each row has: one 1 in its place, or none.
        noise: Standard deviations.

    Returns:
        The entries.
    """
    return entries._replace(sigma=jnp.sqrt(entries.sigma**2 + kinds @ noise**2))


def loss(
    search: Search, theta: Array, entries: Entries, kinds: Array, jitter: Array
) -> tuple[Float[Array, ""], tuple[Array, Array, Array]]:
    """Returns the negative log posterior of log hyperparameters, in nats.

    Beside it: length scales, noise levels and amplitude.
    """
    length_scale, ratio, amplitude = search.split(theta)
    noisy = with_noise(entries, kinds, ratio * amplitude)
    found = factors(search.prior, noisy, length_scale, amplitude, jitter)
    if search.profiled:
        amplitude = profiled_amplitude(found, noisy)
    value = -log_evidence(found, noisy, amplitude) - log_prior(length_scale)
    return value, (length_scale, ratio * amplitude, amplitude)


_loss_and_slope = eqx.filter_jit(jax.value_and_grad(loss, argnums=1, has_aux=True))


def find(
    search: Search,
    entries: Entries,
    kinds: Float[np.ndarray, "n k"],
    jitter: float,
    starts: int,
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " k"], float]:
    """Returns the most probable hyperparameters of one output, of several searches.

    Isotropic length scales are screened first; L-BFGS-B then runs from the best few.

    Args:
        search: What is searched for.
        entries: Of one output, in standard units.
        kinds: Which noise level each row has.
        jitter: As in `factors`.
        starts: How many runs.

    Returns:
        Length scales, noise levels and amplitude, in standard units.
    """
    data = (*_padded(entries, kinds), np.asarray(jitter))
    box = _bounds(search)

    def guarded(theta: np.ndarray) -> tuple[float, np.ndarray]:
        (value, _), slope = _loss_and_slope(search, theta, *data)
        value, slope = float(value), np.asarray(slope)
        if np.isfinite(value) and np.isfinite(slope).all():
            return value, slope
        return FAILED, np.zeros_like(slope)

    begin = [(guarded(t)[0], i, t) for i, t in enumerate(_starts(search))]
    ends = [
        scipy.optimize.minimize(
            guarded,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=box,
            options={"maxiter": 200, "ftol": 1e-9, "gtol": 1e-5},
        )
        for _, _, start in sorted(begin)[:starts]
    ]
    theta = min(ends, key=lambda end: end.fun).x
    (_, (length_scale, noise, amplitude)), _ = _loss_and_slope(search, theta, *data)
    return np.asarray(length_scale), np.asarray(noise), float(amplitude)


def _padded(
    entries: Entries, kinds: Float[np.ndarray, "n k"]
) -> tuple[Entries, Float[np.ndarray, "m k"]]:
    """Adds rows and points that count for nothing: sizes then share compilations."""
    points, rows = (_repeated(len(a)) for a in (entries.x, entries.rows))
    real = (np.arange(len(rows)) < len(entries.rows)).astype(float)
    more = entries._replace(
        x=entries.x[points],
        rows=entries.rows[rows],
        targets=entries.targets[rows],
        known=entries.known[rows] * real,
        sigma=entries.sigma[rows],
    )
    return more, kinds[rows]


def _repeated(n: int) -> Int[np.ndarray, " m"]:
    """Returns 0 to n - 1 and then zeros: up to 16, 32, 64, 128, then an eighth more."""
    power = 2 ** math.floor(math.log2(n))
    step = max(16, power if n <= 128 else power // 8)
    return np.concatenate([np.arange(n), np.zeros(-n % step, int)])


def _bounds(search: Search) -> list[tuple[float, float]]:
    names = ["length_scale"] * search.prior.size + ["noise"] * search.num_noise
    names += [] if search.profiled else ["amplitude"]
    return [tuple(np.log(BOUNDS[name])) for name in names]


def _starts(search: Search) -> list[np.ndarray]:
    D = search.prior.size
    center = PRIOR_CENTER * np.sqrt(D)
    amplitude = [] if search.profiled else [1.0]
    return [
        np.log([*[center * c] * D, *[ratio] * search.num_noise, *amplitude])
        for c in SCREENED
        for ratio in (RATIOS if search.num_noise else RATIOS[:1])
    ]
