"""A run is a folder: never lost, never half-written.

    run.json        what was asked of what, by which versions; written once
    state/N.npz     the last checkpoints, each whole in itself
    log.jsonl       one line per chunk
    model.npz, history.npz, evaluation.npz, metrics.json, report.html   at the end
    manifest.json   size and SHA-256 of all of these
    .lock           only while a process writes here

A file is listed in the manifest before anything relies on it, and is removed only when
the manifest no longer lists it: whatever happens between, the folder is the old run or
the new one.
"""

import contextlib
import dataclasses
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from osculate import data, store
from osculate.core import InputError

from ._files import (
    KINDS,
    LOG,
    MANIFEST,
    METRICS,
    RECIPE,
    REPORT,
    STATES,
    is_state,
    sweep,
)
from ._journal import State
from ._place import claim, drop_replaced, hold, real

CHECKPOINTS_KEPT = 3


class RunFolder:
    """One run on disk; as a context, it lets the folder go at the end.

    Attributes:
        path: The folder, from the root.
        recipe: The content of `run.json`.
    """

    def __init__(
        self,
        path: Path,
        recipe: dict[str, Any],
        listed: dict[str, store.Entry],
        lock: store.Lock | None = None,
    ):
        """Wraps a folder whose manifest lists these files; see `create` and `open`."""
        self.path, self.recipe = path, recipe
        self._listed, self._lock = listed, lock

    @classmethod
    def create(
        cls, path: str | Path, recipe: dict[str, Any], *, force: bool = False
    ) -> "RunFolder":
        """Begins a run in a new folder, and holds it.

        Args:
            path: The folder; it must not exist, unless empty or `force`.
            recipe: What `run.json` is to hold.
            force: Replace the run that is there; it is kept aside until this one has
                ended.

        Returns:
            The run.

        Raises:
            InputError: If the folder cannot take a run.
        """
        document = {"format": store.FORMAT, **recipe}
        run = cls(real(path), document, {}, claim(path, force=force))
        with run._released_on_failure():
            content = store.render(document)
            sweep(run.path, ())
            store.write(run.path / RECIPE, content)
            (run.path / LOG).touch()
            run._commit([RECIPE, LOG], {RECIPE: content})
        return run

    @classmethod
    def open(cls, path: str | Path, *, to_write: bool = False) -> "RunFolder":
        """Opens a run, finished or not, and checks its recipe.

        Args:
            path: The folder.
            to_write: Hold the folder, so that no other process writes to it.

        Returns:
            The run.

        Raises:
            InputError: If there is no run at this path, or another process holds it.
        """
        place = real(path)
        if not (place / MANIFEST).is_file():
            near = "" if place.exists() else " (there is no such folder)"
            raise InputError(
                f"{path}: not a run{near}; a run is a folder with a {MANIFEST}.\n"
                "Give the folder that `osculate fit --out` wrote."
            )
        run = cls(place, {}, {}, hold(path) if to_write else None)
        with run._released_on_failure():
            run._listed = store.entries(place)
            store.check(place, RECIPE)
            content = (place / RECIPE).read_bytes()
            run.recipe = store.parse(content, place / RECIPE, "the file")
            if (kind := run.recipe.get("kind")) not in KINDS:
                raise InputError(
                    f"{path}: not a run that is known here; its kind is {kind!r}.\n"
                    "Give the folder that `osculate fit` or `osculate solve` wrote."
                )
            if to_write:
                sweep(place, run._listed)
        return run

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    @property
    def finished(self) -> bool:
        """Whether the run has ended and can be loaded."""
        return METRICS in self._listed

    def verify(self) -> None:
        """Checks every file of a finished run but the report, which is made of them.

        Raises:
            InputError: If the run has not ended. A file that is not as it was written
                raises `store.CorruptFileError`.
        """
        if not self.finished:
            raise InputError(
                f"{self.path}: this run has not ended.\n"
                f"Wait for it, or continue it with {self._how_to_resume()}"
            )
        for name in self._listed:
            if name != REPORT:
                store.check(self.path, name)

    def has_report(self) -> bool:
        """Whether the report is there, as it was written."""
        try:
            store.check(self.path, REPORT)
        except store.CorruptFileError:
            return False
        return True

    def read_state(self) -> State | None:
        """Returns the newest checkpoint that is whole, and forgets what came after it.

        Returns:
            The state, or None where nothing was saved yet.

        Raises:
            CorruptFileError: If there are checkpoints and all of them are damaged.
        """
        states = self._states()
        for i in reversed(range(len(states))):
            path = self.path / states[i]
            try:
                store.check(self.path, states[i])
                state = State.unpack(path.read_bytes(), path)
            except store.CorruptFileError as error:
                if i == 0:
                    do = "Begin the run again, with --force."
                    what = f"{error.what}, as in all newer ones"
                    raise store.CorruptFileError(path, error.where, what, do) from None
                continue
            self._go_back(state.log_bytes, states[i + 1 :])
            return state
        self._go_back(0, [])
        return None

    def save_state(self, state: State) -> None:
        """Writes a checkpoint, and then removes those beyond the last few."""
        listed = self._states()
        number = int(Path(listed[-1]).stem) + 1 if listed else 0
        name = f"{STATES}/{number:06d}.npz"
        length = (self.path / LOG).stat().st_size
        content = dataclasses.replace(state, log_bytes=length).pack()
        (self.path / STATES).mkdir(exist_ok=True)
        store.write(self.path / name, content)
        old = listed[: -(CHECKPOINTS_KEPT - 1)]
        self._commit(
            [*(n for n in self._listed if n not in old), name], {name: content}
        )
        for stale in old:
            (self.path / stale).unlink(missing_ok=True)

    def append_log(self, line: str) -> None:
        """Adds one line to the log."""
        with open(self.path / LOG, "a", encoding="utf-8") as log:
            log.write(line + "\n")

    def write_files(self, files: dict[str, bytes]) -> None:
        """Writes files, those that exist replaced, and lists them."""
        kept = [name for name in self._listed if name not in files]
        if len(kept) < len(self._listed):
            self._commit(kept)
        for name, content in files.items():
            store.write(self.path / name, content)
        self._commit([*kept, *files], files)

    def end(self) -> None:
        """Removes the run that this one replaced, if any."""
        drop_replaced(self.path)

    def _states(self) -> list[str]:
        return sorted(filter(is_state, self._listed))

    def _commit(
        self, names: Sequence[str], written: Mapping[str, bytes] | None = None
    ) -> None:
        """Lists these files; of all but the log it is known what was written."""
        known = {n: entry for n, entry in self._listed.items() if n != LOG}
        known |= {n: store.measure(content) for n, content in (written or {}).items()}
        self._listed = store.commit(self.path, names, known)

    def _go_back(self, log_bytes: int, damaged: list[str]) -> None:
        """Cuts the log to what it was at a checkpoint, and forgets those after it."""
        if LOG in self._listed:
            store.check(self.path, LOG, growing=True)
        if damaged:
            self._commit([n for n in self._listed if n not in (LOG, *damaged)])
        os.truncate(self.path / LOG, log_bytes)
        for name in damaged:
            (self.path / name).unlink(missing_ok=True)
        if LOG not in self._listed:
            self._commit([*self._listed, LOG])

    def _how_to_resume(self) -> str:
        """What continues this run, as far as its recipe tells."""
        if self.recipe["kind"] == "solution":
            words = ["osculate", "solve", self.recipe["problem"]["name"]]
            return shlex.join([*words, "--out", str(self.path), "--resume"])
        table, test = self.recipe["data"], self.recipe["test"]
        if table["name"].startswith("<"):
            return "the call that began it, and resume=True."
        words = ["fit", table["name"]]
        if test is not None:
            words += ["--test", test["name"]]
        if table["digest"] == data.water().digest:
            words = ["demo"]
        return shlex.join(["osculate", *words, "--out", str(self.path), "--resume"])

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @contextlib.contextmanager
    def _released_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._release()
            raise


def begun_with(path: str | Path) -> dict[str, Any]:
    """Returns the choices with which the run in a folder was begun.

    Args:
        path: The folder.

    Returns:
        What `Settings` holds, by name; nothing where there is no run.
    """
    if not (real(path) / MANIFEST).is_file():
        return {}
    return RunFolder.open(path).recipe["settings"]
