"""How good an estimate of an expectation and of its gradient is."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray

from ._distribution import Distribution
from ._expect import terms


class VarianceReport(NamedTuple):
    """An estimate of `E f(x)` and of its gradient.

    Attributes:
        value: The estimate.
        standard_error: Of the value; 0 where it is exact.
        gradient: By the parameters, each in the place of its parameter.
        gradient_variance: Of the gradient from one draw, entry by entry: that of
            `gradient` is this over n.
    """

    value: Float[Array, ""]
    standard_error: Float[Array, ""]
    gradient: Any
    gradient_variance: Any


def report_variance(
    f: Callable[[Array], Array],
    distribution: Distribution,
    key: PRNGKeyArray | None = None,
    n: int = 1000,
    how: str = "auto",
    *,
    baseline: str | ArrayLike | None = "leave-one-out",
    temperature: ArrayLike = 0.5,
) -> VarianceReport:
    """Returns what `expect` gives with its standard error and that of its gradient.

    Compare ways by it: the one with a hundredth of the variance needs a hundredth of
    the draws. Errors that come from bias it cannot see.

    Args:
        f: Of one draw, `distribution.shape -> ()`.
        distribution: Of x.
        key: A random key; `enumerate` needs none.
        n: How many draws, 2 or more.
        how: The way, as in `expect`.
        baseline: As in `expect`.
        temperature: As in `expect`.

    Returns:
        The report; `gradient.mean` is the one by the mean of a Normal.

    Raises:
        ValueError: If f does not return one number, n is below 2, or for what `expect`
            refuses.

    Example:
        >>> from osculate.chance import Normal
        >>> law, key = Normal(1.0, 1.0), jax.random.key(0)
        >>> report = report_variance(jnp.square, law, key, 10_000)
        >>> round(float(report.gradient_variance.mean))  # 4 σ², by the score 30
        4
    """
    if n < 2:
        raise ValueError(f"`report_variance`: n is {n}; expected 2 or more draws.")

    parameters, rest = eqx.partition(distribution, eqx.is_inexact_array)

    def one(parameters: Any) -> tuple[Array, Array]:
        law = eqx.combine(parameters, rest)
        found = terms(f, law, key, n, how, baseline, temperature)
        if not isinstance(found, jax.Array) or found.ndim != 1:
            raise ValueError(
                f"`report_variance`: f returns {jax.tree.map(jnp.shape, found)} for "
                "all draws; expected one number for one draw."
            )
        return found, found

    slopes, values = jax.jacfwd(one, has_aux=True)(parameters)
    return VarianceReport(
        jnp.mean(values),
        jnp.sqrt(_variance(values) / len(values)),
        jax.tree.map(lambda slope: jnp.mean(slope, axis=0), slopes),
        jax.tree.map(_variance, slopes),
    )


def _variance(found: Float[Array, "n ..."]) -> Float[Array, "..."]:
    if len(found) == 1:
        return jnp.zeros_like(found[0])
    return jnp.var(found, axis=0, ddof=1)
