"""Jacobians of known structure: a few products instead of one per coordinate."""

import dataclasses
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.sparse import BCOO
from jaxtyping import Array, Bool, Float, Int
from numpy.typing import ArrayLike

from osculate.core import require

from ._streams import streams
from ._types import Field

PROBES = 2


@final
@dataclasses.dataclass(frozen=True, eq=False)
class SparseJacobian:
    """x -> the Jacobian of f, from one product per colour of its columns.

    Attributes:
        f: The function.
        rows: Row of every entry that may not be 0, `(E,)`.
        columns: Its column.
        colours: Colour of every column, `(D,)`: no row has two entries of one colour.
        shape: `(M, D)`.
    """

    f: Field
    rows: Int[np.ndarray, " E"]
    columns: Int[np.ndarray, " E"]
    colours: Int[np.ndarray, " D"]
    shape: tuple[int, int]

    @property
    def products(self) -> int:
        """Number of products with the Jacobian."""
        return int(self.colours.max(initial=-1)) + 1

    def __call__(self, x: Float[Array, " D"]) -> BCOO:
        """Returns the Jacobian at x; `.todense()` makes an array of it."""
        seeds = np.zeros((self.products, self.shape[1]))
        seeds[self.colours, np.arange(self.shape[1])] = 1.0
        push = jax.linearize(self.f, x)[1]
        products = jax.vmap(push)(jnp.asarray(seeds, x.dtype))
        data = products[self.colours[self.columns], self.rows]
        index = np.stack([self.rows, self.columns], axis=1)
        return BCOO((data, jnp.asarray(index)), shape=self.shape)


def sparse_jacobian(
    f: Field, at: ArrayLike, structure: ArrayLike | str | None = None
) -> SparseJacobian:
    """Returns x -> J(x) of a function whose Jacobian is mostly zeros.

    Columns that share no row are multiplied together: a diagonal takes one product, a
    band as many as it is wide, a dense matrix D. The pattern is looked for in the
    program of f (by `asdex`, the extra `sparse`) or declared; a declared one is
    compared with products of the full Jacobian with random vectors.

    Args:
        f: `(D,) -> (M,)`.
        at: A point at which a declared structure is tried, `(D,)`.
        structure: `diagonal`, `tridiagonal`, a mask `(M, D)` that is true where J may
            not be 0, or None to look for it.

    Returns:
        A function of one point to a sparse matrix.

    Raises:
        ValueError: If the Jacobian is not 0 outside the declared structure, or the
            structure has another shape.

    Example:
        >>> J = sparse_jacobian(jnp.sin, np.zeros(1000), "diagonal")
        >>> J.products, float(J(jnp.zeros(1000)).data.sum())
        (1, 1000.0)
    """
    x = jnp.asarray(at, float)
    size = jax.eval_shape(f, x).shape[0]
    if structure is None:
        asdex: Any = require("asdex", extra="sparse", task="finding the structure")
        mask = np.asarray(asdex.jacobian_sparsity(f, x).todense()).astype(bool)
    else:
        mask = _mask(structure, size, x.size)
    rows, columns = np.nonzero(mask)
    found = SparseJacobian(f, rows, columns, _coloured(mask), (size, x.size))
    if structure is not None:
        _refuse_wrong(found, x)
    return found


def sparse_hessian(
    u: Field, at: ArrayLike, structure: ArrayLike | str | None = None
) -> SparseJacobian:
    """Returns x -> H(x) of a scalar function whose Hessian is mostly zeros.

    Args:
        u: `(D,) -> ()`.
        at: As in `sparse_jacobian`.
        structure: As in `sparse_jacobian`.

    Returns:
        A function of one point to a sparse matrix: the Jacobian of the gradient.

    Raises:
        ValueError: As in `sparse_jacobian`.
    """
    return sparse_jacobian(jax.grad(u), at, structure)


def elementwise_derivative(f: Field, order: int = 1) -> Field:
    """Returns x -> the n-th derivative of an elementwise map, entry by entry.

    Cost: one pass with order + 1 streams at any length: the product of the Jacobian
    with ones, which is its diagonal only where nothing stands beside it. That is tried
    at a random point, and refused where it fails (SPEC S3.7).

    Args:
        f: `(N,) -> (N,)` with f(x)[i] a function of x[i] alone.
        order: n, 1 or more.

    Returns:
        `(N,) -> (N,)`.

    Raises:
        ValueError: When called, if an entry of f depends on another entry of x.

    Example:
        >>> elementwise_derivative(jnp.sin)(jnp.zeros(3))
        Array([1., 1., 1.], dtype=float32)
    """
    if order < 1:
        raise ValueError(
            f"`elementwise_derivative`: order is {order}; expected 1 or more."
        )
    key = (0,) * order

    def at(x: Float[Array, " N"]) -> Float[Array, " N"]:
        refuse_mixing(f, x)
        return streams(f, [key], jnp.ones_like(x)[None])(x)[key]

    return at


def _mask(structure: Any, rows: int, columns: int) -> Bool[np.ndarray, "M D"]:
    if isinstance(structure, str):
        width = {"diagonal": 0, "tridiagonal": 1}.get(structure)
        if width is None:
            raise ValueError(
                f"`sparse_jacobian`: structure {structure!r} is not known; expected "
                "'diagonal', 'tridiagonal' or a mask."
            )
        return np.abs(np.subtract.outer(np.arange(rows), np.arange(columns))) <= width
    mask = np.asarray(structure, bool)
    if mask.shape != (rows, columns):
        raise ValueError(
            f"`sparse_jacobian`: a structure of shape {mask.shape}; the Jacobian has "
            f"{(rows, columns)}."
        )
    return mask


def _coloured(mask: Bool[np.ndarray, "M D"]) -> Int[np.ndarray, " D"]:
    """Gives every column the first colour that no column sharing a row has."""
    taken: list[Bool[np.ndarray, " M"]] = []
    colours = np.zeros(mask.shape[1], int)
    for d, column in enumerate(mask.T):
        free = (c for c, rows in enumerate(taken) if not (rows & column).any())
        colours[d] = next(free, len(taken))
        if colours[d] == len(taken):
            taken.append(np.zeros(len(column), bool))
        taken[colours[d]] |= column
    return colours


def _refuse_wrong(found: SparseJacobian, x: Float[Array, " D"]) -> None:
    """Compares products with the full Jacobian along random vectors."""
    J = found(x)
    push = jax.linearize(found.f, x)[1]
    for v in _random(x, PROBES):
        exact, ours = push(v), J @ v
        size = jnp.max(jnp.abs(exact)) + jnp.max(jnp.abs(ours))
        tolerance = 100 * jnp.finfo(x.dtype).eps * len(v) ** 0.5
        if jnp.max(jnp.abs(exact - ours)) > tolerance * size:
            row = int(jnp.argmax(jnp.abs(exact - ours)))
            raise ValueError(
                f"`sparse_jacobian`: row {row} of the Jacobian has entries outside the "
                "declared structure. Leave `structure` out to have it found."
            )


def refuse_mixing(f: Field, x: Float[Array, " N"]) -> None:
    """Changes a random half of the entries: the other half must not move.

    Args:
        f: `(N,) -> (N,)`.
        x: A point, for its shape and type.

    Raises:
        ValueError: If an entry of f depends on another entry of x.
    """
    with jax.ensure_compile_time_eval():
        first, second = _random(x, 2)
        half = np.random.default_rng(1).permutation(x.size) < (x.size + 1) // 2
        mixed = jnp.where(half, first, second)
        y, z = f(first), f(mixed)
    if jnp.shape(y) != x.shape:
        raise ValueError(
            f"`elementwise_derivative`: f maps the shape {x.shape} to {jnp.shape(y)}; "
            "expected the same."
        )
    try:
        y, z = np.asarray(y), np.asarray(z)
        moved = bool(np.any((y != z) & half & ~np.isnan(y)))
    except jax.errors.TracerArrayConversionError:
        return  # f closes over traced parameters: it was, or will be, tried outside
    if moved:
        raise ValueError(
            "`elementwise_derivative`: an entry of f depends on another entry of x, so "
            "that the Jacobian is not diagonal. Use `jacobian` or `sparse_jacobian`."
        )


def _random(x: Float[Array, " D"], count: int) -> Float[Array, "n D"]:
    draws = np.random.default_rng(0).uniform(0.1, 0.9, (count, x.size))
    return jnp.asarray(draws, x.dtype)
