"""Fit an Objective with any Optimizer."""

import dataclasses
import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, PRNGKeyArray, PyTree

from osculate.core import (
    FitError,
    FitWarning,
    Objective,
    Optimizer,
    Result,
    Sampler,
    Samples,
    Status,
    trainable,
)

from ._diagnosis import diagnose, why_stuck
from ._loop import Chunk, Done, Progress, loop, take_chunk
from ._place import alike, beside

CONVERGED, SCORE = "converged", "score"  # notes that are no columns of the history
RETRIES = 5  # in a row, each with half the step of the one before
NO_VALIDATION = (
    "`fit`: the validation loss was never finite: the last iterate is returned, not "
    "the best.\nCheck the validation samples; give what is missing weight 0."
)


class Snapshot(eqx.Module):
    """Everything a fit needs to continue, as arrays.

    Attributes:
        model: The current iterate.
        state: The optimizer's.
        samples: The current samples where a sampler changes them, else None.
        best: The iterate with the lowest validation loss; without, that with the
            largest score of the optimizer, else the current one.
        best_loss: Its validation loss, or its score with a minus, else NaN.
        best_step: The step at which it was reached.
    """

    model: PyTree[Any]
    state: PyTree[Any]
    samples: PyTree[Any]
    best: PyTree[Any]
    best_loss: Array
    best_step: Array


class _Step(eqx.Module):
    """One step: new samples where they are due, then the optimizer."""

    objective: Objective
    samples: PyTree[Any]
    optimizer: Any
    sampler: Any
    key: PyTree[Any]
    sample_every: int = eqx.field(static=True)

    def __call__(self, now: Snapshot, k: Array) -> Snapshot:
        samples, state = self.samples, now.state
        if self.sampler is not None:
            # Closures: a model may hold functions, which are no operands of `cond`.
            samples, state = jax.lax.cond(
                k % self.sample_every == 0,
                lambda: self._resample(now, k),
                lambda: (now.samples, now.state),
            )
        model, state = self.optimizer.step(self.objective, now.model, samples, state)
        kept = None if self.sampler is None else samples
        return Snapshot(model, state, kept, now.best, now.best_loss, now.best_step)

    def _resample(self, now: Snapshot, k: Array):
        key = jr.fold_in(self.key, k)
        samples = self.sampler(self.objective, now.model, now.samples, key)
        state = self.optimizer.moved(self.objective, now.model, samples, now.state)
        return samples, state


class _Measure(eqx.Module):
    """The loss and its parts at the end of a chunk; keeps the best iterate."""

    objective: Objective
    samples: PyTree[Any]
    optimizer: Any
    validation: PyTree[Any]

    def __call__(self, now: Snapshot, k: Array) -> tuple[Snapshot, dict[str, Array]]:
        samples = self.samples if now.samples is None else now.samples
        loss, parts = self._evaluate(now.model, samples)
        notes = dict(self.optimizer.notes(now.state))
        notes.pop(CONVERGED, None)
        score = notes.pop(SCORE, None)
        if taken := {"step", "loss", "validation", *notes} & parts.keys():
            raise ValueError(
                f"`fit`: a term is called {min(taken)!r}, as is a column of the "
                "history. Give the term another label."
            )
        numbers = {"loss": loss, **parts, **notes}
        # The first best loss is NaN, which no comparison beats.
        if self.validation is not None:
            held_out, _ = self._evaluate(now.model, self.validation)
            better = jnp.isfinite(held_out) & ~(held_out >= now.best_loss)
            numbers["validation"] = held_out
        elif score is not None:
            held_out = -score
            better = ~jnp.isnan(held_out) & ~(held_out > now.best_loss)
        else:
            better, held_out = jnp.asarray(True), now.best_loss
        better = better & jnp.isfinite(loss)
        choose = functools.partial(jnp.where, better)
        best = jax.tree.map(
            lambda new, old: choose(new, old) if eqx.is_array(new) else new,
            now.model,
            now.best,
        )
        best_loss = choose(held_out.astype(now.best_loss.dtype), now.best_loss)
        best_step = choose(k, now.best_step)
        return (
            Snapshot(now.model, now.state, now.samples, best, best_loss, best_step),
            numbers,
        )

    def _evaluate(self, model: PyTree[Any], samples: PyTree[Any]):
        own = getattr(self.optimizer, "evaluate", None)
        if own is None:
            return self.objective(model, samples)
        return own(self.objective, model, samples)


class _Ended(eqx.Module):
    """Whether the optimizer says that nothing is left to gain on these samples."""

    optimizer: Any

    def __call__(self, now: Snapshot) -> Array:
        notes = self.optimizer.notes(now.state)
        return jnp.asarray(notes.get(CONVERGED, False))


def start(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    optimizer: Optimizer,
    *,
    sampler: Sampler | None = None,
) -> Snapshot:
    """Returns the snapshot before the first step of `fit` with these arguments.

    Its tree is that of every later snapshot, so that saved arrays can be put back.

    Args:
        objective: As for `fit`.
        model: As for `fit`.
        samples: As for `fit`.
        optimizer: As for `fit`.
        sampler: As for `fit`.

    Returns:
        The snapshot.

    Raises:
        ValueError: If nothing is trained, or a term has no rows.
    """
    if not jax.tree.leaves(trainable(model)[0]):
        raise ValueError(
            "`fit`: nothing of the model is trained; expected arrays of real numbers "
            "outside of `Fixed`. Look at `core.trainable(model)`."
        )
    for label in objective.terms:
        if label in samples and not len(jax.tree.leaves(samples[label].x)[0]):
            raise ValueError(
                f"`fit`: the samples of {label!r} have no rows; expected one or more. "
                "Leave the term out of the objective."
            )
    model = beside(model, samples)
    state = _init(optimizer, objective, model, samples)
    kept = None if sampler is None else dict(samples)
    nothing, zero = jnp.asarray(jnp.nan), jnp.asarray(0, jnp.int32)
    return Snapshot(model, state, kept, model, nothing, zero)


@eqx.filter_jit
def _init(optimizer, objective, model, samples):
    return optimizer.init(objective, model, samples)


def fit(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    optimizer: Optimizer,
    *,
    steps: int | None = None,
    seconds: float | int | None = None,
    target: float | int | None = None,
    sampler: Sampler | None = None,
    sample_every: int = 1,
    every: int = 100,
    validation: Mapping[str, Samples] | None = None,
    patience: int | None = None,
    key: PRNGKeyArray | None = None,
    resume: tuple[Snapshot, dict[str, np.ndarray]] | None = None,
    watch: Sequence[Callable[[Progress], Any]] = (),
    throw: bool = False,
) -> Result:
    """Minimizes an objective over the trained arrays of a model.

    Steps run in compiled chunks of `every`; fits whose arguments differ only in the
    values of arrays share one compilation. A fit that is resumed from a snapshot with
    its history ends with the same bits as one that was never interrupted (same
    machine, threads and versions; budgets in steps).

    Where the loss becomes infinite or NaN, the fit goes back to the beginning of the
    chunk and halves the steps, up to five times in a row (`Optimizer.shorter`; methods
    with a line search or damping of their own have no need of it). If that does not
    help, it ends, keeps the best finite iterate and tells step, term and row.

    Args:
        objective: What is wanted.
        model: The starting point, any pytree.
        samples: Samples by label of the objective.
        optimizer: `first_order(optax.adam, 1e-3)`, `lbfgs()`, or any Optimizer.
        steps: Number of steps.
        seconds: Time limit, compilation included; at least one step is taken.
        target: End when the loss is at or below this.
        sampler: Draws new samples of the same shapes every `sample_every` steps.
        sample_every: See `sampler`.
        every: Steps per compiled chunk; losses are recorded at its end.
        validation: Samples on which the best iterate is chosen.
        patience: End when the best iterate is this many steps old.
        key: Key of the sampler.
        resume: A snapshot and the history that led to it.
        watch: Called with a `Progress` after each chunk, whose carry is the snapshot.
        throw: Raise where the loss or its derivative became infinite or NaN.

    Returns:
        The iterate best on `validation` with its history; without validation the one
        with the optimizer's best score, or where it has none the last finite one.

    Raises:
        ValueError: If a sampler has no key, patience has no validation, the validation
            samples weigh nothing, a term is called like a column of the history or
            has no rows, nothing is trained, nothing limits the fit or a number of steps
            is below 1, or the snapshot is one of another fit.
        FitError: If `throw` and the loss or its derivative became infinite or NaN.
    """
    if sampler is not None and key is None:
        raise ValueError(
            "`fit`: a sampler needs randomness. Pass key=jax.random.key(0)."
        )
    if patience is not None and validation is None:
        raise ValueError("`fit`: patience needs a validation loss. Pass validation=.")
    if validation is not None and not _counts(objective, validation):
        raise ValueError(
            "`fit`: every weight of the validation samples is 0: no iterate can be "
            "chosen on them. Pass rows that count, or validation=None."
        )
    if sample_every < 1 or (patience is not None and patience < 1):
        raise ValueError(
            f"`fit`: sample_every={sample_every}, patience={patience}; expected whole "
            "numbers of steps, 1 or more."
        )
    samples = dict(samples)
    history = {} if resume is None else resume[1]
    held_out = None if validation is None else dict(validation)
    stop = []
    if target is not None:
        stop.append(functools.partial(_reached, target))
    if patience is not None:
        stop.append(functools.partial(_stale, patience))
    step = _Step(objective, samples, optimizer, sampler, key, sample_every)
    measure = _Measure(objective, samples, optimizer, held_out)
    # New samples give an optimizer that has converged something to do again.
    ended = _Ended(optimizer) if sampler is None else None
    retry = _Retry(getattr(optimizer, "shorter", None))
    begin = int(history["step"][-1]) if history else 0
    done = loop(
        step,
        measure,
        _first(objective, model, samples, optimizer, sampler, resume),
        steps=steps,
        seconds=seconds,
        every=every,
        begin=begin,
        history=history,
        ended=ended,
        retry=retry,
        stop=stop,
        watch=watch,
    )
    last: Snapshot = done.carry
    replay = functools.partial(take_chunk, step, measure, ended)
    diagnosis = _diagnosis(objective, samples, done, begin, replay, retry.last)
    if diagnosis and throw:
        raise FitError(diagnosis)
    if diagnosis:
        warnings.warn(diagnosis, FitWarning, stacklevel=2)
    elif held_out is not None and not np.isfinite(last.best_loss):
        steps_taken = jnp.asarray(done.steps)
        last = dataclasses.replace(last, best=last.model, best_step=steps_taken)
        warnings.warn(NO_VALIDATION, FitWarning, stacklevel=2)
    stats = {
        "steps": done.steps,
        "best_step": int(last.best_step),
        "seconds": done.seconds,
        "retries": retry.taken,
    }
    end = samples if last.samples is None else last.samples
    status = Status.NOT_FINITE if diagnosis else done.status
    return Result(last.best, objective, end, done.history, stats, status, diagnosis)


def _diagnosis(
    objective: Objective,
    samples: Mapping[str, Samples],
    done: Done,
    begin: int,
    replay: Callable[[PyTree[Any], int, int], Chunk],
    retries: int,
) -> str:
    """Returns what kept the loss or its derivative from being finite; else nothing."""
    if done.status is Status.NOT_FINITE:
        return diagnose(objective, samples, replay, done.chunk, retries)
    if done.status is Status.CONVERGED and _is_suspicious(done, begin):
        last: Snapshot = done.carry
        points = samples if last.samples is None else last.samples
        return why_stuck(objective, last.model, points, moved=done.steps > begin)
    return ""


class _Retry:
    """Goes back to the beginning of a chunk, with shorter steps where there are any."""

    def __init__(self, shorter: Callable[[PyTree[Any]], PyTree[Any]] | None):
        self._shorter = shorter
        self.taken = self.last = 0  # in all, and in the last chunk that needed some

    def __call__(self, begin: Snapshot, times: int) -> Snapshot | None:
        if self._shorter is None or times == RETRIES:
            return None
        self.taken, self.last = self.taken + 1, times + 1
        return dataclasses.replace(begin, state=self._shorter(begin.state))


def _first(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    optimizer: Optimizer,
    sampler: Sampler | None,
    resume: tuple[Snapshot, dict[str, np.ndarray]] | None,
) -> Snapshot:
    """Returns the snapshot that a fit begins with, where its samples want it."""
    now = start(objective, model, samples, optimizer, sampler=sampler)
    if resume is not None:
        _refuse_other(resume[0], now)
        now = resume[0]
    rest = beside(dataclasses.replace(now, samples=None), samples)
    kept = None if now.samples is None else alike(now.samples, samples)
    return dataclasses.replace(rest, samples=kept)


def _is_suspicious(done: Done, begin: int) -> bool:
    """Whether what ended as converged may not be: it is worth a gradient to know."""
    loss = done.history["loss"]
    state = jax.tree.leaves(eqx.filter(done.carry.state, eqx.is_inexact_array))
    unsound = any(not bool(jnp.isfinite(leaf).all()) for leaf in state)
    return done.steps == begin or not loss[-1] < loss[0] or unsound


def _refuse_other(found: Snapshot, expected: Snapshot) -> None:
    """Checks that a snapshot is one of this model and this method."""
    told = "`fit`: the snapshot to resume from is not one of this fit: "
    help_ = "Pass the model, the samples and the method that it was made with."
    if jax.tree.structure(found) != jax.tree.structure(expected):
        raise ValueError(
            f"{told}its state is {type(found.state).__name__}, that of the method "
            f"{type(expected.state).__name__}; or the models differ.\n{help_}"
        )
    pairs = zip(
        jax.tree_util.tree_leaves_with_path(found),
        jax.tree.leaves(expected),
        strict=True,
    )
    for (path, one), other in pairs:
        if np.shape(one) != np.shape(other):
            name = jax.tree_util.keystr(path).lstrip(".")
            raise ValueError(
                f"{told}{name} has shape {np.shape(one)}; expected {np.shape(other)}."
                f"\n{help_}"
            )


def _counts(objective: Objective, samples: Mapping[str, Samples]) -> bool:
    """Whether any row or entry of the samples of these terms has a weight."""
    wanted = [samples[label].weight for label in objective.terms if label in samples]
    weights = jax.tree.leaves(wanted, is_leaf=lambda w: w is None)
    return any(w is None or bool((w != 0).any()) for w in weights)


def _reached(target: float, now: Progress) -> Status | None:
    return Status.TARGET if now.record["loss"] <= target else None


def _stale(patience: int, now: Progress) -> Status | None:
    age = now.step - int(now.carry.best_step)
    return Status.STOPPED if age >= patience else None
