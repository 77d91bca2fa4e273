"""A problem by its name, or from a file of the user's."""

import runpy
import traceback
from pathlib import Path
from typing import Any

import jax

from osculate import solve
from osculate.core import InputError, did_you_mean
from osculate.solve.problems import named


def read_problem(text: str) -> tuple[str, solve.Problem | str]:
    """Returns a problem of the library, or one that a file declares.

    Args:
        text: A name, or `FILE.py:NAME`.

    Returns:
        A stem for the folder of the run, and the problem, or its name in the library.

    Raises:
        InputError: If there is no such problem, or the file cannot be run; the message
            then holds the traceback of what is in it.
    """
    if ".py" not in text:
        return text, named(text).name
    file, _, name = text.rpartition(":")
    path = Path(file or text)
    if not file or not name:
        raise InputError(f"{text}: which problem?\nName it: {text}:NAME.")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.\nGive FILE.py:NAME.")
    found = _run(path)
    declared = [n for n, v in found.items() if isinstance(v, solve.Problem)]
    if name not in found:
        raise InputError(
            f"{path}: declares no {name!r}; its problems are {declared or 'none'}."
            f"{did_you_mean(name, declared)}\nAssign it: {name} = solve.problem(...)."
        )
    if not isinstance(found[name], solve.Problem):
        raise InputError(
            f"{path}: {name} is of type {type(found[name]).__name__}; expected a "
            f"problem.\nAssign it: {name} = solve.problem(...)."
        )
    return f"{path.stem}-{name}", found[name]


def _run(path: Path) -> dict[str, Any]:
    """Runs a file in double precision; of what it raises only its own frames are told.

    A declaration that is refused says so itself.
    """
    try:
        with jax.enable_x64(True):
            return runpy.run_path(str(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:
        told = traceback.TracebackException.from_exception(error)
        own = [f for f in told.stack if Path(f.filename).resolve() == path.resolve()]
        told.stack = traceback.StackSummary.from_list(own)
        told.__cause__ = told.__context__ = None
        text = "".join(told.format()).rstrip()
        raise InputError(f"{path}: cannot be run.\n{text}") from error
