"""Values on a grid as a smooth function of named coordinates."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from numpy import ndarray
from scipy.interpolate import make_interp_spline

from osculate.core import InputError

from ._domain import Domain

CUBIC = 3


def gridded(values: Any, **coordinates: Any) -> Callable[..., Array]:
    """Returns the spline through values on a grid, a function of named coordinates.

    It is cubic, or of lower degree along a coordinate of fewer than four values, and
    has two continuous derivatives: prescribed, or used as a coefficient, it can be
    differentiated as the equation asks.

    Args:
        values: An array with one axis for each coordinate, in their order; or an
            `xarray.DataArray`, whose coordinates are its own.
        **coordinates: Increasing values along each axis by the name of the coordinate.

    Returns:
        A function whose arguments are the coordinates by name, for `solve.problem`.

    Raises:
        InputError: If shapes differ, a number is not finite, or values along a
            coordinate do not increase.

    Example:
        >>> import numpy as np
        >>> x = np.linspace(0, 1, 5)
        >>> cube = gridded(x**3, x=x)
        >>> round(float(cube(x=0.3)), 4)
        0.027
    """
    if hasattr(values, "dims") and not coordinates:
        coordinates = {str(name): np.asarray(values[name]) for name in values.dims}
    names = tuple(coordinates)
    grids = [np.asarray(coordinates[name], float) for name in names]
    table = np.asarray(values, float)
    _refuse(names, grids, table)
    knots, degrees = [], []
    for axis, grid in enumerate(grids):
        degree = min(CUBIC, len(grid) - 1)
        spline = make_interp_spline(grid, table, k=degree, axis=axis)
        table = np.moveaxis(np.asarray(spline.c), 0, axis)
        knots.append(np.asarray(spline.t))
        degrees.append(degree)

    def at(**point: ArrayLike) -> Array:
        x = [jnp.asarray(point[name], jnp.result_type(float)) for name in names]
        shape = jnp.broadcast_shapes(*(each.shape for each in x))
        flat = [jnp.broadcast_to(each, shape).reshape(-1) for each in x]
        one = lambda *each: _spline(table, knots, degrees, each)
        return jax.vmap(one)(*flat).reshape(shape)

    kind = inspect.Parameter.KEYWORD_ONLY
    listed = [inspect.Parameter(name, kind) for name in names]
    vars(at).update(
        __signature__=inspect.Signature(listed),
        ranges={n: (g[0], g[-1]) for n, g in zip(names, grids, strict=True)},
    )
    return at


def uncovered(value: Callable[..., Any], domain: Domain) -> str:
    """Says what of a domain the grid of a function does not cover.

    Args:
        value: Any function.
        domain: Where it is used.

    Returns:
        Words; empty where it is all covered, or there is no grid.
    """
    ranges = getattr(value, "ranges", {})
    for name, a, b in zip(domain.names, domain.low, domain.high, strict=True):
        first, last = ranges.get(name, (a, b))
        room = 1e-9 * (b - a)
        if first > a + room or last < b - room:
            return f"a grid of {name} from {first:g} to {last:g}"
    return ""


def _refuse(names: tuple[str, ...], grids: list[ndarray], table: ndarray) -> None:
    shape = tuple(grid.size for grid in grids)
    if table.shape != shape or not names:
        raise InputError(
            f"`solve.gridded`: values of shape {table.shape}; expected "
            f"{shape} for the coordinates {list(names)}.\n"
            "Name the coordinates in the order of the axes: gridded(u, x=x, t=t)."
        )
    for name, grid in zip(names, grids, strict=True):
        if grid.size < 2 or not (np.diff(grid) > 0).all():
            raise InputError(
                f"`solve.gridded`: {name} does not increase from value to value, or "
                "has fewer than two.\nSort the values along its axis."
            )
    if bad := int((~np.isfinite(table)).sum()):
        raise InputError(
            f"`solve.gridded`: {bad} of {table.size} values are not finite.\n"
            "Fill them before."
        )


def _spline(
    table: ndarray, knots: list[ndarray], degrees: list[int], x: Any
) -> Float[Array, ""]:
    """Evaluates a product of splines at one point."""
    starts, bases = [], []
    for t, k, at in zip(knots, degrees, x, strict=True):
        start, basis = _basis(jnp.asarray(t, at.dtype), k, at)
        starts.append(start)
        bases.append(basis)
    sizes = [k + 1 for k in degrees]
    part = jax.lax.dynamic_slice(jnp.asarray(table, x[0].dtype), starts, sizes)
    for basis in bases:
        part = jnp.tensordot(basis, part, axes=1)
    return part


def _basis(
    t: Float[Array, " T"], k: int, x: Float[Array, ""]
) -> tuple[Array, Float[Array, " K"]]:
    """Returns the first B-spline that is not zero at x, and the values of all such.

    Reference: de Boor (1972), On calculating with B-splines.
    """
    last = t.shape[0] - k - 2
    span = jnp.clip(jnp.searchsorted(t, x, side="right") - 1, k, last)
    basis = [jnp.ones_like(x)]
    for degree in range(1, k + 1):
        raised = [jnp.zeros_like(x)] * (degree + 1)
        for j, value in enumerate(basis):
            right, left = t[span + j + 1], t[span + j + 1 - degree]
            share = value / (right - left)
            raised[j] += share * (right - x)
            raised[j + 1] += share * (x - left)
        basis = raised
    return span - k, jnp.stack(basis)
