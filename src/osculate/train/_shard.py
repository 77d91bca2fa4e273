"""Samples over the devices of a mesh: fits on them run data-parallel."""

import zlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from osculate.core import Samples

from ._samples import pad


def shard(
    samples: Mapping[str, Samples], mesh: Mesh | None = None, *, axis: str = "rows"
) -> dict[str, Samples]:
    """Spreads the rows of samples over devices, whatever reads them then runs on all.

    `fit` with such samples keeps the model on every device, lets each work on its rows
    and adds up: the result is that of one device up to rounding. Where the devices do
    not divide the rows, rows of weight 0 are added (`pad`). Under `jax.distributed`
    each process passes its own rows, as many as it has; the objective averages over
    those of all. Processes that hold the same part of `axis` pass the same rows.

    Args:
        samples: Samples by label; of this process where there are several.
        mesh: Devices, of this process alone or of all; by default every one there is.
        axis: The axis of the mesh over which rows are spread; other axes repeat them.

    Returns:
        The samples of all processes, each row on its device.

    Raises:
        ValueError: If the mesh has no such axis or leaves out processes, a label has no
            rows or arrays of different lengths, no label has a row for every device,
            or processes differ in more than the numbers of rows.
    """
    mesh = _mesh(mesh, axis)
    own = {label: _num_rows(label, rows) for label, rows in samples.items()}
    several = len(_owners(mesh)) > 1
    if several:
        _refuse_other_forms(samples)
    blocks = _blocks(mesh, axis)
    # One line per process: row blocks, then rows by label.
    table = np.asarray([[blocks, *own.values()]], np.int32)
    if several:
        table = np.asarray(multihost_utils.process_allgather(table[0]))
    _refuse_counts(table, list(samples), mesh.shape[axis])
    per_block = (-(-table[:, 1:] // table[:, :1])).max(axis=0)
    is_even = (table[:, 1:] == table[:, :1] * per_block).all(axis=0)
    place = NamedSharding(mesh, PartitionSpec(axis))
    found = {}
    for i, (label, rows) in enumerate(samples.items()):
        full = rows if is_even[i] else pad(rows, blocks * int(per_block[i]))
        found[label] = jax.tree.map(lambda a: _place(a, place, several), full)
    return found


def _mesh(mesh: Mesh | None, axis: str) -> Mesh:
    """Returns a mesh with this axis in which the compiler divides the work."""
    if mesh is None:
        return Mesh(np.asarray(jax.devices()), (axis,))
    names = mesh.axis_names
    if axis not in names:
        raise ValueError(
            f"`shard`: the mesh has no axis {axis!r}; its axes are {list(names)}. "
            f"Pass axis={names[0]!r}, or a mesh with the axis {axis!r}."
        )
    me, everyone = jax.process_index(), set(range(jax.process_count()))
    owners = _owners(mesh)
    if owners not in ({me}, everyone):
        raise ValueError(
            f"`shard`: the mesh has devices of the processes {sorted(owners)}; "
            f"expected those of process {me} alone, which calls, or of all "
            f"{len(everyone)}. "
            "Pass mesh=None for all devices."
        )
    return Mesh(mesh.devices, names, axis_types=(AxisType.Auto,) * len(names))


def _owners(mesh: Mesh) -> set[int]:
    return {device.process_index for device in mesh.devices.flat}


def _blocks(mesh: Mesh, axis: str) -> int:
    """Returns over how many parts of the axis this process spreads its rows."""
    along = mesh.axis_names.index(axis)
    me = jax.process_index()
    return len(
        {at[along] for at, d in np.ndenumerate(mesh.devices) if d.process_index == me}
    )


def _num_rows(label: str, samples: Samples) -> int:
    lengths = {len(leaf) for leaf in jax.tree.leaves(samples)}
    if len(lengths) != 1:
        raise ValueError(
            f"`shard`: the arrays of {label!r} have {sorted(lengths)} rows; expected "
            "one number for x, y and weight."
        )
    return lengths.pop()


def _refuse_counts(table: Int[np.ndarray, "K L"], labels: list[str], size: int) -> None:
    """Checks the rows of all processes, so that all of them raise."""
    rows = table[:, 1:]
    empty = [label for label, n in zip(labels, rows.min(axis=0), strict=True) if n < 1]
    if empty:
        raise ValueError(
            f"`shard`: the samples of {empty} have no rows, in one process at least; "
            "expected one or more in each."
        )
    most = rows.sum(axis=0).max(initial=0)
    if most < size:
        raise ValueError(
            f"`shard`: {size} devices, and no label has more than {most} rows. "
            "Pass a mesh of fewer devices."
        )


def _refuse_other_forms(samples: Mapping[str, Samples]) -> None:
    """Checks that processes differ in the numbers of rows alone."""
    leaves, structure = jax.tree.flatten(dict(samples))
    form = [(leaf.dtype.name, leaf.shape[1:]) for leaf in leaves]
    number = np.int32(zlib.crc32(f"{structure}{form}".encode()) >> 1)
    known = np.asarray(multihost_utils.process_allgather(number))
    if (known != number).any() or (known != known[0]).any():
        raise ValueError(
            f"`shard`: processes pass samples of different labels, shapes or dtypes; "
            f"process {jax.process_index()} has {sorted(samples)}, {form}. Pass the "
            "same in all, numbers of rows apart."
        )


def _place(array: Any, place: NamedSharding, several: bool) -> Array:
    if not several:
        return jax.device_put(array, place)
    return jax.make_array_from_process_local_data(place, np.asarray(array))
