"""What the files of a run are called, and which files can only be ours."""

import re
from collections.abc import Collection
from pathlib import Path

from osculate import store

RECIPE, LOG, METRICS = "run.json", "log.jsonl", "metrics.json"
MODEL, HISTORY, EVALUATION = "model.npz", "history.npz", "evaluation.npz"
REPORT = "report.html"
MANIFEST, STATES = "manifest.json", "state"
KINDS = ("surrogate", "solution")

_FIXED = {RECIPE, LOG, METRICS, MODEL, HISTORY, EVALUATION, REPORT, MANIFEST}
_STATE = re.compile(STATES + r"/\d{6,}\.npz")
_LEFT = re.compile(rf"({STATES}/)?\.[0-9a-f]{{16}}\.tmp|{re.escape(store.LOCK)}")


def is_run(path: Path) -> bool:
    """Whether a folder is a run of ours, finished or not.

    Args:
        path: A folder.

    Returns:
        True where manifest and recipe are whole and say so. A run of a newer version
        raises `store.NewerFormatError`.
    """
    try:
        store.check(path, RECIPE)
        return _is_recipe(path / RECIPE)
    except store.CorruptFileError:
        return False


def is_half_begun(path: Path) -> bool:
    """Whether a folder is empty, or was left by a run that died as it began."""
    names = {entry.name for entry in path.iterdir() if not _LEFT.fullmatch(entry.name)}
    try:
        if RECIPE in names and not _is_recipe(path / RECIPE):
            return False
    except store.CorruptFileError:
        return False
    if names == {RECIPE, LOG}:
        return (path / LOG).is_file() and not (path / LOG).stat().st_size
    return names <= {RECIPE}


def foreign(path: Path) -> str | None:
    """Returns the name of an entry of a run's folder that the run did not write."""
    listed = store.entries(path)
    for entry in sorted([*path.iterdir(), *(path / STATES).glob("*")]):
        name = entry.relative_to(path).as_posix()
        is_folder = entry.is_dir() and not entry.is_symlink()
        if name == STATES and is_folder:
            continue
        known = name in listed or name in _FIXED or is_state(name) or is_left(name)
        if is_folder or not known:
            return name
    return None


def is_state(name: str) -> bool:
    """Whether this is the name of a checkpoint."""
    return bool(_STATE.fullmatch(name))


def is_left(name: str) -> bool:
    """Whether this is the name of what a killed process leaves: nobody reads it."""
    return bool(_LEFT.fullmatch(name))


def sweep(path: Path, listed: Collection[str]) -> None:
    """Removes what killed processes left in a run; nobody else may be writing to it."""
    for entry in [*path.iterdir(), *(path / STATES).glob("*")]:
        name = entry.relative_to(path).as_posix()
        is_stale = is_state(name) and name not in listed
        if name != store.LOCK and (is_stale or is_left(name)):
            entry.unlink()


def _is_recipe(path: Path) -> bool:
    document = store.parse(path.read_bytes(), path, "the file")
    return document.get("kind") in KINDS
