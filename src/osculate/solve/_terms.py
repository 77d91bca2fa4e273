"""From a problem to what a fit needs: a model, an objective and samples."""

from collections.abc import Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from osculate import diff, nets
from osculate.core import Fixed, Objective, Samples, Term

from ._conditions import Condition
from ._given import NORMAL, Given
from ._groups import groups_of
from ._integral import Integrated, quadrature
from ._problem import EQUATION, Problem
from ._spots import Spot, spotted
from ._trial import Trial, mirrored

DATA, INTEGRAL = "data", "integral"


def fields_of(model: PyTree[Any]) -> Any:
    """Returns the fields of a model, a function of one point to arrays by name."""
    return lambda x: model["net"](x, model["unknowns"])


@final
class Inside(eqx.Module):
    """Probe: the residuals of the equation at a point.

    Attributes:
        equation: The equation.
        residuals: Names of its residuals.
        constants: Values by name; not trained.
    """

    equation: diff.Equation = eqx.field(static=True)
    residuals: tuple[str, ...] = eqx.field(static=True)
    constants: dict[str, Any]

    def __call__(self, model: PyTree[Any], x: Float[Array, " D"] | Spot, y: Any) -> Any:
        """Returns the residual, or residuals by name."""
        others = {**self.constants, **model["unknowns"]}
        if isinstance(x, Spot):
            free = self.equation.values(model["net"].free, x.x)
            values = {name: free[name] + x.lift[name] for name in free}
            found = self.equation.of_values(values, x.x, **others)
        else:
            found = self.equation(fields_of(model), x, **others)
        if isinstance(found, Mapping):
            return dict(found)
        if self.residuals == ("",):
            return found[0] if isinstance(found, tuple | list) else found
        return dict(zip(self.residuals, found, strict=True))


@final
class OnFace(eqx.Module):
    """Probe: what the soft conditions of a group of faces leave.

    Attributes:
        conditions: They.
        words: The names of coordinates, fields and time.
        constants: Values by name; not trained.
    """

    conditions: tuple[Condition, ...] = eqx.field(static=True)
    words: tuple[Any, ...] = eqx.field(static=True)
    constants: dict[str, Any]

    def __call__(
        self, model: PyTree[Any], x: Float[Array, " D"], y: Any
    ) -> dict[str, Array]:
        """Returns what is left, by name of the condition."""
        others = {**self.constants, **model["unknowns"]}
        u, found = fields_of(model), {}
        for k, c in enumerate(self.conditions):
            name = c.name if c.name not in found else f"{c.name} {k + 1}"
            if isinstance(c.value, Given):
                looked = self._derivative(u, c, x)
                found[name] = looked - c.value(x, others)
            elif (equation := c.equation) is not None:
                found[name] = _joint(equation(*_along(u, c, equation, x), **others))
        return found

    def _derivative(self, u: Any, c: Condition, x: Float[Array, " D"]) -> Array:
        coordinates, fields, time = self.words
        if c.name in fields:
            return u(x)[c.name]
        v, point = _with_normal(u, c, x)
        over = (*coordinates, NORMAL)
        return diff.partial(v, c.name, over, fields=fields, time=time)(point)


def _joint(found: Any) -> Array:
    return jnp.stack(found) if isinstance(found, tuple | list) else found


def _along(
    u: Any, c: Condition, equation: diff.Equation, x: Float[Array, " D"]
) -> tuple[Any, Array]:
    """Returns what an equation on a face is called with."""
    if len(equation.over.names) > x.shape[0]:
        return _with_normal(u, c, x)
    return u, x


def _with_normal(u: Any, c: Condition, x: Float[Array, " D"]) -> tuple[Any, Array]:
    """Adds a coordinate: the way along the outward normal."""
    normal = c.side.normal(x)
    return lambda q: u(q[:-1] + q[-1] * normal), jnp.append(x, jnp.zeros((), x.dtype))


@final
class Measured(eqx.Module):
    """Probe: fields and derivatives that were measured.

    Attributes:
        wanted: Their names.
        words: The names of coordinates, fields and time.
    """

    wanted: tuple[str, ...] = eqx.field(static=True)
    words: tuple[Any, ...] = eqx.field(static=True)

    def __call__(
        self, model: PyTree[Any], x: Float[Array, " D"], y: Any
    ) -> dict[str, Array]:
        """Returns them by name."""
        coordinates, fields, time = self.words
        u = fields_of(model)
        found = diff.partials(u, self.wanted, coordinates, fields=fields, time=time)(x)
        return found._asdict()


@final
class Whole(eqx.Module):
    """Probe: what an integral lacks, on a set of points.

    Attributes:
        integral: The integral.
        constants: Values by name; not trained.
    """

    integral: Integrated = eqx.field(static=True)
    constants: dict[str, Any]

    def __call__(self, model: PyTree[Any], x: dict[str, Array], y: Any) -> Array:
        """Returns the integral minus its value."""
        others = {**self.constants, **model["unknowns"]}
        u, points = fields_of(model), x["points"]
        f = jax.vmap(lambda p: self.integral.equation(u, p, **others))(points)
        return x["weights"] @ f - self.integral.equals(points[0], others)


def model_of(
    problem: Problem,
    *,
    width: int,
    depth: int,
    activation: str = "tanh",
    harmonics: int = 1,
    num_waves: int = 0,
    frequency: float = 1.0,
    key: PRNGKeyArray,
) -> dict[str, Any]:
    """Returns the model of a problem before the fit.

    Args:
        problem: The problem.
        width: Size of each hidden layer.
        depth: Number of hidden layers.
        activation: As for `nets.MLP`.
        harmonics: As for `nets.features`, of periodic coordinates.
        num_waves: As for `nets.features`.
        frequency: As for `nets.features`.
        key: Of the random weights.

    Returns:
        `{"net": trial function, "unknowns": values by name}`.
    """
    fields, tops = dict(problem.fields), [axis.top for axis in mirrored(problem.hard)]
    net = _network(
        key,
        outputs=sum(max(1, size) for size in fields.values()),
        shape={"width": width, "depth": depth, "activation": activation},
        low=(*problem.domain.low, *(0.0 for _ in tops)),
        high=(*problem.domain.high, *tops),
        periodic=problem.periodic,
        harmonics=harmonics,
        num_waves=num_waves,
        frequency=frequency,
    )
    trial = Trial(
        nets.Named(net, fields),
        problem.hard,
        Fixed(jax.tree.map(jnp.asarray, problem.constants)),
    )
    unknowns = {name: jnp.asarray(v) for name, v in problem.unknowns.items()}
    return {"net": trial, "unknowns": unknowns}


@eqx.filter_jit  # one compilation for all random weights
def _network(
    key: PRNGKeyArray, *, outputs: int, shape: dict[str, Any], **seen: Any
) -> nets.Features:
    def net_of(inputs: int, key: PRNGKeyArray) -> nets.MLP:
        return nets.MLP(inputs, outputs, **shape, key=key)

    return nets.features(net_of, **seen, key=key)


def terms_of(
    problem: Problem, weights: Mapping[str, Any] | None = None
) -> dict[str, Term]:
    """Returns the terms of a problem: equation, soft conditions, integrals, data.

    Args:
        problem: The problem.
        weights: By label, 1 where there is none.

    Returns:
        Terms by label: `"equation"`, those of `groups_of`, `"integral 1"`, `"data"`.
    """
    weight = lambda label: (weights or {}).get(label, 1.0)
    words, constants = problem.words, jax.tree.map(jnp.asarray, problem.constants)
    names = (words.domain.names, tuple(words.fields), words.domain.apart)
    found = {}
    if isinstance(problem.equation, Term):
        term = problem.equation
        probe = lambda model, x, y: term.probe(fields_of(model), x, y)
        found[EQUATION] = Term(probe, term.loss, term.weight)
    else:
        inside = Inside(problem.equation, problem.residuals, constants)
        found[EQUATION] = Term(inside, weight=weight(EQUATION))
    for label, group in groups_of(problem).items():
        probe = OnFace(group.conditions, names, constants)
        found[label] = Term(probe, weight=weight(label))
    for k, integral in enumerate(problem.integrals):
        label = f"{INTEGRAL} {k + 1}"
        found[label] = Term(Whole(integral, constants), weight=weight(label))
    if problem.observed is not None:
        measured = Measured(tuple(problem.observed.y), names)
        found[DATA] = Term(measured, weight=weight(DATA))
    return found


class Counts(NamedTuple):
    """How many points there are.

    Attributes:
        inside: In the domain.
        face: On each face with soft conditions.
    """

    inside: int
    face: int


def samples_of(
    problem: Problem, counts: Counts, key: PRNGKeyArray, before: Fixed | None = None
) -> dict[str, Samples]:
    """Returns points for every term, evenly spread.

    Args:
        problem: The problem.
        counts: How many.
        key: Of their random shifts.
        before: As of `Trial`: the points lie in its window of time.

    Returns:
        Samples by label.
    """
    inner, outer = jr.split(key)
    placed = (lambda x: x) if before is None else before.value.placed
    x = placed(jnp.asarray(problem.domain.interior(counts.inside, inner)))
    found = {EQUATION: Samples(spotted(problem, x, before), None, jnp.ones(len(x)))}
    groups = groups_of(problem)
    number = sum(len(group.sides) for group in groups.values())
    keys = iter(jr.split(outer, number + len(problem.integrals) + 1))
    for label, group in groups.items():
        each = [
            problem.domain.points_on(side, counts.face, next(keys))
            for side in group.sides
        ]
        points = placed(jnp.concatenate(each))
        found[label] = Samples(points, None, jnp.ones(len(points)))
    for k, integral in enumerate(problem.integrals):
        at = next(keys)
        found[f"{INTEGRAL} {k + 1}"] = quadrature(integral, problem.domain, at)
    if problem.observed is not None:
        seen = problem.observed
        known = Samples(seen.x, dict(seen.y), dict(seen.weight))
        found[DATA] = jax.tree.map(jnp.asarray, known)
    return found


def objective_of(
    problem: Problem, weights: Mapping[str, Any] | None = None
) -> Objective:
    """Returns what is minimized.

    Args:
        problem: The problem.
        weights: Of its terms, by label.

    Returns:
        The objective.
    """
    return Objective(terms_of(problem, weights))
