"""Why a loss is not finite: the step, the term, the row, and what happens there."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples, flatten, trainable

from ._loop import Chunk
from ._place import gathered

ROWS_AT_ONCE = 64  # whose derivatives by all parameters are held at once


def diagnose(
    objective: Objective,
    samples: Mapping[str, Samples],
    replay: Callable[[PyTree[Any], int, int], Chunk],
    bad: Chunk,
    retries: int,
) -> str:
    """Returns what to tell of a loss that is not finite.

    Args:
        objective: What is wanted.
        samples: Samples for every label, where the carry holds none.
        replay: `(carry, begin_step, count) -> chunk`; counts are not compiled in.
        bad: The chunk that ended with such a loss; its carry has `model` and `samples`.
        retries: How often this chunk was begun again.

    Returns:
        Step, term and row, and what to look for.
    """
    if bad.step > bad.begin_step:
        bad = first_failure(replay, bad)
    points = lambda now: samples if now.samples is None else now.samples
    # A step from a finite loss to parameters that are none fails by its derivatives.
    after = trainable(bad.carry.model)[0]
    finite = all(bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(after))
    known = bad.carry if finite or bad.begin is None else bad.begin
    place = find_place(objective, known.model, points(bad.carry))
    what = "the sum of the terms" if finite else "the parameters"
    where = f"{what} left the range of the precision"
    if place is not None:
        where = f"{place} is not finite"
    when = f"after step {bad.step}" if bad.step else "before the first step"
    tried = f"\n{retries} retries with shorter steps did not help." if retries else ""
    return (
        f"`fit`: the loss became infinite or NaN {when}: {where}; the best finite "
        f"iterate was kept.{tried}\nCheck the data of that row, and the term for a "
        "square root, a logarithm or a quotient at 0; or take smaller steps."
    )


def why_stuck(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    *,
    moved: bool,
) -> str:
    """Returns why a method could take no step, where that was no minimum.

    Args:
        objective: What is wanted.
        model: The point, of a finite loss.
        samples: Samples for every label.
        moved: Whether steps were taken before.

    Returns:
        What to tell; empty where the gradient is sound.
    """
    gradient, square = _gradient(objective, model, samples)
    if not bool(jnp.isfinite(gradient).all()):
        place = find_place(objective, model, samples) or "its derivative"
        return (
            f"`fit`: no step could be taken: the loss is finite, but {place} is not "
            "finite.\nCheck the term for a square root or a quotient at 0."
        )
    # After steps a gradient that is small beyond measure is that of a perfect fit.
    lost = float(square) == 0 and bool(gradient.any()) and not moved
    if lost or not bool(jnp.isfinite(square)):
        return (
            "`fit`: no step could be taken: the square of the gradient, whose largest "
            f"entry is {float(jnp.abs(gradient).max()):.1g}, leaves the range of "
            f"{gradient.dtype}.\nScale the loss, as by Gaussian(sigma), or use float64."
        )
    return ""


@eqx.filter_jit
def _gradient(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> tuple[Float[Array, " P"], Float[Array, ""]]:
    theta, build = flatten(model)
    gradient = jax.grad(lambda t: objective(build(t), samples)[0])(theta)
    return gradient, gradient @ gradient


class Place(NamedTuple):
    """Where something is not finite.

    Attributes:
        part: `label.name` of the part of the objective.
        row: Of the samples of the label.
        x: The point there.
        derivative: Whether only the derivative by the parameters is not finite.
    """

    part: str
    row: int
    x: PyTree[Any]
    derivative: bool

    def __str__(self) -> str:
        """Returns it in words."""
        what = "its derivative by the parameters" if self.derivative else "the loss"
        return f"term {self.part!r}, row {self.row} ({_shown(self.x)}): {what}"


def first_failure(
    replay: Callable[[PyTree[Any], int, int], Chunk], bad: Chunk
) -> Chunk:
    """Returns the step after which the loss was not finite for the first time.

    Args:
        replay: `(carry, begin_step, count) -> chunk`; counts are not compiled in.
        bad: A chunk of one step or more that ended with such a loss.

    Returns:
        A chunk of that one step.
    """
    good, at = bad.begin, bad.begin_step
    low, high = bad.begin_step, bad.step
    while high - low > 1:
        middle = (low + high) // 2
        tried = replay(good, at, middle - at)
        if tried.is_finite:
            good, at, low = tried.carry, middle, middle
        else:
            high = middle
    return replay(good, at, high - at)


def find_place(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> Place | None:
    """Returns the first row whose loss is not finite, or else whose derivative is not.

    Args:
        objective: What is wanted.
        model: The point.
        samples: Samples for every label.

    Returns:
        The place, or None where every row is finite.
    """
    for derivative in (False, True):
        for label, name, rows in _sizes(objective, model, samples, derivative):
            bad = ~np.isfinite(gathered(rows))
            if bad.any():
                row = int(bad.argmax())
                x = jax.tree.map(lambda a, row=row: a[row], samples[label].x)
                part = f"{label}.{name}" if name else label
                return Place(part, row, x, derivative)
    return None


def _sizes(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    derivative: bool,
) -> Iterator[tuple[str, str, Float[Array, " N"]]]:
    """Yields of each part the losses of all rows, or the sums of their derivatives."""
    for label, term in objective.terms.items():
        rows = samples[label]
        z = eqx.filter_eval_shape(term.outputs, model, rows)
        data = rows.x, rows.y, term.shares(z, rows)
        for name in z:
            loss = _Loss(term, name, derivative)
            yield label, name, _of_rows(loss, model, data)


class _Loss(eqx.Module):
    """What one part adds to the objective at one row, or its derivatives, summed up."""

    term: Any
    name: str = eqx.field(static=True)
    derivative: bool = eqx.field(static=True)

    def __call__(self, model: PyTree[Any], row: PyTree[Any]) -> Float[Array, ""]:
        theta, build = trainable(model)
        if not self.derivative:
            return self._loss(model, row)
        slopes = jax.grad(lambda t: self._loss(build(t), row))(theta)
        return sum(jnp.sum(jnp.abs(a)) for a in jax.tree.leaves(slopes))  # pyright: ignore[reportReturnType]

    def _loss(self, model: PyTree[Any], row: PyTree[Any]) -> Float[Array, ""]:
        x, y, share = row
        return self.term.loss_at(self.term.at(model, x, y), y, share)[self.name]


@eqx.filter_jit
def _of_rows(loss: _Loss, model: PyTree[Any], data: PyTree[Any]) -> Float[Array, " N"]:
    return jax.lax.map(lambda row: loss(model, row), data, batch_size=ROWS_AT_ONCE)


def _shown(x: PyTree[Any]) -> str:
    plain = lambda a: jax.random.key_data(a) if _is_key(a) else a
    numbers = np.concatenate([np.ravel(plain(a)) for a in jax.tree.leaves(x)])
    text = ", ".join(f"{n:.6g}" for n in numbers[:6])
    return f"x = [{text}{', ...' if len(numbers) > 6 else ''}]"


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
