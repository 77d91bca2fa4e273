"""Row counts: padding to a few sizes, and minibatches."""

import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from osculate.core import Objective, Samples


def padded_size(n: int) -> int:
    """Returns the next of 8, 10, 12, 14, 16, 20, ...: at most a quarter more than n."""
    quarter = 2 ** max(1, math.floor(math.log2(max(n, 8))) - 2)
    return max(8, quarter * math.ceil(n / quarter))


def pad(samples: Samples, size: int | None = None) -> Samples:
    """Adds rows of weight 0, so that tables of many lengths share one compilation.

    Args:
        samples: N points.
        size: Rows wanted, at least N; by default the next of a few sizes.

    Returns:
        Samples with `size` rows and explicit weights; added rows repeat the first.

    Raises:
        ValueError: If `size` is less than the number of rows.
    """
    n = len(jax.tree.leaves(samples.x)[0])
    size = padded_size(n) if size is None else size
    if size < n:
        raise ValueError(f"`pad`: {n} rows into {size}. Pass a size of at least {n}.")
    index = np.r_[np.arange(n), np.zeros(size - n, int)]
    take = lambda a: jnp.asarray(a)[index]
    real = np.arange(size) < n
    weight = np.ones(n) if samples.weight is None else samples.weight
    if isinstance(weight, Mapping) and isinstance(samples.y, Mapping):
        weight = {name: np.ones(n) for name in samples.y} | dict(weight)
    masked = jax.tree.map(
        lambda w: take(w) * real.astype(w.dtype).reshape(-1, *[1] * (np.ndim(w) - 1)),
        weight,
    )
    return Samples(jax.tree.map(take, samples.x), jax.tree.map(take, samples.y), masked)


class Minibatch(eqx.Module):
    """A Sampler that draws rows uniformly with replacement from a larger set.

    Attributes:
        source: All samples, by label.
        size: Rows per batch and label.
    """

    source: dict[str, Samples]
    size: int = eqx.field(static=True)

    def first(self) -> dict[str, Samples]:
        """Returns samples of a batch's shapes, to start a fit with."""
        return {
            label: jax.tree.map(
                lambda a: jnp.asarray(a)[np.arange(self.size) % len(a)], samples
            )
            for label, samples in self.source.items()
        }

    def __call__(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: dict[str, Samples],
        key: PRNGKeyArray,
    ) -> dict[str, Samples]:
        """Returns a fresh batch."""
        del objective, model, samples
        batch = {}
        for k, (label, rows) in zip(
            jr.split(key, len(self.source)), self.source.items(), strict=True
        ):
            n = len(jax.tree.leaves(rows.x)[0])
            index = jr.randint(k, (self.size,), 0, n)
            batch[label] = jax.tree.map(lambda a, i=index: jnp.asarray(a)[i], rows)
        return batch
