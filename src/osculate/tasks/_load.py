"""A saved run back as a live object."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from osculate import report, store
from osculate.core import InputError, Result, Status
from osculate.solve import Problem

from ._build import objective, scales_within
from ._calibration import Calibration
from ._files import EVALUATION, HISTORY, METRICS, MODEL, REPORT
from ._folder import RunFolder
from ._pack import unpack_model, unpack_page
from ._settings import Settings, loss_of
from ._solution import Solution
from ._solution_load import read_solution
from ._solution_page import solution_page
from ._surrogate import Surrogate


def load(path: str | Path, *, problem: Problem | None = None) -> Surrogate | Solution:
    """Loads a run folder, every file checked against its manifest.

    Args:
        path: The folder that `osculate fit`, `osculate solve` or `save` wrote.
        problem: Of a solution, whose run does not hold what its user wrote; not needed
            for problems of the library.

    Returns:
        The surrogate or the solution; its `result.samples` are empty, since a run does
        not hold what it was fitted to.

    Raises:
        InputError: If there is no finished run at this path, or the problem is missing
            or another one. A damaged file raises `store.CorruptFileError`, a newer
            format `store.NewerFormatError`.
    """
    run = _opened(path)
    if run.recipe["kind"] == "solution":
        return read_solution(run, problem)
    return _surrogate(run)


def load_surrogate(path: str | Path) -> Surrogate:
    """Loads the run of a surrogate.

    Args:
        path: The folder.

    Returns:
        The surrogate.

    Raises:
        InputError: As in `load`, and if the run is a solution.
    """
    run = _opened(path)
    if run.recipe["kind"] != "surrogate":
        raise InputError(
            f"{path}: holds a {run.recipe['kind']}, not a surrogate.\n"
            "Use osculate.load in Python, and call it by coordinates."
        )
    return _surrogate(run)


def _opened(path: str | Path) -> RunFolder:
    """Opens a finished run, every file checked; warns where the report is missing."""
    run = RunFolder.open(path)
    run.verify()
    if not run.has_report():
        warnings.warn(
            f"{run.path / REPORT}: missing or altered; the rest of the run is whole.\n"
            f"Write it again: osculate report {run.path}",
            stacklevel=3,
        )
    return run


def rewrite_report(path: str | Path, solved: Sequence[Solution] = ()) -> Path:
    """Writes the report of a saved run again, in its folder, whatever is there.

    Args:
        path: The folder of a finished run.
        solved: Solutions to be shown beside.

    Returns:
        The report's path.

    Raises:
        InputError: As in `load`, and where another process holds the run.
    """
    with RunFolder.open(path, to_write=True) as run:
        run.verify()
        if run.recipe["kind"] == "solution":
            raise InputError(
                f"{path}: the report of a solution is written with it.\n"
                f"Open {run.path / REPORT}."
            )
        page = _surrogate(run).page
        text = report.html(page, [solution_page(each) for each in solved])
        run.write_files({REPORT: text.encode("utf-8")})
    return Path(path) / REPORT


def _surrogate(run: RunFolder) -> Surrogate:
    """Makes the object from the files of a run that were verified."""
    recipe = {k: v for k, v in run.recipe.items() if k != "format"}
    read = lambda name: (run.path / name).read_bytes()
    metrics = store.parse(read(METRICS), run.path / METRICS, "the file")
    histories, _ = store.unpack(read(HISTORY), run.path / HISTORY)
    settings = Settings(**_tuples(recipe["settings"]))
    calibration = metrics.get("calibration")
    with jax.enable_x64(True):
        model, low, high = unpack_model(read(MODEL), run.path / MODEL)
        result = Result(
            model,
            objective(
                tuple(recipe["data"]["orders"]),
                scales_within(model),
                loss_of(settings.loss),
                settings.jacobian,
            ),
            {},
            {n[6:]: a for n, a in histories.items() if n.startswith("final/")},
            metrics["stats"],
            Status[metrics["status"]],
        )
    return Surrogate(
        result=result,
        inputs=tuple(recipe["data"]["inputs"]),
        outputs=tuple(recipe["data"]["outputs"]),
        low=low,
        high=high,
        metrics=_in_order(metrics["metrics"], page := _page(run, read)),
        values_only=metrics["values_only"] and _in_order(metrics["values_only"], page),
        settings=settings,
        page=page,
        recipe=recipe,
        calibration=calibration and Calibration(**calibration),
        histories=histories,
    )


def _page(run: RunFolder, read: Any) -> report.Page:
    return unpack_page(read(EVALUATION), run.path / EVALUATION)


def _in_order(metrics: report.Metrics, page: report.Page) -> report.Metrics:
    """JSON sorted the names; the evaluation has their order."""
    return {name: metrics[name] for name in page.evaluation.truth if name in metrics}


def _tuples(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
