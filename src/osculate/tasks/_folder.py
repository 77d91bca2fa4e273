"""A run is a folder: never lost, never half-written.

    run.json        what was asked of what, by which versions; written once
    state/N.npz     the last checkpoints, each whole in itself
    log.jsonl       one line per chunk
    model.npz, history.npz, evaluation.npz, metrics.json, report.html   at the end
    manifest.json   size and SHA-256 of all of these

A file is listed in the manifest before anything relies on it, and is removed only when
the manifest no longer lists it: whatever happens between, the folder is the old run or
the new one.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Any

from osculate import store
from osculate.core import InputError

from ._journal import State

RECIPE, LOG, METRICS = "run.json", "log.jsonl", "metrics.json"
MODEL, HISTORY, EVALUATION = "model.npz", "history.npz", "evaluation.npz"
REPORT = "report.html"
CHECKPOINTS_KEPT = 3


class RunFolder:
    """One run on disk.

    Attributes:
        path: The folder.
        recipe: The content of `run.json`.
    """

    def __init__(self, path: Path, recipe: dict[str, Any], names: list[str]):
        """Wraps a folder whose manifest lists these names; see `create` and `open`."""
        self.path, self.recipe, self._names = path, recipe, names

    @classmethod
    def create(
        cls, path: Path, recipe: dict[str, Any], *, force: bool = False
    ) -> "RunFolder":
        """Begins a run in a new folder.

        Args:
            path: The folder; it must not exist, unless empty or `force`.
            recipe: What `run.json` is to hold.
            force: Replace what is there; it is kept aside until this run has ended.

        Returns:
            The run.

        Raises:
            InputError: If something is there and `force` is off.
        """
        if path.exists() and not _is_free(path):
            if not force:
                raise InputError(
                    f"{path}: already exists.\nPass --resume to continue that run, "
                    "--force to replace it, or another --out."
                )
            _set_aside(path)
        path.mkdir(parents=True, exist_ok=True)
        document = {"format": store.FORMAT, **recipe}
        store.write(path / RECIPE, store.render(document))
        (path / LOG).touch()
        run = cls(path, document, [RECIPE, LOG])
        run._commit()
        return run

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Opens a run, finished or not, and checks its recipe.

        Args:
            path: The folder.

        Returns:
            The run.

        Raises:
            InputError: If there is no run at this path.
        """
        if not (path / "manifest.json").is_file():
            near = "" if path.exists() else " (there is no such folder)"
            raise InputError(
                f"{path}: not a run{near}; a run is a folder with a manifest.json.\n"
                "Give the folder that `osculate fit --out` wrote."
            )
        names = list(store.entries(path))
        store.check(path, RECIPE)
        content = (path / RECIPE).read_bytes()
        recipe = store.parse(content, path / RECIPE, "the file")
        return cls(path, recipe, names)

    @property
    def finished(self) -> bool:
        """Whether the run has ended and can be loaded."""
        return METRICS in self._names

    def verify(self) -> None:
        """Checks every file of a finished run.

        Raises:
            InputError: If the run has not ended. A file that is not as it was written
                raises `store.CorruptFileError`.
        """
        store.verify(self.path)
        if not self.finished:
            raise InputError(
                f"{self.path}: this run has not ended.\n"
                f"Continue it: osculate fit TABLE --out {self.path} --resume"
            )

    def read_state(self) -> State | None:
        """Returns the newest checkpoint that is whole, and forgets what came after it.

        Returns:
            The state, or None where nothing was saved yet.

        Raises:
            CorruptFileError: If there are checkpoints and all of them are damaged.
        """
        damage = None
        for name in reversed(self._states()):
            try:
                store.check(self.path, name)
                state = State.unpack((self.path / name).read_bytes(), self.path / name)
            except store.CorruptFileError as error:
                damage = error
                continue
            self._cut_log()
            return state
        if damage is not None:
            raise damage
        self._cut_log()
        return None

    def save_state(self, state: State) -> None:
        """Writes a checkpoint, and then removes those beyond the last few."""
        listed = self._states()
        number = int(Path(listed[-1]).stem) + 1 if listed else 0
        name = f"state/{number:06d}.npz"
        (self.path / "state").mkdir(exist_ok=True)
        store.write(self.path / name, state.pack())
        old = listed[: -(CHECKPOINTS_KEPT - 1)]
        self._names = [n for n in self._names if n not in old] + [name]
        self._commit()
        for stale in old:
            (self.path / stale).unlink(missing_ok=True)

    def append_log(self, line: str) -> None:
        """Adds one line to the log."""
        with open(self.path / LOG, "a", encoding="utf-8") as log:
            log.write(line + "\n")

    def write_files(self, files: dict[str, bytes]) -> None:
        """Writes files, those that exist replaced, and lists them."""
        kept = [name for name in self._names if name not in files]
        if len(kept) < len(self._names):
            self._names = kept
            self._commit()
        for name, content in files.items():
            store.write(self.path / name, content)
        self._names = [*kept, *files]
        self._commit()

    def end(self) -> None:
        """Removes the run that this one replaced, if any."""
        shutil.rmtree(_aside(self.path), ignore_errors=True)

    def _states(self) -> list[str]:
        return sorted(n for n in self._names if re.fullmatch(r"state/\d+\.npz", n))

    def _commit(self) -> None:
        store.commit(self.path, self._names)

    def _cut_log(self) -> None:
        """Cuts the log to what the manifest recorded: the rest is done again."""
        entry = store.check(self.path, LOG, growing=True)
        os.truncate(self.path / LOG, entry["bytes"])


def next_free(parent: Path, stem: str) -> Path:
    """Returns `parent/stem-n` with the smallest n from 1 that does not exist."""
    n = 1
    while (parent / f"{stem}-{n}").exists():
        n += 1
    return parent / f"{stem}-{n}"


def _is_free(path: Path) -> bool:
    """Whether a folder is empty, or was left by a run that died before it began."""
    if not path.is_dir():
        return False
    names = {entry.name for entry in path.iterdir()}
    return all(n in (RECIPE, LOG) or n.endswith(".tmp") for n in names)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def _set_aside(path: Path) -> None:
    """Makes room for a new run; a finished one is kept until its successor ends."""
    if not (path / RECIPE).is_file():
        raise InputError(
            f"{path}: exists and is not a run, so that --force does not replace it.\n"
            "Choose another --out."
        )
    if _aside(path).exists() and not (path / METRICS).exists():
        shutil.rmtree(path)
        return
    shutil.rmtree(_aside(path), ignore_errors=True)
    path.rename(_aside(path))
