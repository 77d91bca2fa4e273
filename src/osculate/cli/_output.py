"""Where a result is written to: checked before any work is done."""

import os
from pathlib import Path

from osculate.core import InputError


def output_file(text: str, ending: str, *, force: bool) -> Path:
    """Checks that a file can be written.

    Args:
        text: The file, as the user gave it.
        ending: How its name must end.
        force: Whether a file that is there may be replaced.

    Returns:
        Its path, links followed.

    Raises:
        InputError: If it is there, or cannot be written.
    """
    path = Path(os.path.realpath(text))
    folder = path.parent
    if path.is_dir():
        raise InputError(f"--out {text}: is a folder.\nGive a file in it.")
    if Path(text).suffix.lower() != ending:
        raise InputError(
            f"--out {text}: expected a name that ends in {ending}.\n"
            f"Write for instance --out {Path(text).stem or 'result'}{ending}."
        )
    if os.path.lexists(path) and not force:
        raise InputError(
            f"--out {text}: already exists.\n"
            "Replace it with --force, or give another file."
        )
    if not folder.is_dir():
        if os.path.lexists(folder):
            what = f"{folder} is a file, not a folder.\nGive another file."
        else:
            what = f"there is no folder {folder}.\nMake it, or give another file."
        raise InputError(f"--out {text}: {what}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(
            f"--out {text}: no permission to write in {folder}.\nGive another file."
        )
    return path
