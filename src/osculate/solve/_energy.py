"""Problems declared by the density of an energy, or of an action."""

from collections.abc import Callable
from typing import Any, NamedTuple

from osculate import diff
from osculate.core import InputError

from ._given import Words


class Energy(NamedTuple):
    """What a user declares.

    Attributes:
        function: The density; its argument names are the request.
    """

    function: Callable[..., Any]


def energy(density: Callable[..., Any]) -> Energy:
    """Declares that the integral of a density is stationary.

    The problem becomes the equation of Euler and Lagrange. Where the integral has a
    minimum and all conditions are built in, `tasks.solve(problem, form="energy")`
    minimizes it instead: the method of Ritz with a network.

    Args:
        density: Of fields and their first derivatives (`u_x`, `grad_u`), coordinates,
            constants and unknowns by name; returns one number.

    Returns:
        The equation of a `problem`.

    Reference: E and Yu (2018), The deep Ritz method.

    Example:
        >>> import jax.numpy as jnp
        >>> from osculate import solve
        >>> dirichlet = energy(lambda grad_u, u: jnp.sum(grad_u**2) / 2 - u)
        >>> square = solve.box(x=(0, 1), y=(0, 1))
        >>> torsion = solve.problem(square, dirichlet, boundary=0.0)
        >>> torsion.equation.derivatives
        ('grad_u', 'u', 'u_xx', 'u_xy', 'u_yy', 'u_x', 'u_y')
    """
    return Energy(density)


def read_energy(declared: Energy, words: Words) -> tuple[diff.Equation, diff.Equation]:
    """Reads a density.

    Args:
        declared: As by `energy`.
        words: The names that exist.

    Returns:
        What vanishes where its integral is stationary, and the density.

    Raises:
        InputError: If a name is not known, or asks for more than first derivatives.
    """
    density = words.read(declared.function, "the energy")
    try:
        return diff.euler_lagrange(density), density
    except ValueError as error:
        said = str(error).partition(": ")[2]
        raise InputError(f"`solve.problem`: the energy: {said}") from error
