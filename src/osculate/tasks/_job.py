"""The main job: from a table of values and derivatives to a surrogate."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from osculate import data, train
from osculate.core import InputError

from ._arms import fit_arms
from ._build import refuse_size
from ._load import load_surrogate
from ._open import journal_of, opened
from ._page import describe
from ._place import refuse_taken
from ._recipe import recipe_of, refuse_other
from ._settings import Settings
from ._surrogate import Surrogate, finish


class DataWarning(UserWarning):
    """Something about a table that its owner should know."""


def surrogate(
    table: Any,
    *,
    test: Any = None,
    out: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    width: int | None = None,
    depth: int = 3,
    activation: str = "tanh",
    loss: Any = "gaussian",
    jacobian: float = 1.0,
    model: str = "auto",
    regularization: str = "auto",
    members: int = 1,
    validation: float = 0.2,
    budget: str = "2000steps",
    seed: int = 0,
    compare: bool = False,
    strict: bool = False,
    watch: Callable[[str, train.Progress], None] | None = None,
) -> Surrogate:
    """Fits a network to values and all derivatives that a table knows.

    Inputs, outputs and derivatives are standardized consistently, so that nothing has
    to be weighted by hand; missing cells do not count. A fifth of the rows is held out
    to choose the number of steps and to measure; the fit is then repeated on all rows.

    Args:
        table: A path (CSV, NPZ, Parquet), a `data.Table`, a DataFrame, or a mapping of
            columns. Arrays: `data.table(x, y, jacobian=..., hessian=...)`.
        test: A separate table on which the shipped model is measured; without it the
            figures are those of the held-out rows, before the repetition.
        out: Folder of the run, saved while it goes; None keeps it in memory.
        force: Replace the run in `out`.
        resume: Continue the run in `out`; begin it if nothing is there.
        inputs: Names of the input columns; by default those that derivative columns
            differentiate by.
        outputs: Names of the output columns; by default all others.
        width: Size of the hidden layers; by default from the number of known numbers.
        depth: Number of hidden layers.
        activation: `tanh`, or another smooth activation of `nets.MLP`.
        loss: `gaussian`, or one that forgives gross errors in the table: `laplace`,
            `cauchy`, `student`, `huber`; or a loss of `chance` such as
            `HuberLoss(1.0, 0.1)`, in units of the spread of each column.
        jacobian: Factor of the first derivatives beside values; below 1 where they are
            less certain.
        model: `network`; `process`: an exact Gaussian process conditioned on all that
            is known, for few rows of smooth data; or `auto`: where one output has 600
            known numbers or fewer, the loss is Gaussian and the factor 1, the family
            that predicts held-out rows best, by cross-validation where they are few.
        regularization: `auto`: where the network is small, the loss Gaussian and the
            factor 1, penalties of the weights and noise levels of values and of each
            order of derivative are found by their evidence; or `none`.
        members: How many networks from other first weights are fitted, one after the
            other; their mean ships. Two or more, 5 are usual, also tell how sure they
            are: `deviation`, `interval`, `propose`, which a process knows by itself.
        validation: Share of the rows held out.
        budget: `"2000steps"` (resumes bit by bit) or `"60s"`.
        seed: Seed of the split and of the random weights.
        compare: Also fit the same network to values only, with the same budget.
        strict: Raise where derivative columns contradict the values.
        watch: Called with the name of the fit and its progress after each chunk.

    Returns:
        The surrogate.

    Raises:
        InputError: If the table or a choice cannot be used; nothing is written then.
    """
    settings = Settings(
        inputs=None if inputs is None else tuple(inputs),
        outputs=None if outputs is None else tuple(outputs),
        width=width,
        depth=depth,
        activation=activation,
        loss=loss,
        jacobian=jacobian,
        model=model,
        regularization=regularization,
        members=members,
        validation=validation,
        budget=budget,
        seed=seed,
        compare=compare,
        strict=strict,
    )
    if out is not None:
        refuse_taken(out, force=force, resume=resume)
    fitted = data.read(table, inputs=settings.inputs, outputs=settings.outputs)
    tested = None if test is None else _read_test(test, fitted)
    refuse_size(fitted, settings)
    notes = [*_suspicions(fitted, strict), *_unsuited(fitted, settings)]
    recipe = recipe_of(settings, fitted, tested)
    with opened(out, recipe, refuse_other, force, resume) as run:
        if run is not None and run.finished:
            return load_surrogate(run.path)
        journal = journal_of(run, watch)
        with jax.enable_x64(True):
            arms = fit_arms(journal, settings, fitted)
            found = describe(
                arms, settings, fitted, tested, recipe, notes, journal.seconds
            )
        if run is not None:
            finish(run, found)
    return found


def _read_test(test: Any, fitted: data.Table) -> data.Table:
    """Reads a test table in the roles and units of the fitted one."""
    return data.read(test, like=fitted)


def _suspicions(table: data.Table, strict: bool) -> list[str]:
    """Checks derivatives against differences of values; warns, or raises if strict."""
    notes = [str(found) for found in data.check_derivatives(table)]
    if notes and strict:
        raise InputError(
            "\n".join(
                [
                    f"{table.name}: derivative columns contradict the values.",
                    *notes[:3],
                    "Correct the columns, or drop --strict to fit them as they are.",
                ]
            )
        )
    for note in notes:
        warnings.warn(f"{table.name}: {note}", DataWarning, stacklevel=3)
    return notes


def _unsuited(table: data.Table, settings: Settings) -> list[str]:
    """Warns of a choice that cannot follow what the table knows."""
    if settings.activation != "relu" or "jacobian" not in table.y:
        return []
    note = (
        "activation 'relu' has piecewise constant derivatives, which cannot follow "
        "those of a table; a smooth one such as 'tanh' can."
    )
    warnings.warn(f"{table.name}: {note}", DataWarning, stacklevel=3)
    return [note]
