"""Tables from functions of JAX, differentiated exactly."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import ArrayLike

from osculate.core import InputError, relaxed
from osculate.diff import jet

from ._exact import check_exact, table_of_tensors
from ._outputs import (
    checked_chunk,
    checked_order,
    checked_points,
    output_names,
    split_outputs,
)
from ._table import Table

MOST_ROWS = 1024  # at a time
MOST_NUMBERS = 2**22  # of the highest derivative at a time
UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def from_function(
    f: Callable[[Any], Any],
    x: ArrayLike,
    *,
    order: int = 1,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    chunk: int | None = None,
) -> Table:
    """Returns the values and exact derivatives of a function of JAX at points.

    Everything is computed in float64, by `diff.jet` under `vmap`. The arrays of a
    function that is a pytree (an Equinox module, `jax.tree_util.Partial`) are cast up
    first, so that a network in float16 or float32 gives derivatives without rounding
    noise.

    Cost: for each row one pass with 1 + D streams at order 1, and 1 + D + D(D + 1)/2
    at order 2.

    Args:
        f: A function of one point, `(D,) -> ()`, `(M,)`, any other shape, or a
            dictionary of these: its names become those of the outputs.
        x: Points `(N, D)`, or `(N,)` where D = 1.
        order: Highest derivatives wanted, 0 to 2.
        inputs: Names of the inputs, perhaps with units.
        outputs: Names of the outputs, likewise; by default those of f.
        chunk: Rows at a time; by default so many that memory suffices.

    Returns:
        The table.

    Raises:
        InputError: If f cannot be differentiated, or gives what is no finite number,
            or an argument is wrong.

    Example:
        >>> from_function(lambda x: {"z": x[0] * x[1]}, np.ones((5, 2)))
        Table('<function>': 5 rows, x1, x2 -> z, value and jacobian)
    """
    checked_order("from_function", order)
    if chunk is not None:
        checked_chunk("from_function", chunk)
    points, names = checked_points("from_function", x, inputs)
    with jax.enable_x64(True), relaxed():
        vector = _Vector(jax.tree.map(_widened, f))
        size = _size(vector, points.shape[1], order)
        rows = chunk or max(1, MOST_NUMBERS // (size * points.shape[1] ** order))
        parts = list(_chunks(jet(vector, order), points, min(rows, MOST_ROWS)))
    tensors = [np.concatenate(part) for part in zip(*parts, strict=True)]
    check_exact("from_function", points, tensors, names, vector.names)
    titles = inputs, outputs or vector.names
    return table_of_tensors("<function>", points, tensors, *titles)


class _Vector:
    """A function of one point to one vector, which remembers the names of its parts."""

    def __init__(self, f: Callable[[Any], Any]):
        self._f, self.names = f, ()

    def __call__(self, x: Float[Array, " D"]) -> Float[Array, " M"]:
        parts = {}
        for name, part in split_outputs(self._f(x)).items():
            parts[name] = _real(name, part)
        self.names = output_names({name: part.shape for name, part in parts.items()})
        return jnp.concatenate([part.ravel() for part in parts.values()])


def _real(name: str, part: Any) -> Array:
    """Returns an output in float64, if it is one that can be differentiated."""
    try:
        array = jnp.asarray(part)
    except (TypeError, ValueError):
        came = type(part).__name__
    else:
        if jnp.issubdtype(array.dtype, jnp.floating) and array.size:
            return array.astype(float)
        came = f"an array of {array.dtype}, shape {array.shape}"
    raise InputError(
        f"`from_function`: f returns {came}{f' for {name!r}' if name else ''}; "
        "expected real numbers: an array, a scalar, or a dictionary of them.\n"
        "Return floating-point numbers. A function of steps has no derivatives: "
        "`from_black_box(f, x, derivatives=None)` keeps its values."
    )


def _widened(leaf: Any) -> Any:
    """Returns an array in the widest precision of its kind, else the leaf."""
    if isinstance(leaf, jax.Array | np.ndarray | np.generic):
        for kind, wide in ((jnp.floating, float), (jnp.complexfloating, complex)):
            if jnp.issubdtype(leaf.dtype, kind):
                return jnp.asarray(leaf, wide)
    return leaf


def _size(vector: _Vector, D: int, order: int) -> int:
    """Returns the number of outputs, or says why f cannot be differentiated."""
    try:
        x = jax.ShapeDtypeStruct((D,), jnp.float64)
        jax.eval_shape(jet(vector, order), x)
        return jax.eval_shape(vector, x).size
    except InputError:
        raise
    except UNTRACEABLE as error:
        raise _no_derivatives(f"it leaves JAX ({_first_line(error)})") from error
    except (TypeError, ValueError, NotImplementedError) as error:
        if "callback" in str(error).lower():
            raise _no_derivatives("it calls back to the host") from error
        raise


def _no_derivatives(reason: str) -> InputError:
    return InputError(
        f"`from_function`: f cannot be differentiated: {reason}.\n"
        "Expected a function of JAX alone: jax.numpy instead of NumPy, jnp.where "
        "instead of `if`.\n"
        "Write it so, or take differences: `from_black_box(f, x)`."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:120].rstrip(".")


def _chunks(
    jets: Callable[..., tuple], points: np.ndarray, rows: int
) -> Iterator[list[np.ndarray]]:
    """Yields the tensors of some rows at a time; the last are padded."""
    rows = min(rows, len(points))
    each = jax.jit(jax.vmap(jets))
    for first in range(0, len(points), rows):
        part = points[first : first + rows]
        padded = np.pad(part, ((0, rows - len(part)), (0, 0)), mode="edge")
        yield [np.asarray(tensor)[: len(part)] for tensor in each(padded)]
