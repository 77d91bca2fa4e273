"""Knowledge transfer: a student that agrees with a teacher in values and slopes."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Float64, PyTree
from numpy import ndarray

from osculate import diff, match, train
from osculate.chance import Gaussian
from osculate.core import InputError, Objective, Result, Samples

from ._arm import joined
from ._auto import BATCH, FULL_BATCH, auto
from ._budget import parse_budget
from ._plan import main_plan
from ._teacher import Lesson, ask

LABEL = "distill"
ADAM_SHARE = 0.3  # of a budget in seconds, where a second method follows


class Reshaped(eqx.Module):
    """A function of one point of some shape, as one of a flat point."""

    function: PyTree[Any]
    shape: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, x: Float[Array, " D"]) -> Float[Array, " M"]:
        """Returns the outputs at one flat point."""
        y = self.function(x.reshape(self.shape))
        return diff.as_vector(lambda _: y)(x)


class Scales(NamedTuple):
    """Spread of the inputs `(D,)` and of the teacher's outputs `(M,)`."""

    x: Float64[ndarray, " D"]
    y: Float64[ndarray, " M"]


def distill(
    teacher: Any,
    student: PyTree[Any],
    X: Any = None,
    *,
    jacobian: float = 1.0,
    labels: Any = None,
    temperature: float | None = None,
    projections: int | None = None,
    noise: float | None = None,
    budget: str = "2000steps",
    seed: int = 0,
    watch: Callable[[train.Progress], None] | None = None,
) -> Result:
    """Fits a student to the values and slopes that a teacher has at given points.

    Values are compared in units of their spread, slopes in units of the spread of
    values over that of inputs: nothing has to be weighted by hand. Inputs that do not
    vary take the median spread of those that do. The teacher is asked once, in its own
    precision; the fit runs in float64, on all points.

    Args:
        teacher: A function of one point, to an array or named fields; a Surrogate or
            the folder of its run; a `data.Table` of values and slopes or its path; or a
            pair of arrays `(values (N, M), slopes (N, M, D))`.
        student: A function of one point as a pytree, an Equinox module for instance.
            Its floating-point arrays outside of `core.Fixed` are trained.
        X: Points `(N, ...)` in NumPy or JAX, of any type of real number; not for a
            table, and for a surrogate by default the points that it was fitted to.
        jacobian: Weight of the slopes; 0 for values only.
        labels: Classes `(N,)` or their probabilities `(N, C)`, in addition; the outputs
            are then logits.
        temperature: Compare softened classes, of outputs that are logits, in place of
            values.
        projections: Compare so many random products with the Jacobians per point and
            step instead of all entries: for many inputs and outputs.
        noise: Ask the teacher, a function, at points with fresh Gaussian noise of this
            share of the spread of each input.
        budget: `"2000steps"`, or `"60s"`.
        seed: Seed of projections, noise and minibatches.
        watch: Called with the progress after each chunk.

    Returns:
        The fit: `value` is the student, of the tree and types that came in.

    Raises:
        InputError: If the points, the teacher or a choice cannot be used, or the
            student takes or returns other shapes than the teacher.
    """
    began = time.perf_counter()
    limit = parse_budget(budget)
    _refuse_choices(jacobian, temperature, projections, noise)
    sampled = projections is not None and jacobian > 0
    wants_slopes = jacobian > 0 and not sampled
    lesson = ask(teacher, X, slopes=wants_slopes)
    if jacobian > 0 and "jacobian" not in lesson.y and lesson.function is None:
        raise InputError(
            "`distill`: the teacher has values without slopes.\n"
            "Pass its slopes too, or jacobian=0."
        )
    if noise is not None and lesson.function is None:
        raise InputError(
            "`distill`: noise needs a teacher that can be asked at other points.\n"
            "Pass a function, such as `surrogate.function`, or leave noise out."
        )
    with jax.enable_x64(True):
        model = Reshaped(_raised(student), lesson.shape)
        _refuse_shapes(model, lesson)
        scales = scales_of(lesson)
        parts, given = [_values(temperature, scales)], {}
        if labels is not None:
            parts.append(match.labels())
            given["labels"] = _labels(labels, lesson)
        plain = match.term(*parts)
        if jacobian > 0:
            parts.append(_slopes(jacobian, scales, projections, lesson))
        term = match.term(*parts)
        samples = _samples(term, lesson, given)
        asked = plain if sampled else term
        moved = _moved(asked, lesson, samples, scales, noise)
        sampler = _sampler(term, lesson, samples, scales, projections, moved)
        plan = main_plan(limit, compare=False)
        left = lambda share: (
            None
            if limit.seconds is None
            else max(share * limit.seconds - (time.perf_counter() - began), 0.0)
        )
        found = _fit(
            Objective({LABEL: term}),
            model,
            samples,
            sampler,
            (limit.steps, plan.warm_up),
            left,
            jr.key(seed),
            [] if watch is None else [watch],
        )
        value = _lowered(found.value.function, student)
    stats = {**found.stats, "seconds": time.perf_counter() - began}
    return dataclasses.replace(found, value=value, stats=stats)


def scales_of(lesson: Lesson) -> Scales:
    """Returns the spread of inputs and known outputs, 1 where there is none."""
    x = lesson.x.std(axis=0)
    varies = x > 1e-12 * np.abs(lesson.x).max(axis=0)
    x = np.where(varies, x, np.median(x[varies]) if varies.any() else 1.0)
    value = np.where(lesson.known["value"], lesson.y["value"], np.nan)
    y = np.nanstd(value, axis=0)
    flat = ~(y > 1e-12 * np.nanmax(np.abs(value), axis=0))
    if flat.any() and "jacobian" in lesson.y:
        known = lesson.known["jacobian"]
        square = np.sum(known * (lesson.y["jacobian"] * x) ** 2, axis=0)
        square = (square / np.maximum(known.sum(axis=0), 1)).sum(axis=1)
        y = np.where(flat, np.sqrt(square), y)
    return Scales(x, np.where(y > 0, y, 1.0))


def _values(temperature: float | None, scales: Scales) -> match.Part:
    if temperature is None:
        return match.values(Gaussian(jnp.asarray(scales.y)))
    return match.logits(temperature)


def _slopes(
    weight: float, scales: Scales, projections: int | None, lesson: Lesson
) -> match.Part:
    if projections is None:
        ratio = scales.y[:, None] / scales.x
        return match.jacobians(Gaussian(jnp.asarray(ratio)), weight)
    if _from_the_left(scales, lesson):
        return match.adjoint(Gaussian(jnp.asarray(1 / scales.x)[None]), weight)
    return match.directional(Gaussian(jnp.asarray(scales.y)[None]), weight)


def _from_the_left(scales: Scales, lesson: Lesson) -> bool:
    """Whether a product from the left says more than one from the right."""
    left, right = len(scales.x), len(scales.y)
    if lesson.function is None:  # a product is known where all that it sums is
        known = lesson.known["jacobian"]
        left, right = (int(known.all(axis).sum()) for axis in (1, 2))
        if max(left, right) == 0:
            raise InputError(
                "`distill`: no row or column of the slopes is known as a whole, so "
                "that products with them are not known.\nLeave projections out."
            )
    return left >= right


def _samples(term: Any, lesson: Lesson, given: dict[str, Any]) -> Samples:
    names = [look.name for look in term.probe.looks]
    y = {name: jnp.asarray(array) for name, array in lesson.y.items()}
    weight = {n: jnp.asarray(known, float) for n, known in lesson.known.items()}
    if "logits" in names:
        y["logits"] = y["value"]
        weight["logits"] = jnp.min(weight["value"], axis=1)
    whole = all(known.all() for known in lesson.known.values())
    drawn = ("adjoint", "directional")  # weighted where they are drawn
    by_name = {n: weight.get(n) for n in [*names, *weight] if n not in drawn}
    return Samples(jnp.asarray(lesson.x), y | given, None if whole else by_name)


def _moved(
    asked: Any, lesson: Lesson, samples: Samples, scales: Scales, noise: float | None
) -> match.InputNoise | None:
    """Returns what asks the teacher at points with noise, if there is any."""
    if noise is None:
        return None
    sigma = jnp.asarray(noise * scales.x)
    return match.InputNoise(LABEL, samples, sigma, asked, lesson.function)


def _sampler(
    term: Any,
    lesson: Lesson,
    samples: Samples,
    scales: Scales,
    projections: int | None,
    moved: match.InputNoise | None,
) -> Any:
    """Returns what draws fresh data, or None where all data stay."""
    function = lesson.function
    source = {LABEL: samples}
    sampler: Any = moved
    if moved is None and len(samples.x) > FULL_BATCH:
        sampler = train.Minibatch(source, BATCH)
    names = {look.name for look in term.probe.looks}
    if projections is None or not names & {"adjoint", "directional"}:
        return sampler
    kind = "covectors" if "adjoint" in names else "directions"
    return match.Projections(
        LABEL,
        function,
        x_scale=jnp.asarray(scales.x),
        y_scale=jnp.asarray(scales.y),
        inner=sampler,
        **{kind: projections},
    )


def _fit(
    objective: Objective,
    model: PyTree[Any],
    samples: Samples,
    sampler: Any,
    steps: tuple[int | None, int],
    left: Callable[[float], float | None],
    key: Array,
    watch: list[Any],
) -> Result:
    """Adam, and a second method where the objective is smooth and stays the same."""
    total, warm_up = steps
    batches = sampler if isinstance(sampler, train.Minibatch) else None
    fresh = sampler is not None and batches is None
    alone = fresh or _is_kinked(model, samples.x)
    rows = {LABEL: samples}
    start, options = rows, {}
    if sampler is not None:
        options = {"sampler": sampler, "key": key}
        start = _first(sampler, rows, key)
    if alone and total is None:
        rate: Any = 1e-3
    else:
        rate = train.Recipe(
            optax.cosine_decay_schedule, 1e-2, total if alone else warm_up
        )
    first = train.fit(
        objective,
        model,
        start,
        train.first_order(optax.adam, rate),
        steps=total if alone else warm_up,
        seconds=left(1.0 if alone else ADAM_SHARE),
        every=50,
        watch=watch,
        **options,
    )
    rest = None if total is None else total - warm_up
    name = f"adam {first.stats['steps']} steps"
    if alone or rest == 0:
        return dataclasses.replace(first, stats={**first.stats, "optimizer": name})
    choice = auto(first.value, len(samples.x))
    second = train.fit(
        objective,
        first.value,
        rows,
        choice.optimizers[0],
        steps=rest,
        seconds=left(1.0),
        watch=watch,
    )
    name = f"{name}, {choice.name} {second.stats['steps']} steps"
    found = joined(first, second)
    return dataclasses.replace(found, stats={**found.stats, "optimizer": name})


def _first(sampler: Any, rows: dict[str, Samples], key: Array) -> dict[str, Samples]:
    """Returns samples of the shapes that a sampler draws."""
    if isinstance(sampler, match.Projections):
        inner = sampler.inner
        return sampler.first(rows if inner is None else _first(inner, rows, key), key)
    return sampler.first() if isinstance(sampler, train.Minibatch) else rows


def _is_kinked(model: PyTree[Any], x: Float[Array, "N D"]) -> bool:
    """Whether a model is piecewise linear, not linear: slopes then jump at kinks."""
    few = x[:8]
    v = jnp.ones_like(x[0])
    slope = lambda p: jax.jvp(model, (p,), (v,))[1]
    slopes, bends = jax.vmap(lambda p: jax.jvp(slope, (p,), (v,)))(few)
    return not bool(jnp.any(bends)) and bool(jnp.ptp(slopes, axis=0).max() > 0)


def _raised(student: PyTree[Any]) -> PyTree[Any]:
    """Returns the student with its real numbers in float64, NumPy's among them."""
    real = lambda a: eqx.is_array_like(a) and hasattr(a, "dtype")
    raise_ = lambda a: (
        jnp.asarray(a, jnp.float64)
        if real(a) and jnp.issubdtype(a.dtype, jnp.floating)
        else a
    )
    return jax.tree.map(raise_, student)


def _lowered(found: PyTree[Any], student: PyTree[Any]) -> PyTree[Any]:
    """Returns the trained student with the types of the one that came in."""

    def lower(new: Any, old: Any) -> Any:
        if isinstance(old, ndarray | np.generic):
            return np.asarray(new, old.dtype)
        return new.astype(old.dtype) if eqx.is_inexact_array(old) else old

    return jax.tree.map(lower, found, student)


def _labels(labels: Any, lesson: Lesson) -> Array:
    array = np.asarray(labels)
    N, C = lesson.y["value"].shape
    whole = array.ndim == 1 and np.issubdtype(array.dtype, np.integer)
    if array.shape != ((N,) if whole else (N, C)):
        raise InputError(
            f"`distill`: labels of shape {array.shape} and type {array.dtype}; "
            f"expected whole numbers {(N,)}, or probabilities {(N, C)}.\n"
            "Pass one per point."
        )
    right = (array >= 0) & (array < C if whole else array <= 1)
    if not right.all():
        row = int(np.argwhere(~right)[0][0])
        raise InputError(
            f"`distill`: label {array[row]} in row {row}; expected "
            f"{f'0 to {C - 1}' if whole else 'numbers from 0 to 1'}.\nCorrect it."
        )
    return jnp.asarray(array, int if whole else float)


def _refuse_choices(
    jacobian: float,
    temperature: float | None,
    projections: int | None,
    noise: float | None,
) -> None:
    wrong = []
    if not 0 <= jacobian < np.inf:
        wrong.append(f"jacobian is {jacobian}; expected 0 or more")
    if temperature is not None and not 0 < temperature < np.inf:
        wrong.append(f"temperature is {temperature}; expected a number above 0")
    if projections is not None and projections < 1:
        wrong.append(f"projections is {projections}; expected 1 or more")
    if noise is not None and not 0 < noise < np.inf:
        wrong.append(f"noise is {noise}; expected a share of the spread above 0")
    if wrong:
        raise InputError(f"`distill`: {wrong[0]}.\nChange it, or leave it out.")


def _refuse_shapes(model: Reshaped, lesson: Lesson) -> None:
    D, M = lesson.x.shape[1], lesson.y["value"].shape[1]
    point = jax.ShapeDtypeStruct((D,), jnp.float64)
    try:
        size = jax.eval_shape(model, point).size
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"`distill`: the student cannot be called with a point of shape "
            f"{lesson.shape}, as the teacher is: {reason}\n"
            "Pass a student with inputs of that shape."
        ) from error
    if size != M:
        raise InputError(
            f"`distill`: the student returns {size} numbers, the teacher {M}.\n"
            "Pass a student with as many outputs; an entry of a function makes one of "
            "many."
        )
