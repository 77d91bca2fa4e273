"""Where the arrays of a fit lie: its model and state on every device of its samples."""

import zlib
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import PyTree


def beside(tree: PyTree[Any], samples: PyTree[Any]) -> PyTree[Any]:
    """Returns a tree with its arrays on every device over which samples are spread.

    Args:
        tree: Any tree; the same in every process.
        samples: Samples, spread over devices or not.

    Returns:
        The tree, as it came where the samples are not spread.

    Raises:
        ValueError: If processes pass different trees.
    """
    spread = filter(None, map(_spread, jax.tree.leaves(samples)))
    mesh = next((place.mesh for place in spread), None)
    if mesh is None:
        return tree
    everywhere = NamedSharding(mesh, PartitionSpec())
    if not everywhere.is_fully_addressable:
        _refuse_differences(tree)
    return jax.tree.map(
        lambda leaf: _put(leaf, everywhere) if eqx.is_array(leaf) else leaf, tree
    )


def alike(tree: PyTree[Any], other: PyTree[Any]) -> PyTree[Any]:
    """Returns a tree with its arrays where those of another are spread.

    Args:
        tree: Any tree of arrays; the same in every process, or where it is wanted.
        other: A tree of the same structure and shapes.

    Returns:
        The tree.
    """

    def put(leaf: Any, one: Any) -> Any:
        place = _spread(one)
        return leaf if place is None else _put(leaf, place)

    return jax.tree.map(put, tree, other)


def places(tree: PyTree[Any]) -> tuple[NamedSharding | None, ...]:
    """Returns where each leaf of a tree is spread; None for those that are not."""
    return tuple(map(_spread, jax.tree.leaves(tree)))


def held(tree: PyTree[Any], where: tuple[NamedSharding | None, ...]) -> PyTree[Any]:
    """Returns a traced tree whose leaves stay at these places.

    The compiler is free to spread what it computes, a P x P matrix for example, and
    every other place compiles the next chunk anew.

    Args:
        tree: Any tree.
        where: The `places` of a tree of the same structure.

    Returns:
        The tree.
    """
    leaves, structure = jax.tree.flatten(tree)
    kept = [
        leaf if place is None else jax.lax.with_sharding_constraint(leaf, place)
        for leaf, place in zip(leaves, where, strict=True)
    ]
    return jax.tree.unflatten(structure, kept)


def gathered(array: Any) -> np.ndarray:
    """Returns all rows of an array, of which a process may hold some alone."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def num_blocks(tree: PyTree[Any]) -> int:
    """Returns into how many blocks the rows of a tree are spread; 1 where not."""
    leaf = jax.tree.leaves(tree)[0]
    place = _spread(leaf)
    return 1 if place is None else len(leaf) // place.shard_shape(leaf.shape)[0]


def _spread(leaf: Any) -> NamedSharding | None:
    place = getattr(leaf, "sharding", None)
    several = isinstance(place, NamedSharding) and place.num_devices > 1
    return place if several else None


def _put(leaf: Any, place: NamedSharding) -> jax.Array:
    """Places an array; typed keys by their data, which JAX can place anywhere."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = _put(jax.random.key_data(leaf), place)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    if place.is_fully_addressable or not _is_local(leaf):
        return jax.device_put(leaf, place)
    own = np.asarray(leaf)
    return jax.make_array_from_callback(own.shape, place, lambda index: own[index])


def _is_local(leaf: Any) -> bool:
    return not isinstance(leaf, jax.Array) or leaf.is_fully_addressable


def _refuse_differences(tree: PyTree[Any]) -> None:
    """Checks that processes hold the same numbers: no step makes copies equal."""
    own = 0
    for leaf in filter(eqx.is_array, jax.tree.leaves(tree)):
        if _is_local(leaf):
            is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            data = jax.random.key_data(leaf) if is_key else leaf
            own = zlib.crc32(np.asarray(data).tobytes(), own)
    sums = np.asarray(multihost_utils.process_allgather(np.int32(own >> 1)))
    if len(set(sums.tolist())) > 1:
        raise ValueError(
            "`fit`: the model or the snapshot is not the same in every process; "
            f"checksums by process: {sums.tolist()}. Make or load it alike in each."
        )
