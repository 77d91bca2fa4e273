"""Where a run may be written: nothing but a whole run of ours is ever replaced.

What is replaced is renamed, never removed where it stands: `.NAME.replaced` beside it
is the old run, until the new one has ended, and `.NAME.<digits>.trash` what is being
removed.
"""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from osculate import store
from osculate.core import InputError

from ._files import MANIFEST, METRICS, RECIPE, foreign, is_half_begun, is_run


class TakenError(InputError):
    """A folder cannot take a run: something is there, or another process holds it."""


def real(path: str | Path) -> Path:
    """Returns the path without links, dots or dependence on the working folder."""
    return Path(os.path.realpath(path))


def refuse_taken(
    path: str | Path, *, force: bool = False, resume: bool = False
) -> None:
    """Checks that a run may be written to a folder, as far as can be told beforehand.

    Args:
        path: The folder, as the user gave it.
        force: Whether a run that is there is to be replaced.
        resume: Whether a run that is there is to be continued.

    Raises:
        TakenError: If something is there that may not be replaced.
        InputError: If no folder can be made there, or force and resume exclude each
            other. A run of a newer version raises `store.NewerFormatError`.
    """
    if resume and force:
        raise InputError(
            f"{path}: --resume continues a run, --force replaces it.\nGive one of them."
        )
    with _in_words(path):
        place = real(path)
        if resume and (place / MANIFEST).is_file():
            return
        if not os.path.lexists(place):
            _refuse_parent(path, place)
        elif place.is_dir() and is_run(place):
            _refuse_run(path, place, force)
        elif not place.is_dir() or not is_half_begun(place):
            damaged = (place / MANIFEST).is_file()
            or_damaged = f", or its {RECIPE} or {MANIFEST} is damaged" * damaged
            raise TakenError(
                f"{path}: already exists and is not a run{or_damaged}: nothing there "
                "is replaced.\nChoose another folder."
            )


def claim(path: str | Path, *, force: bool) -> store.Lock:
    """Takes a folder for a new run; a run that is there is set aside.

    Args:
        path: The folder, as the user gave it.
        force: Whether a run that is there may be replaced.

    Returns:
        The lock that holds the folder.

    Raises:
        TakenError: As `refuse_taken`, also when two processes try at once.
        InputError: If the folder cannot be made or written to.
    """
    refuse_taken(path, force=force)
    place = real(path)
    with _in_words(path):
        place.mkdir(parents=True, exist_ok=True)
    lock = hold(path)
    try:
        refuse_taken(path, force=force)  # now that nobody else can begin a run there
        if not is_run(place):
            return lock
        with _in_words(path):
            _set_aside(place)
            place.mkdir()
        new = hold(path)
    except BaseException:
        lock.release()
        raise
    lock.release()
    return new


def hold(path: str | Path) -> store.Lock:
    """Locks a folder for this process.

    Args:
        path: The folder.

    Returns:
        The lock.

    Raises:
        TakenError: If another process holds it.
        InputError: If the folder cannot be written to.
    """
    with _in_words(path):
        lock = store.Lock.take(real(path))
    if lock is None:
        raise TakenError(
            f"{path}: is in use by another process.\n"
            "Wait until that has ended, or choose another folder."
        )
    return lock


def drop_replaced(place: Path) -> None:
    """Removes the run that the one in this folder replaced, if any."""
    with contextlib.suppress(OSError, store.NewerFormatError):
        aside = _aside(place)
        if aside.is_dir() and _is_only_run(aside):
            _discard(aside)
        names = "|".join(re.escape(p.name) for p in (place, aside))
        for entry in place.parent.iterdir():
            if re.fullmatch(rf"\.({names})\.[0-9a-f]{{16}}\.trash", entry.name):
                shutil.rmtree(entry, ignore_errors=True)


def next_free(parent: Path, stem: str) -> Path:
    """Returns `parent/stem-n` with the smallest n from 1 that does not exist."""
    n = 1
    while os.path.lexists(parent / f"{stem}-{n}"):
        n += 1
    return parent / f"{stem}-{n}"


@contextlib.contextmanager
def _in_words(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be used: {error.strerror}.\nChoose another folder."
        ) from error


def _refuse_parent(path: str | Path, place: Path) -> None:
    parent = next(p for p in place.parents if os.path.lexists(p))
    if not parent.is_dir():
        raise InputError(
            f"{path}: {parent} is a file; expected a folder.\nChoose another folder."
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"{path}: no permission to write in {parent}.\nChoose another folder."
        )


def _refuse_run(path: str | Path, place: Path, force: bool) -> None:
    if not force:
        state, do = "", "Continue it with --resume, replace"
        if METRICS in store.entries(place):
            state, do = ", finished", "Replace"
        raise TakenError(
            f"{path}: a run already exists there{state}.\n"
            f"{do} it with --force, or choose another folder."
        )
    if (name := foreign(place)) is not None:
        raise TakenError(
            f"{path}: holds {name!r}, which the run did not write; --force would "
            "remove it.\nMove it elsewhere, or choose another folder."
        )
    if place in (here := real(".")).parents or place == here:
        raise InputError(
            f"{path}: is the folder you are in, which --force cannot replace.\n"
            "Go elsewhere first (cd ..), or choose another folder."
        )
    if os.path.lexists(aside := _aside(place)) and not _is_only_run(aside):
        raise InputError(
            f"{path}: cannot be set aside, since {aside} exists and is not just a run."
            "\nMove that elsewhere, or choose another folder."
        )


def _is_only_run(place: Path) -> bool:
    return is_run(place) and foreign(place) is None


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.replaced")


def _set_aside(place: Path) -> None:
    """Makes room for a new run; a finished one is kept until its successor ends."""
    aside = _aside(place)
    if aside.exists() and METRICS not in store.entries(place):
        _discard(place)
        return
    if aside.exists():
        _discard(aside)
    place.rename(aside)


def _discard(place: Path) -> None:
    """Removes a run; a crash leaves the whole of it, or nothing that can be seen."""
    trash = place.with_name(f".{place.name}.{secrets.token_hex(8)}.trash")
    place.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)
