"""What `run.json` says of a solution: what was declared, and how it was solved."""

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
import numpy as np

from osculate.core import InputError, Samples
from osculate.solve import (
    EQUATION,
    Counts,
    Problem,
    model_of,
    objective_of,
    samples_of,
)

from ._recipe import machine_of, refuse_other_settings, versions, warn_elsewhere
from ._solver import SolveSettings


def solution_recipe(
    name: str, problem: Problem, grid: Mapping[str, int], settings: SolveSettings
) -> dict[str, Any]:
    """Returns the content of `run.json`.

    Args:
        name: What the problem is called.
        problem: The problem.
        grid: Points per coordinate on which its error is stated; empty for the usual.
        settings: The choices.

    Returns:
        Plain data.
    """
    return {
        "kind": "solution",
        "settings": dataclasses.asdict(settings),
        "problem": {
            "name": name,
            "declared": problem.explain().splitlines(),
            "operations": fingerprint(problem),
            "grid": dict(grid),
        },
        "versions": versions(),
        "machine": machine_of(),
    }


def fingerprint(problem: Problem) -> str:
    """Returns a digest of all operations of a problem and of their constants.

    Args:
        problem: The problem.

    Returns:
        Hexadecimal digits.
    """
    objective = objective_of(problem)
    model = eqx.filter_eval_shape(
        lambda key: model_of(problem, width=1, depth=1, key=key), jr.key(0)
    )
    rows = samples_of(problem, Counts(1, 1), jr.key(0))
    # The bare point: what conditions contribute there is to be among the operations.
    rows[EQUATION] = Samples(jax.tree.leaves(rows[EQUATION].x)[0])
    traced = eqx.filter_make_jaxpr(objective.outputs)(model, rows)[0]
    digest = hashlib.sha256(re.sub(r"0x[0-9a-f]+", "", str(traced.jaxpr)).encode())
    for constant in [*traced.consts, *jax.tree.leaves(problem)]:
        if hasattr(constant, "dtype"):
            digest.update(np.ascontiguousarray(constant).tobytes())
    return digest.hexdigest()


def refuse_other_problem(
    path: Path, saved: dict[str, Any], asked: dict[str, Any]
) -> None:
    """Checks that a run to be continued is the one that was begun.

    Args:
        path: The run's folder.
        saved: The recipe of the run.
        asked: The recipe of this call.

    Raises:
        InputError: If it is no solution, or the problem or a choice differs.
    """
    if saved["kind"] != asked["kind"]:
        raise InputError(
            f"{path}: holds a {saved['kind']}, not a {asked['kind']}.\n"
            "Give another --out."
        )
    before, now = saved["problem"], asked["problem"]
    if before != now:
        lines = [
            f"- {line}" for line in before["declared"] if line not in now["declared"]
        ]
        lines += [
            f"+ {line}" for line in now["declared"] if line not in before["declared"]
        ]
        lines = lines or ["the same names, but other operations or numbers"]
        raise InputError(
            f"{path}: was begun with another problem:\n"
            + "\n".join(lines[:2])
            + "\nGive the same problem with --resume, or another --out."
        )
    refuse_other_settings(path, saved, asked)
    warn_elsewhere(path, saved, asked)
