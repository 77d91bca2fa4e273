"""A saved run back as a live object."""

from pathlib import Path
from typing import Any

import jax

from osculate import report, store
from osculate.core import InputError, Result, Status

from ._build import Scales, objective
from ._folder import EVALUATION, HISTORY, METRICS, MODEL, REPORT, RunFolder
from ._pack import unpack_model, unpack_page
from ._settings import Settings
from ._surrogate import Surrogate


def load(path: str | Path) -> Surrogate:
    """Loads a run folder, every file checked against its manifest.

    Args:
        path: The folder that `osculate fit` or `Surrogate.save` wrote.

    Returns:
        The surrogate; its `result.samples` are empty, since a run does not hold the
        table it was fitted to.

    Raises:
        InputError: If there is no finished run at this path. A damaged file raises
            `store.CorruptFileError`, a newer format `store.NewerFormatError`.
    """
    run = RunFolder.open(Path(path))
    run.verify()
    recipe = {k: v for k, v in run.recipe.items() if k != "format"}
    if recipe.get("kind") != "surrogate":
        raise InputError(
            f"{path}: a run of the kind {recipe.get('kind')!r}; expected a surrogate."
        )
    read = lambda name: (run.path / name).read_bytes()
    metrics = store.parse(read(METRICS), run.path / METRICS, "the file")
    histories, _ = store.unpack(read(HISTORY), run.path / HISTORY)
    with jax.enable_x64(True):
        model, low, high = unpack_model(read(MODEL), run.path / MODEL)
        result = Result(
            model,
            objective(tuple(recipe["data"]["orders"]), _scales(model)),
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
        settings=Settings(**_tuples(recipe["settings"])),
        page=page,
        recipe=recipe,
        histories=histories,
    )


def rewrite_report(path: str | Path) -> Path:
    """Writes the report of a saved run again, in its folder.

    Args:
        path: The folder of a finished run.

    Returns:
        The report's path.

    Raises:
        InputError: As in `load`.
    """
    page = load(path).page
    RunFolder.open(Path(path)).write_files({REPORT: report.html(page).encode("utf-8")})
    return Path(path) / REPORT


def _page(run: RunFolder, read: Any) -> report.Page:
    return unpack_page(read(EVALUATION), run.path / EVALUATION)


def _scales(model: Any) -> Scales:
    inner = model.net
    return Scales(
        inner.x_shift.value,
        inner.x_scale.value,
        inner.y_shift.value,
        inner.y_scale.value,
    )


def _in_order(metrics: report.Metrics, page: report.Page) -> report.Metrics:
    """JSON sorted the names; the evaluation has their order."""
    return {name: metrics[name] for name in page.evaluation.truth if name in metrics}


def _tuples(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
