"""The equation of Euler and Lagrange: what a stationary integral satisfies."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ._equation import Equation
from ._notation import partial_name, readings
from ._requests import Coordinates

GRAD = "grad_"


def euler_lagrange(density: Equation) -> Equation:
    """Returns what vanishes where the integral of a density is stationary.

    For every field u of the density F, over all coordinates x: `dF/du - sum over x of
    d/dx dF/du_x`, differentiated by forward mode in what the density is called with.

    Args:
        density: Of fields, first derivatives (`u_x`, `grad_u`), coordinates and others;
            returns one number: an energy, a Lagrangian, an area.

    Returns:
        An equation of second order; a dictionary by field where there are several.

    Raises:
        ValueError: If the density asks for anything but fields and first derivatives.

    Reference: Gelfand and Fomin (1963), Calculus of variations, sections 4 and 35.

    Example:
        >>> from osculate import diff
        >>> lagrangian = lambda u, u_t: u_t**2 / 2 + jnp.cos(u)
        >>> pendulum = euler_lagrange(diff.equation(lagrangian, over="t", time="t"))
        >>> pendulum(lambda p: p[0] ** 2, jnp.array([1.0]))  # -sin u - u_tt
        Array(-2.841471, dtype=float32)
    """
    over, asked = density.over, density.derivatives
    slots = {name: _slot(name, density) for name in asked}
    used = dict.fromkeys(slot.field for slot in slots.values())
    along = {i for slot in slots.values() for i in slot.places}
    slopes = {name: {i: _slopes(slots[name], i, over) for i in along} for name in asked}
    parts = [n for each in slopes.values() for names in each.values() for n in names]
    needed = tuple(dict.fromkeys((*asked, *parts)))
    rest = tuple(name for name in density.arguments if name not in asked)

    def vanishing(**known: Any) -> Any:
        moving = {n: known[n] for n in density.arguments if n not in density.others}
        fixed = {n: known[n] for n in density.arguments if n in density.others}

        def force(name: str, at: dict[str, Array]) -> Array:
            of = lambda value: _one(density.function(**fixed, **{**at, name: value}))
            return jax.grad(of)(at[name])

        def flux(name: str, i: int) -> Array:
            """Returns the derivative of a force along a coordinate."""
            steps = {n: jnp.zeros_like(a) for n, a in moving.items()}
            if over.names[i] in steps:
                steps[over.names[i]] = jnp.ones_like(steps[over.names[i]])
            for n in asked:
                found = [known[slope] for slope in slopes[n][i]]
                steps[n] = jnp.stack(found, -1) if slots[n].is_gradient else found[0]
            return jax.jvp(lambda at: force(name, at), (moving,), (steps,))[1]

        def share(name: str) -> Array:
            slot = slots[name]
            if not slot.places:
                return force(name, moving)
            fluxes = [flux(name, i) for i in slot.places]
            if slot.is_gradient:
                fluxes = [each[..., k] for k, each in enumerate(fluxes)]
            return -sum(fluxes[1:], fluxes[0])

        found = {
            field: [share(n) for n in asked if slots[n].field == field]
            for field in used
        }
        total = {field: sum(each[1:], each[0]) for field, each in found.items()}
        return total if len(total) > 1 else total[next(iter(total))]

    return Equation(
        vanishing, (*needed, *rest), needed, over, density.fields, density.others
    )


class Slot(NamedTuple):
    """What an argument of a density is.

    Attributes:
        field: Of which field.
        places: The coordinates it is differentiated by.
        is_gradient: Whether it holds the derivatives by all of them.
    """

    field: str
    places: tuple[int, ...]
    is_gradient: bool


def _one(found: Any) -> Array:
    if jnp.shape(found):
        raise ValueError(
            f"`euler_lagrange`: the density returns shape {jnp.shape(found)}; expected "
            "one number. Sum over components: jnp.sum(...)."
        )
    return jnp.asarray(found)


def _slot(name: str, density: Equation) -> Slot:
    found = readings(name, fields=density.fields, over=density.over.names)
    if found and sum(found[0].orders) <= 1:
        return Slot(found[0].field, found[0].key, is_gradient=False)
    field = name.removeprefix(GRAD)
    if not found and name != field and field in density.fields:
        return Slot(field, density.over.space, is_gradient=True)
    raise ValueError(
        f"`euler_lagrange`: the density asks for {name!r}; expected fields and their "
        f"first derivatives, {density.fields[0]}_{density.over.names[0]} or "
        f"{GRAD}{density.fields[0]}."
    )


def _slopes(slot: Slot, i: int, over: Coordinates) -> tuple[str, ...]:
    """Returns the names of the derivatives of a slot along a coordinate."""
    keys = [(place, i) for place in slot.places] or [(i,)]
    written = lambda key: [over.names[k] for k in sorted(key)]
    return tuple(partial_name(slot.field, written(k), over=over.names) for k in keys)
