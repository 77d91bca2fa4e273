"""Are the derivatives of a function right? Exact ones against differences."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from ._differences import difference
from ._types import Field

SLACK = 10.0  # errors of differences are estimates


class Check(NamedTuple):
    """The Jacobian of a function by automatic differentiation and by differences.

    Attributes:
        exact: By automatic differentiation, `(..., D)`.
        differences: By central differences.
        wrong: Entries that differ by more than the differences may be off.
    """

    exact: Float[np.ndarray, "... D"]
    differences: Float[np.ndarray, "... D"]
    wrong: Bool[np.ndarray, "... D"]

    @property
    def agrees(self) -> bool:
        """Whether every entry agrees."""
        return not self.wrong.any()

    def __str__(self) -> str:
        """Names the entries that disagree."""
        if self.agrees:
            return f"all {self.exact.size} derivatives agree"
        lines = [
            f"{self.wrong.sum()} of {self.exact.size} derivatives disagree:",
            *(
                f"  {tuple(map(int, at))}: {self.exact[tuple(at)]:.6g} exact, "
                f"{self.differences[tuple(at)]:.6g} by differences"
                for at in np.argwhere(self.wrong)[:10]
            ),
        ]
        return "\n".join(lines)


def check(f: Field, x: ArrayLike, *, rtol: float = 1e-6) -> Check:
    """Compares the Jacobian of f with central differences, in float64.

    It finds wrong custom rules, stopped gradients and the known traps, such as
    `jax.grad(jnp.linalg.det)` at a singular matrix, which is 0 in JAX 0.10.

    Args:
        f: `(D,) -> (...)`, a function of JAX.
        x: A point, `(D,)`.
        rtol: Relative difference that is no disagreement.

    Returns:
        What was found; print it.

    Raises:
        ValueError: If f returns anything but one array.

    Example:
        >>> print(check(lambda x: x**2, np.ones(2)))
        all 4 derivatives agree
    """
    with jax.enable_x64(True):
        point = np.array(x, float)
        value = jax.eval_shape(f, jax.ShapeDtypeStruct(point.shape, point.dtype))
        if not isinstance(value, jax.ShapeDtypeStruct):
            raise ValueError(
                f"`check`: f returns {type(value).__name__}; expected one array. "
                "Check one field at a time."
            )
        exact = np.asarray(jax.jacfwd(f)(point))
        compiled: Any = jax.jit(f)
        found = difference(lambda p: np.asarray(compiled(p)))(point)
    scale = np.maximum(np.abs(exact), np.abs(found.value))
    off = np.abs(exact - found.value)
    wrong = ~(off <= rtol * scale + SLACK * found.error)
    return Check(exact, found.value, wrong)
