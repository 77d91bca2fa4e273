"""From finished fits to a surrogate with its metrics and the content of its report."""

import dataclasses
from typing import Any

import jax
import numpy as np
from numpy import ndarray

from osculate import report
from osculate.core import Result
from osculate.data import Table

from ._arms import Arms
from ._build import LABEL
from ._calibration import calibrate
from ._evaluate import evaluation, slices, verdict
from ._recipe import versions
from ._remarks import remarks
from ._settings import Settings
from ._surrogate import Surrogate

ROWS_SHOWN = 5000


def describe(
    arms: Arms,
    settings: Settings,
    table: Table,
    test: Table | None,
    recipe: dict[str, Any],
    notes: list[str],
    seconds: float,
) -> Surrogate:
    """Measures the fits and gathers everything that is told of them.

    Args:
        arms: The fits.
        settings: The choices they were made with.
        table: The rows they were fitted to.
        test: The test table, if there is one.
        recipe: What `run.json` says.
        notes: What the reader must know.
        seconds: Time used.

    Returns:
        The surrogate.
    """
    shown = _evaluation(arms, table, test)
    metrics = report.metrics(shown.truth, shown.prediction)
    other = shown.values_only
    values_only = None if other is None else report.metrics(shown.truth, other)
    final = arms.main.final
    with jax.enable_x64(True):
        calibration = calibrate(arms, table)
    stats = {
        **final.stats,
        "seconds": seconds,
        "model": arms.model,
        "optimizer": arms.optimizer,
        "why": arms.why,
        "parameters": arms.parameters,
    }
    final = dataclasses.replace(final, stats=stats)
    notes = [*notes, *remarks(arms, settings, table, metrics, tested=test is not None)]
    page = report.Page(
        title=f"{', '.join(table.outputs)} from {', '.join(table.inputs)}",
        verdict=verdict(shown, metrics, values_only),
        evaluation=_thinned(shown),
        history=_losses(arms.main.search.history),
        slices=slices(table, final.value),
        facts=_facts(arms, settings, table, test, recipe, stats, calibration),
        warnings=notes,
        training_x=table.x[:ROWS_SHOWN],
        metrics=metrics,
        values_only=values_only,
        rows=len(shown.x),
        training_rows=len(table),
    )
    return Surrogate(
        result=final,
        inputs=table.inputs,
        outputs=table.outputs,
        low=table.x.min(axis=0),
        high=table.x.max(axis=0),
        metrics=metrics,
        values_only=values_only,
        settings=settings,
        page=page,
        recipe=recipe,
        calibration=calibration,
        histories=_histories(arms),
    )


def _evaluation(arms: Arms, table: Table, test: Table | None) -> report.Evaluation:
    """Measures the shipped models on the test table, else the searches' on held-out."""
    main, other = arms.main, arms.values_only
    if test is not None:
        values_only = None if other is None else other.final.value
        return evaluation(test, "rows of the test table", main.final.value, values_only)
    values_only = None if other is None else other.search.value
    rows = table.rows(arms.held_out)
    return evaluation(rows, "held-out rows", main.search.value, values_only)


def _thinned(shown: report.Evaluation) -> report.Evaluation:
    """Keeps at most so many rows for the figures; metrics are of all rows."""
    n = len(shown.x)
    if n <= ROWS_SHOWN:
        return shown
    index = np.sort(np.random.default_rng(0).permutation(n)[:ROWS_SHOWN])
    take = lambda columns: {name: column[index] for name, column in columns.items()}
    return report.Evaluation(
        kind=shown.kind,
        inputs=shown.inputs,
        outputs=shown.outputs,
        units=shown.units,
        x=shown.x[index],
        truth=take(shown.truth),
        prediction=take(shown.prediction),
        values_only=shown.values_only and take(shown.values_only),
    )


def _losses(history: dict[str, ndarray]) -> dict[str, ndarray]:
    """Returns the columns that are losses, and the steps."""
    shown = ("step", "loss", "validation")
    return {n: a for n, a in history.items() if n in shown or n.startswith(f"{LABEL}.")}


def _histories(arms: Arms) -> dict[str, ndarray]:
    """Losses of every fit, by `fit/name`."""
    fits = {"search": arms.main.search.history, "final": arms.main.final.history}
    if arms.values_only is not None:
        fits["values only"] = arms.values_only.search.history
    for k, arm in enumerate(arms.main.members[1:], 2):
        fits |= {f"member {k}/search": arm.search.history}
        fits |= {f"member {k}/final": arm.final.history}
    return {
        f"{fit}/{n}": a for fit, columns in fits.items() for n, a in columns.items()
    }


def _noise(fit: Result) -> dict[str, str]:
    """Returns the noise levels that a fit has found, if it looked for them."""
    best = np.flatnonzero(fit.history["step"] == fit.stats["best_step"])
    start = f"sigma {LABEL}."
    levels = {
        name.removeprefix(start): column[best[-1]]
        for name, column in fit.history.items()
        if name.startswith(start)
        and best.size
        and np.isfinite(fit.history["log_evidence"][best[-1]])
    }
    words = [f"{name} {100 * level:.2g} %" for name, level in levels.items()]
    return {"noise found": f"{', '.join(words)} of the spread"} if words else {}


def _facts(
    arms, settings, table, test, recipe, stats, calibration
) -> dict[str, dict[str, str]]:
    """Configuration, data, versions and timing, as text."""
    outputs, inputs = ", ".join(table.outputs), ", ".join(table.inputs)
    rows = {"table": f"{table.name}, {len(table)} rows", "digest": table.digest}
    if test is not None:
        rows |= {
            "test table": f"{test.name}, {len(test)} rows",
            "test digest": test.digest,
        }
    return {
        "Configuration": {
            "model": f"{arms.model}, {arms.parameters} parameters",
            **({} if arms.compared is None else {"chosen": arms.compared.words()}),
            "optimizer": f"{arms.optimizer}, for {arms.why}",
            **_noise(arms.main.final),
            **({} if calibration is None else {"deviations": calibration.words()}),
            "budget": settings.budget,
            "loss": settings.loss,
            "held out": f"{int(arms.held_out.sum())} of {len(table)} rows",
            "seed": str(settings.seed),
        },
        "Data": {
            **rows,
            "inputs": inputs,
            "outputs": outputs,
            "known": ", ".join(f"{int(k.sum())} {n}" for n, k in table.known.items()),
        },
        "Versions": dict(versions()) | {"system": recipe["machine"]["system"]},
        "Timing": {
            "fit": f"{stats['seconds']:.1f} s, compilation included",
            "processors": str(recipe["machine"]["threads"]),
        },
    }
