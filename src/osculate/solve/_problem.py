"""A problem: equations on a domain, with what is prescribed, known and sought."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from osculate import diff
from osculate.core import InputError, Term

from ._complete import refuse_incomplete
from ._conditions import Condition, conditions
from ._corners import refuse_corners
from ._domain import Domain
from ._energy import Energy, read_energy
from ._given import Words
from ._integral import Integral, Integrated, integrated
from ._observed import Observed, observed
from ._trial import Hard, hardened

EQUATION = "equation"


@final
class Problem(eqx.Module):
    """What `solve.problem` returns: everything declared, read and checked.

    Attributes:
        domain: Where it holds.
        fields: Size by name: 0 a scalar, n a vector of length n.
        equation: What is to vanish inside: an equation, or a Term.
        residuals: Names of the residuals of the equation; `("",)` for a single one.
        constants: Arrays by name, of NumPy: in double precision wherever declared.
        unknowns: Likewise, where the search for them begins.
        hard: By field, the conditions that its trial function satisfies.
        soft: Conditions that are residuals of their own.
        listed: All conditions but periodic ones.
        periodic: Places of the coordinates that are periodic.
        integrals: Those with a prescribed value.
        observed: Measurements, or None.
        reference: The exact answer, from coordinates by name to fields, or None.
        energy: The density whose integral is stationary, or None.
    """

    domain: Domain
    fields: tuple[tuple[str, int], ...] = eqx.field(static=True)
    equation: Any = eqx.field(static=True)
    residuals: tuple[str, ...] = eqx.field(static=True)
    constants: dict[str, Any]
    unknowns: dict[str, Any]
    hard: tuple[tuple[str, Hard], ...] = eqx.field(static=True)
    soft: tuple[Condition, ...] = eqx.field(static=True)
    listed: tuple[Condition, ...] = eqx.field(static=True)
    periodic: tuple[int, ...] = eqx.field(static=True)
    integrals: tuple[Integrated, ...] = eqx.field(static=True)
    observed: Observed | None
    reference: Callable[..., Any] | None = eqx.field(static=True)
    energy: diff.Equation | None = eqx.field(static=True)

    @property
    def words(self) -> Words:
        """The names that exist."""
        others = (*self.constants, *self.unknowns)
        return Words(dict(self.fields), self.domain, others)

    @property
    def floating(self) -> tuple[str, ...]:
        """Fields known but for a constant: by slopes along every coordinate."""
        inside = self.equation
        if not isinstance(inside, diff.Equation) or self.integrals:
            return ()
        held = {*inside.derivatives, *(condition.name for condition in self.listed)}
        if self.observed is not None:
            held.update(self.observed.y)
        for condition in self.listed:
            if condition.equation is not None:
                held.update(condition.equation.derivatives)
        return tuple(
            name
            for name, _ in self.fields
            if name not in held and all(inside.orders(name))
        )

    def softened(self) -> "Problem":
        """Returns the problem with conditions as residuals: no trial function has them.

        Periodic coordinates stay what they are.
        """
        free = tuple((name, Hard(size, None, ())) for name, size in self.fields)
        return dataclasses.replace(self, hard=free, soft=self.listed)

    def explain(self) -> str:
        """Returns in words what was declared, and how each condition is met."""
        low, high = self.domain.low, self.domain.high
        ranges = zip(self.domain.names, low, high, strict=True)
        lines = [
            "domain     " + ", ".join(f"{n} in [{a:g}, {b:g}]" for n, a, b in ranges),
            "fields     " + ", ".join(f"{n} ({s})" if s else n for n, s in self.fields),
        ]
        if self.energy is not None:
            lines.append("energy     " + ", ".join(self.energy.arguments))
        elif isinstance(self.equation, diff.Equation):
            lines.append("equation   " + ", ".join(self.equation.arguments))
        for name, hard in self.hard:
            lines += [f"hard       {name}: {where}" for where in _met(hard, self)]
        lines += [f"periodic   {self.domain.names[place]}" for place in self.periodic]
        lines += [f"soft       {condition.words}" for condition in self.soft]
        wholes = (one.words(self.domain) for one in self.integrals)
        lines += [f"integral   {whole}" for whole in wholes]
        if self.observed is not None:
            lines.append(f"data       {self.observed.words}")
        if self.unknowns:
            lines.append("unknown    " + ", ".join(self.unknowns))
        return "\n".join(lines)


def problem(
    domain: Domain,
    equation: Callable[..., Any] | Term | Energy,
    *,
    initial: Any = None,
    boundary: Any = None,
    integrals: Sequence[Integral] = (),
    data: Any = None,
    sigma: float | None = None,
    constants: Mapping[str, Any] | None = None,
    unknowns: Mapping[str, Any] | None = None,
    fields: str | Sequence[str] | Mapping[str, int] = "u",
    reference: Callable[..., Any] | None = None,
    corners: str = "refuse",
) -> Problem:
    """Declares a problem; everything is checked here.

    The argument names of functions say what they are called with, as in
    `diff.equation`: fields, their derivatives in the notation of print (`u_xx`,
    `lap_u`), coordinates, constants and unknowns. A function in a condition that asks
    for coordinates alone is the prescribed value; one that asks for fields is what
    vanishes there, with `u_n` the derivative along the outward normal.

    Args:
        domain: Where: `box(x=(-1, 1)) * time(t=(0, 1))`.
        equation: What vanishes inside; a system returns a tuple or a dictionary. Or
            what `energy` returns; or a Term, whose probe gets the trial function, a
            point to named fields.
        initial: What holds at the beginning of time: a value, or values by name,
            `{"u": ..., "u_t": ...}`.
        boundary: What holds on all faces in space, or by face, `{"x": 0.0}` for both
            ends of a coordinate, `{"x=lower": ..., "x=upper": ...}`; each a value, a
            dictionary of values by name, a function of fields, a list of these, or
            `periodic()`.
        integrals: Integrals that have a value, each by `integral`.
        data: Measurements: columns by name, coordinates and what was measured there,
            fields or derivatives.
        sigma: Standard deviation of the measurements, where it is known.
        constants: Numbers or arrays by name.
        unknowns: Likewise, where the search for them begins.
        fields: Names of the fields; sizes by name where some are vectors,
            `{"w": 3, "p": 0}`.
        reference: The exact answer where it is known: a function of the coordinates by
            name to the field, or to fields by name.
        corners: `"refuse"` conditions that contradict each other where faces meet, or
            `"allow"` them: those on the later face are then met softly.

    Returns:
        The problem.

    Raises:
        InputError: If a name, a face or a shape is not known or does not fit, if
            conditions are too many, too few or contradict each other, or data are of no
            use.

    Reference: SPEC S2.1-4, S2.11.

    Example:
        >>> from osculate import solve
        >>> burgers = problem(
        ...     domain=solve.box(x=(-1, 1)) * solve.time(t=(0, 1)),
        ...     equation=lambda u, u_t, u_x, u_xx, nu: u_t + u * u_x - nu * u_xx,
        ...     constants={"nu": 0.01},
        ...     initial=lambda x: -jnp.sin(jnp.pi * x),
        ...     boundary={"x": 0.0},
        ... )
        >>> [name for name, _ in burgers.fields]
        ['u']
    """
    sizes = _sizes(fields)
    known, sought = _numbers("constants", constants), _numbers("unknowns", unknowns)
    words = Words(sizes, domain, (*known, *sought))
    others = jax.tree.map(jnp.asarray, {**known, **sought})
    _refuse_names(words)
    density = None
    if isinstance(equation, Term):
        read, residuals = equation, ("",)
    else:
        read, density = _read(equation, words)
        residuals = _residuals(read, words, others, measured=data is not None)
    found = conditions(initial, boundary, words, known)
    measured = None if data is None else observed(data, sigma, words)
    hard, soft = hardened(domain, found, sizes)
    if isinstance(read, diff.Equation) and measured is None:
        refuse_incomplete(read, found, words)
    if corners not in ("refuse", "allow"):
        raise InputError(
            f"`solve.problem`: corners is {corners!r}; expected 'refuse' or 'allow'.\n"
            "Leave it out unless conditions contradict each other on purpose."
        )
    built_in = [c for c in found.listed if c not in soft]
    torn = refuse_corners(built_in, words, others, allow=corners == "allow")
    if torn:
        kept = found._replace(listed=tuple(c for c in found.listed if c not in torn))
        hard, rest = hardened(domain, kept, sizes, found)
        soft = (*rest, *torn)
    return Problem(
        domain=domain,
        fields=tuple(sizes.items()),
        equation=read,
        residuals=residuals,
        constants=known,
        unknowns=sought,
        hard=tuple(hard.items()),
        soft=soft,
        listed=found.listed,
        periodic=found.periodic,
        integrals=integrated(integrals, words),
        observed=measured,
        reference=reference,
        energy=density,
    )


def _sizes(fields: str | Sequence[str] | Mapping[str, int]) -> dict[str, int]:
    if isinstance(fields, Mapping):
        return {name: int(size) for name, size in fields.items()}
    names = fields.split() if isinstance(fields, str) else fields
    return dict.fromkeys(names, 0)


def _numbers(what: str, values: Mapping[str, Any] | None) -> dict[str, np.ndarray]:
    found = {}
    for name, value in (values or {}).items():
        try:
            number = np.asarray(value, float)
        except (TypeError, ValueError):
            number = np.asarray(np.nan)
        if not np.isfinite(number).all():
            raise InputError(
                f"`solve.problem`: {what}: {name} is {value!r}; expected finite numbers"
                ".\nA function belongs in the equation itself."
            )
        found[name] = number
    return found


def _refuse_names(words: Words) -> None:
    declared = (*words.fields, *words.domain.names, *words.others)
    if twice := {name for name in declared if declared.count(name) > 1}:
        raise InputError(
            f"`solve.problem`: {min(twice)!r} is declared twice, among fields "
            f"{list(words.fields)}, coordinates {list(words.domain.names)}, constants "
            f"and unknowns {list(words.others)}.\nRename one of them."
        )


def _read(
    equation: Callable[..., Any] | Energy, words: Words
) -> tuple[diff.Equation, diff.Equation | None]:
    """Returns what vanishes inside, and the density of the energy if there is one."""
    if isinstance(equation, Energy):
        return read_energy(equation, words)
    return words.read(equation, "the equation"), None


def _residuals(
    equation: diff.Equation,
    words: Words,
    others: Mapping[str, Any],
    *,
    measured: bool,
) -> tuple[str, ...]:
    """Returns the names of the residuals, after a look at their shapes and number.

    They may be fewer than the fields where measurements tell of the rest.
    """

    def zero(x: Float[Array, " D"]) -> dict[str, Array]:
        shape = lambda size: (size,) if size else ()
        smooth = jnp.sum(x**2)
        return {n: jnp.broadcast_to(smooth, shape(s)) for n, s in words.fields.items()}

    point = jnp.asarray(words.domain.low)
    shapes = jax.eval_shape(lambda p: equation(zero, p, **others), point)
    if isinstance(shapes, Mapping):
        names = tuple(shapes)
        parts = list(shapes.values())
    else:
        parts = list(shapes) if isinstance(shapes, tuple | list) else [shapes]
        names = (
            tuple(str(k + 1) for k in range(len(parts))) if len(parts) > 1 else ("",)
        )
    for name, part in zip(names, parts, strict=True):
        if not hasattr(part, "shape") or len(part.shape) > 1:
            raise InputError(
                f"`solve.problem`: the equation {name} returns "
                f"{getattr(part, 'shape', part)}; expected numbers or vectors, one "
                "residual for each equation of a system.\nReturn what is to vanish at "
                "one point."
            )
    residuals = sum(max(1, part.size) for part in parts)
    wanted = sum(max(1, size) for size in words.fields.values())
    if residuals < wanted and len(words.fields) > 1 and not measured:
        asked = {n for n in words.fields if any(equation.orders(n))}
        if asked == set(words.fields):
            raise InputError(
                f"`solve.problem`: {residuals} residuals for {wanted} differentiated "
                f"fields {list(words.fields)}.\nReturn one equation for each, as a "
                "tuple or a dictionary."
            )
    return names


def _met(hard: Hard, owner: Problem) -> list[str]:
    found = [side.name for side in hard.rim.sides] if hard.rim else []
    for axis in hard.axes:
        name = owner.domain.names[axis.place]
        for end in axis.ends:
            side = "lower" if end.at == axis.low else "upper"
            orders = f"orders 0 to {end.orders[-1]}"
            if len(end.orders) == 1:
                tied = "mixed" if end.rate else "slope"
                orders = ("value", tied)[end.orders[0]]
            found.append(f"{name}={side} ({orders})")
    return found
