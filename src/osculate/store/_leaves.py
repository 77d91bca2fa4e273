"""The array leaves of a tree whose classes are foreign, such as Optax's states.

The tree itself is not saved: whoever restores it makes one like it, the template.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ._errors import CorruptFileError, FilePath
from ._jax import as_jax

_FOREIGN = "the saved state does not belong to this configuration"
_DO = "Use the configuration it was saved with, or start anew."


def leaves(tree: PyTree) -> dict[str, np.ndarray]:
    """Returns the array leaves of a tree, in order.

    Args:
        tree: Any tree that JAX can flatten. JAX and NumPy arrays count, and typed keys
            by their data; other leaves, Python numbers too, belong to the template.

    Returns:
        The arrays, named `leaf/000`, `leaf/001`, ...
    """
    found = filter(_is_array, jax.tree.leaves(tree))
    return {_name(i): np.asarray(_raw(leaf)) for i, leaf in enumerate(found)}


def with_leaves(
    template: PyTree, arrays: Mapping[str, np.ndarray], path: FilePath
) -> PyTree:
    """Returns the template with these arrays in the places of its own.

    Args:
        template: A tree like the one whose leaves were saved.
        arrays: What `leaves` returned for that one.
        path: The file they come from, for messages.

    Returns:
        A tree of the template's structure; leaves that are no arrays are the template's
        own.

    Raises:
        CorruptFileError: If number, shapes or dtypes of the arrays are not the
            template's.
    """
    own, structure = jax.tree.flatten(template)
    places = [i for i, leaf in enumerate(own) if _is_array(leaf)]
    names = [_name(i) for i in range(len(places))]
    if set(arrays) != set(names):
        what = f"{len(names)} arrays expected, {len(arrays)} found"
        raise CorruptFileError(path, "the saved state", f"{what}: {_FOREIGN}", _DO)
    for place, name in zip(places, names, strict=True):
        expected, found = _signature(_raw(own[place])), _signature(arrays[name])
        if expected != found:
            what = f"{expected} expected, {found} found"
            raise CorruptFileError(path, name, f"{what}: {_FOREIGN}", _DO)
        own[place] = _like(own[place], arrays[name], name)
    return jax.tree.unflatten(structure, own)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(
        leaf.dtype, jax.dtypes.prng_key
    )


def _raw(leaf: Any) -> Any:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _signature(leaf: Any) -> str:
    return f"{leaf.dtype}{list(leaf.shape)}"


def _like(leaf: Any, value: np.ndarray, where: str) -> Any:
    """Returns a value in the kind of array that a leaf is."""
    if _is_key(leaf):
        impl = jax.random.key_impl(leaf)
        return jax.random.wrap_key_data(as_jax(value, where), impl=impl)
    if isinstance(leaf, jax.Array):
        return as_jax(value, where)
    return value[()] if isinstance(leaf, np.generic) else value.copy()


def _name(index: int) -> str:
    return f"leaf/{index:03d}"
