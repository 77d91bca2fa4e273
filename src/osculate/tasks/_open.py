"""Begins a run on disk or continues one, for every kind of job."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from osculate import train

from ._files import MANIFEST
from ._folder import RunFolder
from ._journal import Journal


@contextlib.contextmanager
def opened(
    out: str | Path | None,
    recipe: dict[str, Any],
    refuse: Callable[[Path, dict[str, Any], dict[str, Any]], None],
    force: bool,
    resume: bool,
) -> Iterator[RunFolder | None]:
    """Begins a run, or opens the one that is to be continued, and lets it go.

    Args:
        out: Its folder; None for a job in memory.
        recipe: What `run.json` is to hold.
        refuse: Raises where a recipe that is there is not the one that is asked for.
        force: Replace the run that is there.
        resume: Continue the run that is there; begin it if there is none.

    Yields:
        The run, or None.
    """
    if out is None:
        yield None
    elif resume and (Path(out) / MANIFEST).is_file():
        with RunFolder.open(out, to_write=True) as run:
            refuse(Path(out), run.recipe, recipe)
            yield run
    else:
        with RunFolder.create(out, recipe, force=force) as run:
            yield run


def journal_of(
    run: RunFolder | None,
    watch: Callable[[str, train.Progress], None] | None,
    began: float | None = None,
) -> Journal:
    """Returns the journal of a run, or one that is not kept.

    Args:
        run: The run, or None.
        watch: Called with the name of the fit and its progress after each chunk.
        began: When this sitting began, by `time.perf_counter`; by default now.

    Returns:
        The journal.
    """
    if run is None:
        return Journal(watch=watch, began=began)
    return Journal(
        state=run.read_state(),
        save=run.save_state,
        log=run.append_log,
        watch=watch,
        began=began,
    )
