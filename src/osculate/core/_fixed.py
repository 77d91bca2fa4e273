"""What of a model is trained: the only partition in the library."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree


class Fixed(eqx.Module):
    """Arrays of a model that are not trained: scales, frequencies, a teacher.

    It masks its content from `trainable` and is read through `.value`.
    """

    value: PyTree[Any]


def _is_fixed(leaf: Any) -> bool:
    return isinstance(leaf, Fixed)


def trainable(
    model: PyTree[Any],
) -> tuple[PyTree[Any], Callable[[PyTree[Any]], PyTree[Any]]]:
    """Splits a model into what is trained and a function that puts it back.

    Args:
        model: Any pytree. Its floating-point arrays are trained, except in `Fixed`.

    Returns:
        `(theta, build)`: the trained arrays in a tree of the model's shape, with `None`
        elsewhere, and `build(theta)`, which has the model's own tree.
    """
    mask = jax.tree.map(
        lambda leaf: not _is_fixed(leaf) and eqx.is_inexact_array(leaf),
        model,
        is_leaf=_is_fixed,
    )
    theta, rest = eqx.partition(model, mask, is_leaf=_is_fixed)
    return theta, lambda theta: eqx.combine(theta, rest, is_leaf=_is_fixed)
