"""Samples as the known entries of jets: distinct derivatives, one row each."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from osculate.core import InputError, Samples, did_you_mean
from osculate.diff import TENSORS

from ._jet_rows import distinct, places

AGREEMENT = 1e-6  # of the largest entry: rounding, in float32 too, is less
MATRICES = 12  # of n x n that a search holds at once


class KnownEntries(NamedTuple):
    """What is known of the jets of M outputs at N points.

    Attributes:
        x: Points, `(N, D)`.
        orders: Orders of which anything is known.
        rows: Which of the N jets of J distinct derivatives any output knows, `(n,)`.
        order: Of each row.
        powers: How often each row is differentiated by each input, `(n, D)`.
        targets: `(M, n)`; 0 where not known.
        known: `(M, n)`.
        sigma: Given standard deviation of the noise, `(M, n)`.
        apart: Largest difference of the equal mixed derivatives that each target is
            the mean of, `(M, n)`.
    """

    x: Float[ndarray, "N D"]
    orders: tuple[int, ...]
    rows: Int[ndarray, " n"]
    order: Int[ndarray, " n"]
    powers: Float[ndarray, "n D"]
    targets: Float[ndarray, "M n"]
    known: Bool[ndarray, "M n"]
    sigma: Float[ndarray, "M n"]
    apart: Float[ndarray, "M n"]

    @property
    def point(self) -> Int[ndarray, " n"]:
        """Which point each row belongs to."""
        return self.rows // self.jet_size

    @property
    def jet_size(self) -> int:
        """J."""
        D = self.x.shape[1]
        return sum(len(distinct(D, order)) for order in self.orders)

    @property
    def used(self) -> Float[ndarray, "K D"]:
        """The points of which anything is known."""
        return self.x[np.unique(self.point)]


def known_entries(
    owner: str, samples: Samples, sigma: Mapping[str, Any]
) -> KnownEntries:
    """Returns the known entries of samples, checked.

    Args:
        owner: Who asks, for messages.
        samples: Points `(N, D)`, tensors by name, and weights by name, 0 where missing.
        sigma: Standard deviations by name that broadcast against the tensors.

    Returns:
        The entries. Of equal mixed derivatives the mean of the known ones;
        `refuse_unequal` looks whether they are equal.

    Raises:
        InputError: If shapes, names or numbers are not such.
    """
    x = np.asarray(samples.x)
    if x.ndim != 2 or not np.issubdtype(x.dtype, np.number):
        raise InputError(
            f"`{owner}`: points of shape {x.shape} and type {x.dtype}; expected "
            "(N, D).\nPass one row per point."
        )
    x = x.astype(np.float64)
    tensors = {
        name: _tensor(owner, samples, sigma, name, x) for name in _names(owner, samples)
    }
    _refuse_unlike(owner, tensors)
    D, columns = x.shape[1], []
    for order, name in enumerate(TENSORS):
        if name in tensors and tensors[name][1].any():
            columns.append((order, _distinct(tensors[name], D, order)))
    if not columns:
        raise InputError(f"`{owner}`: no entry is known.\nPass weights that are not 0.")
    joined = [
        np.concatenate(part, axis=2)
        for part in zip(*[c for _, c in columns], strict=True)
    ]
    powers = [
        [indices.count(d) for d in range(D)]
        for order, _ in columns
        for indices in distinct(D, order)
    ]
    order = np.sum(powers, axis=1)
    flat = [part.reshape(part.shape[0], -1) for part in joined]
    rows = np.flatnonzero(flat[1].any(axis=0))
    J = len(order)
    return KnownEntries(
        x,
        tuple(order for order, _ in columns),
        rows,
        order[rows % J],
        np.array(powers, float).reshape(J, D)[rows % J],
        *(part[:, rows] for part in flat),
    )


def _names(owner: str, samples: Samples) -> list[str]:
    if not isinstance(samples.y, Mapping):
        raise InputError(
            f"`{owner}`: the targets are {type(samples.y).__name__}; expected a "
            "dictionary by tensor.\nPass Samples(x, {'value': ...})."
        )
    for name in samples.y:
        if name not in TENSORS:
            raise InputError(
                f"`{owner}`: targets for {name!r}; expected some of {TENSORS}."
                f"{did_you_mean(name, TENSORS)}\nTake it out."
            )
    return [name for name in TENSORS if name in samples.y]


Tensor = tuple[ndarray, ndarray, ndarray]


def _tensor(
    owner: str, samples: Samples, sigma: Mapping[str, Any], name: str, x: ndarray
) -> Tensor:
    """Returns values, whether they are known, and their noise, all of one shape."""
    y = np.asarray(samples.y[name], np.float64)
    order = TENSORS.index(name)
    (N, D) = x.shape
    if y.ndim != 2 + order or y.shape[0] != N or y.shape[2:] != (D,) * order:
        wanted = ", ".join([str(N), "M", *[str(D)] * order])
        raise InputError(
            f"`{owner}`: targets for {name!r} of shape {y.shape}; expected ({wanted})."
            "\nThe axes are points, outputs, then one per derivative."
        )
    weight = samples.weight
    weight = weight.get(name) if isinstance(weight, Mapping) else weight
    known = np.ones(y.shape, bool)
    if weight is not None:
        known = np.asarray(weight) != 0
        if known.shape not in (y.shape, (N,)):
            raise InputError(
                f"`{owner}`: the weight of {name!r} has shape {known.shape}; expected "
                f"one number per row {(N,)} or per entry {y.shape}."
            )
        known = np.broadcast_to(
            known.reshape(known.shape + (1,) * (y.ndim - known.ndim)), y.shape
        )
    noise = np.asarray(sigma.get(name, 0.0), np.float64)
    try:
        noise = np.broadcast_to(noise, y.shape)
    except ValueError as error:
        raise InputError(
            f"`{owner}`: sigma of {name!r} has shape {noise.shape}; expected one that "
            f"broadcasts against {y.shape}.\nPass one number, or one per entry."
        ) from error
    for what, numbers, right in (
        ("targets", y, np.isfinite(y)),
        ("sigma", noise, np.isfinite(noise) & (noise >= 0)),
        ("points", x, np.isfinite(x)),
    ):
        wrong = ~right & known if what != "points" else ~right
        if wrong.any():
            at = np.argwhere(wrong)[0]
            raise InputError(
                f"`{owner}`: {numbers[tuple(at)]} in row {at[0]} of the {what}"
                f"{'' if what == 'points' else f' of {name!r}'}; expected finite "
                "numbers, and no negative noise.\nGive a missing entry the weight 0."
            )
    return np.where(known, y, 0.0), known, np.where(known, noise, 0.0)


def _refuse_unlike(owner: str, tensors: Mapping[str, Tensor]) -> None:
    outputs = {name: tensor[0].shape[1] for name, tensor in tensors.items()}
    if len(set(outputs.values())) > 1:
        raise InputError(
            f"`{owner}`: the targets have different numbers of outputs: {outputs}; "
            "expected one.\nThe second axis counts outputs."
        )


def _distinct(tensor: Tensor, size: int, order: int) -> tuple[ndarray, ...]:
    """Returns the three arrays by distinct derivative, `(M, N, C)`, and `apart`."""
    N, M = tensor[0].shape[:2]
    y, known, noise = (np.swapaxes(t.reshape(N, M, -1), 0, 1) for t in tensor)
    group = places(size, order).reshape(-1)
    member = np.eye(len(distinct(size, order)))[group]
    count = known @ member
    mean = lambda a: a @ member / np.maximum(count, 1)
    apart = _apart(y, known, group, member.shape[1])
    return mean(y), count > 0, np.sqrt(mean(noise**2)), apart


def _apart(y: ndarray, known: ndarray, group: ndarray, count: int) -> ndarray:
    """Returns by how much the known entries of each group differ, `(M, N, C)`."""
    found = np.zeros((*y.shape[:2], count))
    for c in range(count):
        some, there = y[..., group == c], known[..., group == c]
        most = np.where(there, some, -np.inf).max(axis=-1)
        least = np.where(there, some, np.inf).min(axis=-1)
        found[..., c] = np.where(there.any(axis=-1), most - least, 0.0)
    return found


def refuse_unequal(
    owner: str, found: KnownEntries, exact: Bool[ndarray, "M n"]
) -> None:
    """Refuses mixed derivatives without noise that differ by order of the inputs.

    Args:
        owner: Who asks.
        found: The entries.
        exact: Which have no noise.

    Raises:
        InputError: If two that must be equal differ by more than rounding.
    """
    for order in found.orders:
        there = found.order == order
        size = np.abs(found.targets[:, there]).max(axis=1, initial=0.0)
        wrong = exact & there[None] & (found.apart > AGREEMENT * size[:, None])
        if wrong.any():
            m, i = np.argwhere(wrong)[0]
            inputs = np.repeat(np.arange(found.x.shape[1]), found.powers[i].astype(int))
            half = found.apart[m, i] / 2
            one, two = found.targets[m, i] - half, found.targets[m, i] + half
            raise InputError(
                f"`{owner}`: row {found.point[i]}: {TENSORS[order]} of output {m} by "
                f"inputs {' and '.join(map(str, inputs))} is {one:.8g} and {two:.8g} "
                "there; expected one number in either order.\nCorrect one of them, or "
                "say how large the noise is: `sigma`, or `noise`."
            )


def without_repeats(
    owner: str, found: KnownEntries, exact: Bool[ndarray, "M n"]
) -> KnownEntries:
    """Returns the entries with those that repeat a noiseless one taken out.

    Args:
        owner: Who asks.
        found: The entries.
        exact: Which have no noise.

    Returns:
        The entries; a repeated one is known once, at its first point.

    Raises:
        InputError: If two of one point contradict each other.
    """
    _, first, same = np.unique(found.x, axis=0, return_index=True, return_inverse=True)
    point, column = np.divmod(found.rows, found.jet_size)
    origin = first[same.reshape(-1)]
    known = found.known.copy()
    small = 1e-12 * np.abs(found.targets).max(axis=1)
    for i in np.flatnonzero(origin[point] != point):
        twins = (origin[point[:i]] == origin[point[i]]) & (column[:i] == column[i])
        for m, k in np.argwhere(known[:, :i] & exact[:, :i] & twins[None]):
            if not (known[m, i] and exact[m, i]):
                continue
            one, two = found.targets[m, k], found.targets[m, i]
            if not np.isclose(one, two, rtol=1e-9, atol=small[m]):
                raise InputError(
                    f"`{owner}`: rows {point[k]} and {point[i]} are one point, but "
                    f"{TENSORS[found.order[i]]} of output {m} is {one:.6g} and "
                    f"{two:.6g} there.\nCorrect one of them, or say how large the "
                    "noise is: `sigma`, or `noise`."
                )
            known[m, i] = False
    kept = known.any(axis=0)
    return found._replace(
        rows=found.rows[kept],
        order=found.order[kept],
        powers=found.powers[kept],
        targets=np.where(known, found.targets, 0.0)[:, kept],
        known=known[:, kept],
        sigma=found.sigma[:, kept],
        apart=found.apart[:, kept],
    )


def refuse_few(owner: str, found: KnownEntries) -> None:
    """Refuses data of which no process can be fitted."""
    num = len(np.unique(found.used, axis=0))
    if num < 2:
        raise InputError(
            f"`{owner}`: {num} different points; expected 2 or more.\nAdd points."
        )
    for d in np.flatnonzero(np.ptp(found.used, axis=0) == 0):
        raise InputError(
            f"`{owner}`: input {d} is {found.used[0, d]:.6g} in every row; expected "
            "one that varies.\nTake the input out."
        )
    for m in np.flatnonzero(found.known.sum(axis=1) < 2):
        raise InputError(
            f"`{owner}`: output {m} has {found.known[m].sum()} known entries; expected "
            "2 or more.\nTake the output out, or add points."
        )


def refuse_size(owner: str, found: KnownEntries) -> None:
    """Refuses matrices that do not fit into memory."""
    n, M, full = len(found.rows), len(found.targets), len(found.x) * found.jet_size
    needed = 8 * (MATRICES * full**2 + M * n**2)
    owned = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > owned:
        raise InputError(
            f"`{owner}`: {n} known entries make a dense matrix {n} x {n}; its fit "
            f"needs about {needed / 1e9:,.3g} GB, this machine has "
            f"{owned / 1e9:,.0f} GB.\n"
            "Use fewer points, or a network: `osculate.fit`."
        )
