"""Row counts: padding to a few sizes, and minibatches."""

import math
import warnings
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray, PyTree

from osculate.core import Objective, Samples

from ._place import alike, gathered, num_blocks


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
    if isinstance(weight, Mapping):
        named = dict.fromkeys(samples.y) if isinstance(samples.y, Mapping) else {}
        named |= dict(weight)
        weight = {name: np.ones(n) if w is None else w for name, w in named.items()}
    masked = jax.tree.map(
        lambda w: take(w) * real.astype(w.dtype).reshape(-1, *[1] * (np.ndim(w) - 1)),
        weight,
    )
    return Samples(jax.tree.map(take, samples.x), jax.tree.map(take, samples.y), masked)


class Minibatch(eqx.Module):
    """A Sampler that draws rows uniformly with replacement from a larger set.

    Rows of which every weight is 0 are never drawn. A part of the objective is averaged
    over the entries of the batch that have it, as it is over those of all samples: the
    two agree in the mean up to a relative error of the order 1 / size. A size above the
    number of rows draws rows more than once; where it is above that of every label, a
    warning says so.

    Attributes:
        source: All samples, by label.
        size: Rows per batch and label.
        eligible: Indices of the rows that may be drawn, by label, `(N,)`; those beyond
            `count` are of no meaning, so that shapes do not depend on the weights.
        count: How many these are, by label.
    """

    source: dict[str, Samples]
    size: int = eqx.field(static=True)
    eligible: dict[str, Array]
    count: dict[str, Array]

    def __init__(self, source: Mapping[str, Samples], size: int):
        """Finds the rows that count.

        Args:
            source: All samples, by label.
            size: Rows per batch and label.

        Raises:
            ValueError: If the size is less than 1, or a label has no row that counts.
        """
        if size < 1:
            raise ValueError(f"`Minibatch`: size is {size}; expected 1 or more.")
        self.source, self.size = dict(source), size
        for label, rows in self.source.items():
            if size % (blocks := num_blocks(rows)):
                raise ValueError(
                    f"`Minibatch`: size is {size}, and the rows of {label!r} are "
                    f"spread over {blocks} devices. Pass a multiple of {blocks}."
                )
        lengths = [len(jax.tree.leaves(rows.x)[0]) for rows in self.source.values()]
        most = max(lengths, default=size)
        if size > most:
            warnings.warn(
                f"`Minibatch`: size is {size}, and no label has more than {most} rows: "
                "all of them at once cost less. Pass no sampler, or a smaller size.",
                stacklevel=2,
            )
        counts = {label: _counts(rows) for label, rows in self.source.items()}
        for label, mask in counts.items():
            if not mask.any():
                raise ValueError(
                    f"`Minibatch`: every weight of {label!r} is 0. "
                    "Pass rows that count."
                )
        self.eligible = {
            label: jnp.asarray(np.argsort(~mask, kind="stable"))
            for label, mask in counts.items()
        }
        self.count = {label: jnp.asarray(mask.sum()) for label, mask in counts.items()}

    def first(self) -> dict[str, Samples]:
        """Returns samples of a batch's shapes, to start a fit with."""
        found = {}
        for label, rows in self.source.items():
            index = np.arange(self.size) % int(self.count[label])
            found[label] = alike(_take(rows, self.eligible[label][index]), rows)
        return found

    def __call__(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: dict[str, Samples],
        key: PRNGKeyArray,
    ) -> dict[str, Samples]:
        """Returns a fresh batch."""
        del objective, model, samples
        keys = jr.split(key, len(self.source))
        batch = {}
        for k, (label, rows) in zip(keys, self.source.items(), strict=True):
            drawn = jr.randint(k, (self.size,), 0, self.count[label])
            batch[label] = _take(rows, self.eligible[label][drawn])
        return batch


def _counts(samples: Samples) -> Bool[np.ndarray, " N"]:
    """Whether any weight of a row is not 0."""
    n = len(jax.tree.leaves(samples.x)[0])
    masks = [
        (gathered(w) != 0).reshape(n, -1).any(axis=1)
        for w in jax.tree.leaves(samples.weight)
    ]
    return np.any(masks, axis=0) if masks else np.ones(n, bool)


def _take(samples: Samples, index: Int[Array, " size"]) -> Samples:
    return jax.tree.map(lambda a: jnp.asarray(a)[index], samples)
