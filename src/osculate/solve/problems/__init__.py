"""Reference problems with answers, by name."""

from osculate.core import InputError, did_you_mean

from . import (
    _allen_cahn,
    _beam,
    _beltrami,
    _black_scholes,
    _burgers,
    _cavity,
    _cavity_400,
    _elliptic_inverse,
    _first,
    _heat,
    _heat_4d,
    _helmholtz,
    _kdv,
    _kovasznay,
    _lorenz,
    _lotka_volterra,
    _poisson,
    _poisson_5d,
    _poisson_100d,
    _poisson_l,
    _schroedinger,
    _wave,
)
from ._entry import Entry as Entry

PROBLEMS: dict[str, Entry] = {
    module.ENTRY.name: module.ENTRY
    for module in (
        _first,
        _poisson,
        _poisson_l,
        _helmholtz,
        _heat,
        _burgers,
        _allen_cahn,
        _wave,
        _kdv,
        _kovasznay,
        _cavity,
        _cavity_400,
        _lotka_volterra,
        _lorenz,
        _elliptic_inverse,
        _poisson_5d,
        _poisson_100d,
        _heat_4d,
        _beam,
        _schroedinger,
        _black_scholes,
        _beltrami,
    )
}


def named(name: str) -> Entry:
    """Returns a reference problem by its name.

    Args:
        name: One of `PROBLEMS`.

    Returns:
        The entry; `named("heat").make()` declares the problem.

    Raises:
        InputError: If there is none of that name.

    Example:
        >>> named("burgers").title
        "Burgers' equation, nu = 0.01 / pi"
    """
    if name not in PROBLEMS:
        raise InputError(
            f"`solve.problems`: no problem {name!r}.{did_you_mean(name, PROBLEMS)}\n"
            f"Choose one of {list(PROBLEMS)}."
        )
    return PROBLEMS[name]
