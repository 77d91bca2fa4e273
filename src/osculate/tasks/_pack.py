"""A surrogate as files and back: arrays beside a recipe, no class of the user's."""

import dataclasses
from pathlib import Path
from typing import Any

from numpy import ndarray

from osculate import match, nets, report, solve, store
from osculate.core import Fixed

CLASSES = (
    nets.MLP,
    nets.Features,
    nets.Standardized,
    nets.Named,
    nets.Ensemble,
    match.GaussianProcess,
    match.Hyperparameters,
    Fixed,
    solve.Windows,
    solve.Times,
)


def pack_model(model: Any, low: ndarray, high: ndarray) -> bytes:
    """Returns the bytes of `model.npz`: the model and the range of its data."""
    return _pack_tree({"model": model, "low": low, "high": high})


def unpack_model(content: bytes, path: Path) -> tuple[Any, ndarray, ndarray]:
    """Returns the model, low and high; under x64."""
    tree = _unpack_tree(content, path)
    return tree["model"], tree["low"], tree["high"]


def pack_solution(model: Any) -> bytes:
    """Returns the bytes of `model.npz`: what of a solved problem was trained."""
    return _pack_tree({"net": model["net"].net, "unknowns": model["unknowns"]})


def unpack_solution(content: bytes, path: Path) -> tuple[Any, dict[str, Any]]:
    """Returns the network and the unknowns; under x64."""
    tree = _unpack_tree(content, path)
    return tree["net"], tree["unknowns"]


def pack_page(page: report.Page) -> bytes:
    """Returns the bytes of `evaluation.npz`: everything the report shows."""
    return _pack_tree(dataclasses.asdict(page))


def unpack_page(content: bytes, path: Path) -> report.Page:
    """Returns the content of the report."""
    tree = _unpack_tree(content, path)
    evaluation = report.Evaluation(**tree.pop("evaluation"))
    slices = [report.Slice(**s) for s in tree.pop("slices")]
    return report.Page(evaluation=evaluation, slices=slices, **tree)


def pack_history(histories: dict[str, ndarray]) -> bytes:
    """Returns the bytes of `history.npz`."""
    return store.pack(histories, {})


def pack_metrics(surrogate: Any) -> bytes:
    """Returns the bytes of `metrics.json`."""
    return store.render({"format": store.FORMAT, **summary(surrogate)})


def summary(surrogate: Any) -> dict[str, Any]:
    """Returns what `metrics.json` says: metrics, and how they were come by."""
    stats, calibration = surrogate.result.stats, surrogate.calibration
    return {
        "seconds": round(stats["seconds"], 3),
        "seed": surrogate.settings.seed,
        "rows": surrogate.recipe["data"]["rows"],
        "measured_on": surrogate.page.evaluation.kind,
        "metrics": surrogate.metrics,
        "values_only": surrogate.values_only,
        "calibration": calibration and calibration._asdict(),
        "optimizer": stats["optimizer"],
        "status": surrogate.result.status.name,
        "stats": stats,
    }


def pack_solution_metrics(solution: Any) -> bytes:
    """Returns the bytes of `metrics.json` of a solution."""
    result, found = solution.result, solution.certificate
    return store.render(
        {
            "format": store.FORMAT,
            **solution_summary(solution),
            "certificate": {**found._asdict(), "doubts": list(found.doubts)},
            "unknowns": {n: v.tolist() for n, v in solution.unknowns.items()},
            "words": solution.words,
            "status": result.status.name,
            "stats": result.stats,
        }
    )


def solution_summary(solution: Any) -> dict[str, Any]:
    """Returns what `osculate solve --json` says, without the folder."""
    residual = solution.certificate.residual
    inside = {n: v for n, v in residual.items() if n.partition(".")[0] == "equation"}
    return {
        "problem": solution.recipe["problem"]["name"],
        "seconds": round(solution.result.stats["seconds"], 3),
        "seed": solution.settings.seed,
        "method": solution.words["method"],
        "relative_l2": solution.relative_l2(),
        "error_estimate": solution.error_estimate,
        "verdict": solution.verdict,
        "residual": max(v[-1] for v in inside.values()),
    }


def _pack_tree(tree: Any) -> bytes:
    recipe, arrays = store.encode(tree, CLASSES)
    return store.pack(arrays, {"recipe": recipe})


def _unpack_tree(content: bytes, path: Path) -> Any:
    arrays, header = store.unpack(content, path)
    return store.decode(header["recipe"], arrays, CLASSES, path)
