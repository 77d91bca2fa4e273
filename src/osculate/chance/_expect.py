"""Expectations with unbiased derivatives of every order."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ._categorical import Categorical
from ._composed import Independent
from ._distribution import Distribution
from ._draws import constant_draws, draws
from ._measure import has_weak_derivatives, weak_terms
from ._relaxed import gumbel_softmax, straight_through
from ._shapes import weighted_sum

FEW = 64  # joint values that "auto" goes through
MOST = 2**16  # that "enumerate" does


def expect(
    f: Callable[[Array], PyTree[Any]],
    distribution: Distribution,
    key: PRNGKeyArray | None = None,
    n: int = 100,
    how: str = "auto",
    *,
    baseline: str | ArrayLike | None = "leave-one-out",
    temperature: ArrayLike = 0.5,
) -> PyTree[Float[Array, "..."]]:
    """Returns an estimate of `E f(x)` that can be differentiated.

    By the parameters of the distribution and by whatever f depends on, its derivatives
    are unbiased estimates of those of the expectation:

    | how | order | for | cost, evaluations of f |
    | --- | --- | --- | --- |
    | `enumerate` | every, exact | few joint values | all of them |
    | `reparameterize` | as draws and f have | f without jumps or kinks | n |
    | `score` | every | any f | n |
    | `measure` | first | any f, laws below, each entry | n (1 + 2 entries) |
    | `gumbel_softmax` | biased, as f has | Categorical | n |
    | `straight_through` | biased, as f has | Categorical | n |

    `auto` takes `enumerate` up to 64 joint values, else `reparameterize` where the
    distribution can, else `score`. A kink under `reparameterize` spoils second
    derivatives, a jump the first: say `score` there.

    `score` weighs draws by `exp(log p - stop_gradient(log p))`, whose value is 1. The
    more usual `log p * f` has the right first derivative and wrong second ones. The
    baseline, which removes variance and no more, is for each draw the mean of f over
    the others, or a number. The density must be smooth in the parameters: Laplace has a
    kink at its location, which spoils second derivatives by it.

    `measure` writes a derivative of the density as a difference of two densities. It
    has Normal, Exponential, Poisson and Bernoulli numbers, and refuses to be
    differentiated twice.

    The last two give f vectors over the C classes instead of numbers of classes, shape
    `(*shape, C)`: softened one-hot vectors, which spoil the value too, or exact ones
    with the derivatives of the softened. The bias falls and the variance grows as the
    temperature falls.

    Args:
        f: Of one draw, `distribution.shape -> ` a pytree of arrays.
        distribution: Of x; of independent entries where its shape has batch axes.
        key: A random key; `enumerate` needs none.
        n: How many draws.
        how: The way, see above.
        baseline: Of `score`: leave-one-out, a number in units of f, or None.
        temperature: Of the relaxations, positive.

    Returns:
        The mean of f over the draws, as f returns it, whole numbers as real ones.

    Raises:
        TypeError: If a parameter is of whole numbers, which have no derivatives.
        ValueError: If the distribution does not have this way, the key is missing, n is
            too small, or the temperature is not positive.

    Reference: J. Foerster et al. 2018, DiCE: the infinitely differentiable Monte Carlo
        estimator, eq. 8; S. Mohamed et al. 2020, Monte Carlo gradient estimation in
        machine learning, sections 4 to 6; E. Jang et al. 2017, Categorical
        reparameterization with Gumbel-softmax.

    Example:
        >>> from osculate.chance import Normal
        >>> key = jax.random.key(0)
        >>> square = lambda m: expect(jnp.square, Normal(m), key)  # m² + 1
        >>> round(float(jax.grad(jax.grad(square))(3.0)), 4)
        2.0
    """
    found = terms(f, distribution, key, n, how, baseline, temperature)
    return jax.tree.map(lambda term: jnp.mean(term, axis=0), found)


def terms(
    f: Callable[[Array], PyTree[Any]],
    distribution: Distribution,
    key: PRNGKeyArray | None,
    n: int,
    how: str,
    baseline: str | ArrayLike | None,
    temperature: ArrayLike,
) -> PyTree[Float[Array, "n ..."]]:
    """Returns the numbers whose mean `expect` is; all values count as one draw."""
    law = _entries(distribution)
    _refuse_whole_numbers(law)
    how = _chosen(how, law)
    g = lambda x: jax.tree.map(_real, f(x))
    if how == "enumerate":
        return _enumerated(g, law)
    if key is None:
        raise ValueError(f"`expect`: key is missing; how={how!r} draws. Pass `key=`.")
    if n < 1 or (n == 1 and how == "score" and isinstance(baseline, str)):
        raise ValueError(
            f"`expect`: n is {n}; expected 1 or more draws, and 2 or more for the "
            "leave-one-out baseline of `score`."
        )
    if how == "reparameterize":
        return jax.vmap(g)(draws(law, key, n))
    if how == "score":
        return _scored(g, law, key, n, baseline)
    if how == "measure":
        return weak_terms(g, law, key, n)
    assert isinstance(law, Categorical)
    one_hot = gumbel_softmax if how == "gumbel_softmax" else straight_through
    return jax.vmap(g)(one_hot(law.logits, key, temperature, (n,)))


def _scored(
    f: Callable,
    law: Distribution,
    key: PRNGKeyArray,
    n: int,
    baseline: str | ArrayLike | None,
) -> Any:
    """Returns f at draws, times a 1 with the derivatives of their probability."""
    if isinstance(baseline, str) and baseline != "leave-one-out":
        raise ValueError(
            f"`expect`: baseline is {baseline!r}; expected 'leave-one-out', a number "
            "or None."
        )
    x = constant_draws(law, key, n)
    log_p = jnp.sum(jax.vmap(law.log_prob)(x).reshape(n, -1), axis=1)
    zero = jnp.expm1(log_p - lax.stop_gradient(log_p))

    def weighted(value: Array) -> Array:
        if baseline is None:
            base = jnp.zeros_like(value)
        elif isinstance(baseline, str):
            base = (jnp.sum(value, axis=0, keepdims=True) - value) / (n - 1)
        else:
            base = jnp.broadcast_to(jnp.asarray(baseline, value.dtype), value.shape)
        factor = zero.astype(value.dtype).reshape(n, *[1] * (value.ndim - 1))
        return value + factor * (value - base)

    return jax.tree.map(weighted, jax.vmap(f)(x))


def _enumerated(f: Callable, law: Distribution) -> Any:
    """Returns the sum of f over all joint values, weighed by their probability."""
    values = law.support()
    assert values is not None
    sizes = (len(values),) * math.prod(_batch(law))
    joint = np.stack(np.unravel_index(np.arange(math.prod(sizes)), sizes), axis=-1)
    x = values[joint].reshape(-1, *law.shape)
    log_p = jnp.sum(jax.vmap(law.log_prob)(x).reshape(len(x), -1), axis=1)

    def weighed(value: Array) -> Array:
        last = jnp.moveaxis(value, 0, -1)
        weights = jnp.broadcast_to(log_p.astype(value.dtype), last.shape)
        return weighted_sum(weights, last)[None]

    return jax.tree.map(weighed, jax.vmap(f)(x))


def _chosen(how: str, law: Distribution) -> str:
    joint = _num_joint(law)
    can = {
        "enumerate": joint is not None and joint <= MOST,
        "reparameterize": law.reparameterized,
        "score": True,
        "measure": has_weak_derivatives(law),
        "gumbel_softmax": isinstance(law, Categorical),
        "straight_through": isinstance(law, Categorical),
    }
    if how == "auto":
        few = joint is not None and joint <= FEW
        drawn = "reparameterize" if law.reparameterized else "score"
        return "enumerate" if few else drawn
    if not can.get(how, False):
        has = [way for way, possible in can.items() if possible]
        raise ValueError(
            f"`expect`: how is {how!r}; expected one of {has} for {type(law).__name__} "
            f"of shape {law.shape}, or 'auto'."
        )
    return how


def _num_joint(law: Distribution) -> int | None:
    values = law.support()
    return None if values is None else len(values) ** math.prod(_batch(law))


def _batch(law: Distribution) -> tuple[int, ...]:
    return law.shape[: len(law.shape) - law.event_ndim]


def _entries(distribution: Distribution) -> Distribution:
    """Returns the law of the entries, whose probabilities are multiplied anyway."""
    while isinstance(distribution, Independent):
        distribution = distribution.base
    return distribution


def _refuse_whole_numbers(law: Distribution) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(law):
        if eqx.is_array(leaf) and not jnp.issubdtype(leaf.dtype, jnp.inexact):
            name = jax.tree_util.keystr(path).strip(".")
            raise TypeError(
                f"`expect`: {name} of {type(law).__name__} is of "
                f"{leaf.dtype}, which has no derivatives; expected real "
                f"numbers. Pass {name} as floats."
            )


def _real(value: Any) -> Array:
    array = jnp.asarray(value)
    return array if jnp.issubdtype(array.dtype, jnp.inexact) else array.astype(float)
