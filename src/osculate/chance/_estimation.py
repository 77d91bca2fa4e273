"""How far estimates are off: by trial, by the best possible, by propagated errors."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from osculate.diff import Estimate

from ._distribution import parameter

AT_ONCE = 1024  # repetitions computed together


class Study(NamedTuple):
    """What repeated estimates show, entry by entry, each with its standard error.

    Attributes:
        bias: The mean estimate less the truth.
        variance: Of the estimates about their own mean.
        mean_squared_error: About the truth: squared bias plus variance.
    """

    bias: Estimate
    variance: Estimate
    mean_squared_error: Estimate


def study_estimator(
    estimator: Callable[[Any], Array],
    sampler: Callable[[PRNGKeyArray], Any],
    truth: ArrayLike,
    key: PRNGKeyArray,
    repeats: int = 10_000,
) -> Study:
    """Repeats an experiment and measures the bias and variance of its estimate.

    Args:
        estimator: Of one experiment's data, to an array.
        sampler: Of a key, to the data of one experiment.
        truth: What is estimated, of the shape of the estimate or a number.
        key: A random key.
        repeats: How many experiments, 2 or more.

    Returns:
        Bias, variance and mean squared error, of the shape of the estimate.

    Raises:
        ValueError: If there are fewer than 2 repeats, or the truth has another shape.
        TypeError: If the estimate is not one array.

    Reference: SPEC K3.3.1-2.

    Example:
        >>> toss = lambda key: jr.normal(key, (7,))
        >>> study = study_estimator(jnp.var, toss, 1.0, jr.key(0))
        >>> abs(study.bias.value + 1 / 7) < 4.5 * study.bias.standard_error
        Array(True, dtype=bool)
    """
    if repeats < 2:
        raise ValueError(
            f"`study_estimator`: repeats is {repeats}; a variance needs 2 or more."
        )
    once = lambda key: estimator(sampler(key))
    keys = jr.split(key, repeats)
    found = _repeated("study_estimator", once, keys)
    truth = jnp.asarray(truth, found.dtype)
    if truth.shape not in ((), found.shape[1:]):
        raise ValueError(
            f"`study_estimator`: truth has shape {truth.shape}; expected a number or "
            f"the shape of the estimate, {found.shape[1:]}."
        )
    mean = jnp.mean(found, axis=0, keepdims=True)
    off = found - jnp.broadcast_to(truth, found.shape)
    return Study(_mean(off), _spread(found - mean), _mean(off**2))


def _repeated(
    owner: str, once: Callable[[PRNGKeyArray], Any], keys: Any
) -> Float[Array, "n ..."]:
    found = jax.lax.map(once, keys, batch_size=min(AT_ONCE, len(keys)))
    if not isinstance(found, jax.Array):
        raise TypeError(
            f"`{owner}`: got {jax.tree.structure(found)}; expected one array to come "
            "back. Join what is estimated by `jnp.stack`."
        )
    return parameter(found)


def _mean(found: Float[Array, "n ..."]) -> Estimate:
    error = jnp.std(found, axis=0, ddof=1) / len(found) ** 0.5
    return Estimate(jnp.mean(found, axis=0), error)


def _spread(off: Float[Array, "n ..."]) -> Estimate:
    """Returns the unbiased variance; its own is (m4 - (n - 3) / (n - 1) s^4) / n."""
    n = len(off)
    variance = jnp.sum(off**2, axis=0) / (n - 1)
    own = (jnp.mean(off**4, axis=0) - (n - 3) / (n - 1) * variance**2) / n
    return Estimate(variance, jnp.sqrt(jnp.maximum(own, 0.0)))


def delta_method(
    phi: Callable[[Array], Array],
    mean: ArrayLike,
    covariance: ArrayLike,
) -> Float[Array, "..."]:
    """Returns the covariance of phi(X) to first order, `J C Jᵀ`.

    Good where phi is nearly linear over the spread of X.

    Args:
        phi: `(P,) -> (M,)`, `(P,) -> ()` or, of one number, `() -> ` either.
        mean: Of X, `(P,)` or `()`.
        covariance: Of X, `(P, P)`; the variance `()` of one number.

    Returns:
        `(M, M)`; the variance `()` where phi returns one number.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> delta_method(jnp.log, 2.0, 0.04)  # relative error 10 %
        Array(0.01, dtype=float32)
    """
    mean = parameter(mean)
    covariance = jnp.asarray(covariance, mean.dtype)
    if mean.ndim > 1 or covariance.shape != mean.shape * 2:
        raise ValueError(
            f"`delta_method`: mean has shape {mean.shape}, covariance "
            f"{covariance.shape}; expected (P,) and (P, P), or two numbers."
        )
    J = jax.jacfwd(phi)(mean)
    rows = J.reshape(-1, mean.size)
    found = rows @ covariance.reshape(mean.size, mean.size) @ rows.T
    return found.reshape(J.shape[: J.ndim - mean.ndim] * 2)


class Bootstrap(NamedTuple):
    """What resampling says about a statistic.

    Attributes:
        value: Of the data themselves.
        standard_error: The standard deviation over the resamples.
        lower: The lower end of the percentile interval.
        upper: The upper end.
    """

    value: Array
    standard_error: Array
    lower: Array
    upper: Array


def bootstrap(
    statistic: Callable[[Any], Array],
    data: PyTree[Array],
    key: PRNGKeyArray,
    n: int = 1000,
    *,
    level: float = 0.95,
) -> Bootstrap:
    """Estimates the error of a statistic from the data alone, by resampling them.

    Args:
        statistic: Of data like these, to an array.
        data: Arrays with one leading axis of rows, which are drawn together.
        key: A random key.
        n: How many resamples, 2 or more.
        level: Share of the resamples inside the interval, between 0 and 1.

    Returns:
        Value, standard error and interval, of the shape of the statistic.

    Raises:
        ValueError: If the arrays have no or unequal numbers of rows, there are fewer
            than 2 resamples, or the level is not between 0 and 1.
        TypeError: If the statistic is not one array.

    Reference: B. Efron 1979, Bootstrap methods: another look at the jackknife.

    Example:
        >>> found = bootstrap(jnp.median, jnp.arange(101.0), jr.key(0))
        >>> bool(found.lower < found.value) and bool(found.value < found.upper)
        True
    """
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(data)]
    rows = {shape[:1] for shape in shapes}
    if len(rows) != 1 or rows & {(), (0,)}:
        raise ValueError(
            f"`bootstrap`: data have shapes {shapes}; expected arrays with the same "
            "number of rows, 1 or more."
        )
    if n < 2 or not 0 < level < 1:
        raise ValueError(
            f"`bootstrap`: n is {n}, level {level}; expected 2 or more resamples and a "
            "level between 0 and 1."
        )
    (num_rows,) = rows.pop()

    def once(key: PRNGKeyArray) -> Any:
        index = jr.randint(key, (num_rows,), 0, num_rows)
        return statistic(jax.tree.map(lambda leaf: jnp.asarray(leaf)[index], data))

    keys = jr.split(key, n)
    found = _repeated("bootstrap", once, keys)
    tails = jnp.asarray([(1 - level) / 2, (1 + level) / 2], found.dtype)
    lower, upper = jnp.quantile(found, tails, axis=0)
    error = jnp.std(found, axis=0, ddof=1)
    return Bootstrap(jnp.asarray(statistic(data)), error, lower, upper)
