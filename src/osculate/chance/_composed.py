"""Distributions made of others: joined into one event, mixed, or transformed."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from osculate.diff import log_determinant

from ._categorical import Categorical
from ._counts import Bernoulli, Binomial, Poisson
from ._distribution import Distribution
from ._shapes import weighted_sum, within

MOST = 65536  # values of one event that are written out
WAYS = {  # to what has no closed form
    "mean": "Average draws: `expect(lambda x: x, law, key)`",
    "variance": "Take it of draws: `jnp.var(law.sample(key, (n,)), axis=0, ddof=1)`",
    "mode": "Maximize `law.log_prob`",
    "entropy": "Average draws: `expect(lambda x: -law.log_prob(x), law, key)`",
    "fisher": "Average outer products of the score, the derivatives of `log_prob` by "
    "the parameters, over draws",
}


def is_discrete(distribution: Distribution) -> bool:
    """Whether events are counts, with probabilities instead of densities."""
    if isinstance(distribution, Independent | Transformed):
        return is_discrete(distribution.base)
    if isinstance(distribution, Mixture):
        return is_discrete(distribution.components)
    return isinstance(distribution, Bernoulli | Binomial | Poisson | Categorical)


def _batch_ndim(distribution: Distribution) -> int:
    return len(distribution.shape) - distribution.event_ndim


def _no_closed_form(owner: str, what: str) -> NotImplementedError:
    return NotImplementedError(f"`{owner}`: {what} has no closed form. {WAYS[what]}.")


class Independent(Distribution):
    """A batch of independent distributions as one: its last axes make one event.

    Attributes:
        base: The batch.
        ndim: How many of its last batch axes become axes of the event.

    Example:
        >>> from osculate.chance import Normal
        >>> Independent(Normal(jnp.zeros(3), 1.0), 1).log_prob(jnp.zeros(3)).shape
        ()
    """

    base: Distribution
    ndim: int = eqx.field(static=True)

    def __init__(self, base: Distribution, ndim: int = 1):
        """Takes the batch.

        Args:
            base: The batch.
            ndim: How many of its last batch axes become axes of the event.

        Raises:
            ValueError: If there are not so many batch axes.
        """
        if not 0 <= ndim <= _batch_ndim(base):
            raise ValueError(
                f"`Independent`: ndim is {ndim}; expected 0 to {_batch_ndim(base)}, "
                f"the batch axes of {type(base).__name__}."
            )
        self.base, self.ndim = base, ndim

    @property
    def event_ndim(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.base.event_ndim + self.ndim

    @property
    def reparameterized(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.base.reparameterized

    @property
    def shape(self) -> tuple[int, ...]:
        return self.base.shape

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        return self.base.sample(key, shape)

    def _total(self, found: Array) -> Array:
        return jnp.sum(found, axis=tuple(range(-self.ndim, 0)))

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x = jnp.asarray(x)
        x = jnp.broadcast_to(x, jnp.broadcast_shapes(x.shape, self.shape))
        return self._total(self.base.log_prob(x))

    @property
    def mean(self) -> Array:
        return self.base.mean

    @property
    def variance(self) -> Array:
        return self.base.variance

    @property
    def mode(self) -> Array:
        return self.base.mode

    def entropy(self) -> Float[Array, "..."]:
        return self._total(self.base.entropy())

    def fisher(self) -> Float[Array, "... P P"]:
        """Returns the covariance of the score, entry after entry with its parameters.

        Its blocks are the matrices of `base.fisher()`; all others are 0. A parameter
        that entries share counts as one per entry: add up its rows, and its columns.
        """
        blocks = self.base.fisher()
        batch = blocks.ndim - 2 - self.ndim
        size, P = math.prod(blocks.shape[batch:-2]), blocks.shape[-1]
        blocks = blocks.reshape(*blocks.shape[:batch], size, P, P)
        found = jnp.zeros((*blocks.shape[:batch], size, P, size, P), blocks.dtype)
        entry = np.arange(size)
        found = found.at[..., entry, :, entry, :].set(jnp.moveaxis(blocks, batch, 0))
        return found.reshape(*blocks.shape[:batch], size * P, size * P)

    def support(self) -> Array | None:
        """Returns all values of one event; None of more than 65536 too."""
        one = self.base.support()
        if one is None:
            return None
        inner = one.ndim - 1
        event = self.shape[len(self.shape) - inner - self.ndim :]
        entries = math.prod(event[: self.ndim])
        if len(one) > 1 and entries * math.log(len(one)) > math.log(MOST):
            return None
        rows = itertools.product(range(len(one)), repeat=entries)
        index = np.array(list(rows), int).reshape(len(one) ** entries, entries)
        return one[index].reshape(len(index), *event)


class Mixture(Distribution):
    """One of several distributions, drawn at random.

    `mode` and `entropy` are known where `support` is; `fisher` is not.

    Attributes:
        weights: Which of them is drawn.
        components: A batch; its last batch axis is what `weights` chooses from.

    Example:
        >>> from osculate.chance import Categorical, Normal
        >>> two = Normal(jnp.array([-1.0, 1.0]), 0.5)
        >>> float(Mixture(Categorical(jnp.zeros(2)), two).variance)
        1.25
    """

    weights: Categorical
    components: Distribution

    def __init__(self, weights: Categorical, components: Distribution):
        """Takes the parts.

        Args:
            weights: Which of them is drawn.
            components: A batch of one distribution.

        Raises:
            ValueError: If the last batch axis has another size than the weights, or
                components of a batch of size 1 are given to more weights.
        """
        batch = components.shape[: _batch_ndim(components)]
        size = weights.logits.shape[-1]
        if batch[-1:] != (size,):
            raise ValueError(
                f"`Mixture`: {size} weights, and components of batch shape {batch}; "
                "expected as many along its last axis."
            )
        both = jnp.broadcast_shapes(batch[:-1], weights.shape)
        if both[len(both) - len(batch) + 1 :] != batch[:-1]:
            raise ValueError(
                f"`Mixture`: weights of batch shape {weights.shape} would share the "
                f"draws of components of batch shape {batch}; broadcast the components."
            )
        self.weights, self.components = weights, components

    @property
    def event_ndim(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.components.event_ndim

    @property
    def shape(self) -> tuple[int, ...]:
        full, axis = self.components.shape, self._axis
        return self._batch + full[len(full) + axis + 1 :]

    @property
    def _axis(self) -> int:
        """The axis of the components, from the end."""
        return -self.event_ndim - 1

    @property
    def _batch(self) -> tuple[int, ...]:
        of_components = self.components.shape[: self._axis]
        return jnp.broadcast_shapes(of_components, self.weights.shape)

    def _beside_events(self, values: Array, *batch: int) -> Array:
        """Gives an array `(..., K)` or `(..., 1)` the axes of a batch and of events."""
        wide = jnp.broadcast_to(values, (*batch, values.shape[-1]))
        return wide.reshape(wide.shape + (1,) * self.event_ndim)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        of_choice, of_draws = jr.split(key)
        batch = shape + self._batch
        logits = self.weights.logits
        logits = jnp.broadcast_to(logits, (*batch, logits.shape[-1]))
        index = self._beside_events(
            jr.categorical(of_choice, logits)[..., None], *batch
        )
        full = (*batch, *self.components.shape[self._axis :])
        extra = len(full) - len(self.components.shape)
        draws = self.components.sample(of_draws, full[:extra])
        draws = jnp.broadcast_to(draws, full)
        return jnp.take_along_axis(draws, index, axis=self._axis).squeeze(self._axis)

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x = jnp.asarray(x)
        x = jnp.broadcast_to(x, jnp.broadcast_shapes(x.shape, self.shape))
        found = self.components.log_prob(jnp.expand_dims(x, self._axis))
        weights = jnp.broadcast_to(self.weights.log_probabilities, found.shape)
        found = jnp.where(weights > -math.inf, found, 0.0)
        return jax.nn.logsumexp(weights + found, axis=-1)

    def _average(self, values: Array) -> Array:
        p = self._beside_events(self.weights.probabilities, *self._batch)
        values = jnp.broadcast_to(values, self._batch + values.shape[self._axis :])
        values = jnp.where(p > 0, values, 0.0)  # none may be infinite or NaN
        return jnp.sum(p * values, axis=self._axis)

    @property
    def mean(self) -> Array:
        return self._average(self.components.mean)

    @property
    def variance(self) -> Array:
        means = self.components.mean
        full = self._batch + means.shape[self._axis :]
        middle = jnp.expand_dims(self.mean, self._axis)
        away = jnp.broadcast_to(means, full) - jnp.broadcast_to(middle, full)
        return self._average(jnp.broadcast_to(self.components.variance, full) + away**2)

    def _all(self, what: str) -> tuple[Array, Array]:
        """All values of one event, and their log-probabilities along the first axis."""
        values = self.support()
        if values is None:
            raise _no_closed_form("Mixture", what)
        ones = (1,) * len(self._batch)
        return values, self.log_prob(
            values.reshape(len(values), *ones, *values.shape[1:])
        )

    @property
    def mode(self) -> Array:
        """Where the probability is largest, of finitely many values."""
        values, log_p = self._all("mode")
        return values[jnp.argmax(log_p, axis=0)]

    def entropy(self) -> Float[Array, "..."]:
        """Returns `-E log p`, by its sum over finitely many values."""
        log_p = jnp.moveaxis(self._all("entropy")[1], 0, -1)
        return weighted_sum(log_p, -log_p)

    def fisher(self) -> Float[Array, "... P P"]:
        raise _no_closed_form("Mixture", "fisher")

    def support(self) -> Array | None:
        return self.components.support()


class Transformed(Distribution):
    """What becomes of draws under an invertible map.

    Compile functions of it with `equinox.filter_jit`: the maps are no arrays. Of its
    moments, mode and entropy none has a closed form; the messages name ways to them.

    Attributes:
        base: Distribution before the map: of numbers, or of vectors.
        forward: The map of one event, differentiable.
        backward: Its inverse.

    Example:
        >>> from osculate.chance import Normal
        >>> lognormal = Transformed(Normal(0.0, 1.0), jnp.exp, jnp.log)
        >>> round(float(jnp.exp(lognormal.log_prob(1.0))), 4)
        0.3989
    """

    base: Distribution
    forward: Callable[[Array], Array]
    backward: Callable[[Array], Array]

    def __init__(
        self,
        base: Distribution,
        forward: Callable[[Array], Array],
        backward: Callable[[Array], Array],
    ):
        """Takes the parts.

        Args:
            base: Distribution before the map.
            forward: The map of one event.
            backward: Its inverse.

        Raises:
            ValueError: If events are counts, or matrices.
        """
        name = type(base).__name__
        if is_discrete(base):
            raise ValueError(f"`Transformed`: {name} is of counts, without a density.")
        if base.event_ndim > 1:
            raise ValueError(
                f"`Transformed`: events of {name} have {base.event_ndim} axes; "
                "expected numbers or vectors."
            )
        self.base, self.forward, self.backward = base, forward, backward

    @property
    def event_ndim(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.base.event_ndim

    @property
    def reparameterized(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.base.reparameterized

    @property
    def shape(self) -> tuple[int, ...]:
        return self.base.shape

    def _each(self, function: Callable[[Array], Array], x: Array) -> Array:
        """Applies a function of one event to all."""
        events = x.reshape(-1, *x.shape[x.ndim - self.event_ndim :])
        found = jax.vmap(function)(events)
        batch = x.shape[: x.ndim - self.event_ndim]
        return found.reshape(batch + found.shape[1:])

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...] = ()) -> Array:
        return self._each(self.forward, self.base.sample(key, shape))

    def log_prob(self, x: Any) -> Float[Array, "..."]:
        x = jnp.asarray(x)
        x = jnp.broadcast_to(x, jnp.broadcast_shapes(x.shape, self.shape))
        before = self._each(self.backward, x)
        finite = jnp.isfinite(before)
        events = tuple(range(-self.event_ndim, 0))
        inside = jnp.all(finite, axis=events) if events else finite
        before = jnp.where(finite, before, 0.0)
        volume = log_determinant(self.forward) if events else self._log_slope
        found = self.base.log_prob(before) - self._each(volume, before)
        return within(inside, found, jnp.max(x, axis=events) if events else x)

    def _log_slope(self, x: Float[Array, ""]) -> Float[Array, ""]:
        _, slope = jax.jvp(self.forward, (x,), (jnp.ones_like(x),))
        return jnp.log(jnp.abs(slope))

    @property
    def mean(self) -> Array:
        raise _no_closed_form("Transformed", "mean")

    @property
    def variance(self) -> Array:
        raise _no_closed_form("Transformed", "variance")

    @property
    def mode(self) -> Array:
        raise _no_closed_form("Transformed", "mode")

    def entropy(self) -> Float[Array, "..."]:
        raise _no_closed_form("Transformed", "entropy")

    def fisher(self) -> Float[Array, "... P P"]:
        """Returns that of the base, by its parameters: no invertible map changes it."""
        return self.base.fisher()
