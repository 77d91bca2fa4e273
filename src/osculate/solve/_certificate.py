"""How much a solution is worth: what is known of it without knowing the answer."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from osculate import diff
from osculate.core import Objective, Samples, trainable

from ._adaptive import draw, norms
from ._domain import Domain
from ._estimate import enlarged, estimate
from ._problem import EQUATION, Problem
from ._terms import DATA, Counts, fields_of, samples_of

QUANTILES = (0.5, 0.9, 0.99, 1.0)
MOST_GAP = 10.0  # residual at fresh points over that at the points of the fit
LEAST_EXPLAINED = 0.3
JUMP = 1e-6  # of a derivative over its size
SEAM_POINTS = 64
PER_WEIGHT, POOL = 3, 4


class Certificate(NamedTuple):
    """What was found about a solution.

    Attributes:
        residual: Absolute residuals at fresh points by name: at the quantiles 0.5, 0.9,
            0.99 and 1.
        gap: Root mean square of the equation's residual at fresh points over that at
            the points of the fit.
        error: Estimated norm of the error over that of the solution, by field.
        explained: Share of the squared residual that this error accounts for.
        jumps: Derivatives that jump where a periodic coordinate closes, by name, with
            their jump over their size.
        doubts: What speaks against the solution, one sentence each.
    """

    residual: dict[str, tuple[float, ...]]
    gap: float
    error: dict[str, float]
    explained: float
    jumps: dict[str, float]
    doubts: tuple[str, ...]

    @property
    def relative(self) -> float:
        """The largest estimated error of a field."""
        return max(self.error.values())

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.doubts:
            return f"doubtful: {self.doubts[0]}"
        return f"consistent: estimated relative error {self.relative:.1e}"


def certify(
    problem: Problem,
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    key: PRNGKeyArray,
) -> Certificate:
    """Looks at a solution at points that it was not fitted to.

    Args:
        problem: The problem.
        objective: What was minimized.
        model: The solution.
        samples: The points of the fit.
        key: Of the fresh points.

    Returns:
        The certificate.
    """
    return certify_windows(problem, objective, model, [(model, samples)], key)


def certify_windows(
    problem: Problem,
    objective: Objective,
    model: PyTree[Any],
    windows: Sequence[tuple[PyTree[Any], Mapping[str, Samples]]],
    key: PRNGKeyArray,
) -> Certificate:
    """Looks at a solution that was fitted in windows of time.

    Args:
        problem: The problem.
        objective: What was minimized.
        model: The solution, of all of time.
        windows: Of each, the model and the points of its fit.
        key: Of the fresh points.

    Returns:
        The certificate.
    """
    first, second, third = jr.split(key, 3)
    larger = enlarged(model, third)
    P = sum(a.size for a in jax.tree.leaves(trainable(larger)[0]))
    count = max(PER_WEIGHT * P, 2000)
    fresh = samples_of(problem, Counts(POOL * count, max(count // 10, 100)), first)
    outputs = _looked(objective, model, fresh)
    drawn = _drawn(problem.domain, outputs[EQUATION], fresh, count, second)
    residual = _by_name(outputs)
    inside = [n for n in residual if n.partition(".")[0] == EQUATION]
    new = sum(np.sum(residual[n] ** 2) / len(residual[n]) for n in inside)
    seen = [_mean_squares(objective, _losses(objective, *one)) for one in windows]
    old = float(np.mean([sum(one[n] for n in inside) for one in seen]))
    gap = float(np.sqrt(new / max(old, np.finfo(float).tiny)))
    found = estimate(problem, objective, larger, drawn)
    jumps = _jumps(problem, model, key)
    quantiles = {
        name: tuple(np.quantile(np.abs(r), QUANTILES).tolist())
        for name, r in residual.items()
    }
    doubts = _doubts(gap, found.explained, jumps, max(found.relative.values()))
    return Certificate(
        quantiles, gap, found.relative, found.explained, jumps, tuple(doubts)
    )


def _doubts(
    gap: float, explained: float, jumps: Mapping[str, float], error: float
) -> list[str]:
    found = []
    if jumps:
        name, size = max(jumps.items(), key=lambda item: item[1])
        found.append(
            f"{name} jumps by {size:.1e} of its size where a periodic coordinate "
            "closes, which no point inside sees"
        )
    if gap > MOST_GAP:
        found.append(
            f"between the points of the fit the residual is {gap:.0f} times as large; "
            "more points, or adaptive ones, are needed"
        )
    if not error < 0.1:
        found.append(f"the estimated relative error is {error:.1e}")
    elif explained < LEAST_EXPLAINED:
        found.append(
            f"only {explained:.0%} of the squared residual could be traced to an error,"
            " so that the estimate is a lower bound"
        )
    return found


@eqx.filter_jit
def _looked(
    objective: Objective, model: PyTree[Any], fresh: dict[str, Samples]
) -> dict[str, dict[str, Array]]:
    return objective.outputs(model, fresh)


@eqx.filter_jit
def _losses(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> dict[str, Array]:
    return objective(model, samples)[1]


@eqx.filter_jit
def _drawn(
    domain: Domain,
    outputs: dict[str, Array],
    fresh: dict[str, Samples],
    count: int,
    key: PRNGKeyArray,
) -> dict[str, Samples]:
    """Returns some of the fresh points: more of them where the residual is large."""
    spots, size = fresh[EQUATION].x, norms(outputs)
    x = jax.tree.leaves(spots)[0]
    rows, weight = draw(domain, x, size, jnp.ones_like(size), count, key)
    kept = jax.tree.map(lambda a: a[rows], spots)
    return {**fresh, EQUATION: Samples(kept, None, weight)}


def _by_name(outputs: Mapping[str, Mapping[str, Array]]) -> dict[str, np.ndarray]:
    """Returns the residuals of the equation and of conditions by `label.name`."""
    return {
        f"{label}.{name}" if name else label: np.asarray(z)
        for label, parts in outputs.items()
        for name, z in parts.items()
        if label != DATA
    }


def _mean_squares(objective: Objective, parts: Mapping[str, Array]) -> dict[str, float]:
    """Returns mean squares of residuals from losses, whose weights are taken out."""
    found = {}
    for name, part in parts.items():
        owners = (n for n in objective.terms if name == n or name.startswith(f"{n}."))
        label = max(owners, key=len)  # a label may hold a point: "x=0.5"
        weight = objective.terms[label].weight
        inner = name[len(label) + 1 :]
        weight = weight[inner] if isinstance(weight, Mapping) else weight
        found[name] = 2 * float(part) / float(weight)
    return found


def _jumps(problem: Problem, model: PyTree[Any], key: PRNGKeyArray) -> dict[str, float]:
    """Compares derivatives at both ends of periodic coordinates."""
    if not problem.periodic or not isinstance(problem.equation, diff.Equation):
        return {}
    domain, found = problem.domain, {}
    names, fields = domain.names, dict(problem.fields)
    for place in problem.periodic:
        side = domain.sides[f"{names[place]}=lower"]
        lower = domain.points_on(side, SEAM_POINTS, key)
        upper = lower.at[:, place].set(domain.high[place])
        for field in fields:
            for k in range(problem.equation.orders(field)[place]):
                name = diff.partial_name(field, [names[place]] * k, over=names)
                x = jnp.concatenate([lower, upper])
                size = _jump(_at(model, x, name, names, tuple(fields), domain.time))
                if size > JUMP:
                    found[name] = size
    return found


@eqx.filter_jit
def _at(
    model: PyTree[Any],
    x: Float[Array, "N D"],
    name: str,
    names: tuple[str, ...],
    fields: tuple[str, ...],
    time: tuple[str, ...],
) -> Float[Array, "N ..."]:
    """Returns a derivative of a field."""
    of = diff.partial(fields_of(model), name, names, fields=fields, time=time)
    return jax.vmap(of)(x)


def _jump(values: Float[Array, "N ..."]) -> float:
    """Returns the largest jump over the largest value."""
    low, high = jnp.split(values, 2)
    size = jnp.max(jnp.abs(values))
    return float(jnp.max(jnp.abs(high - low)) / jnp.where(size > 0, size, 1.0))
