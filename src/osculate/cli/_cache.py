"""Compiled programs are kept in a private folder: the second run starts sooner."""

import os
import warnings
from pathlib import Path

import jax


def cache_folder() -> Path:
    """Returns `$OSCULATE_CACHE`, else `osculate` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("OSCULATE_CACHE") or Path(home) / "osculate")


def use_cache() -> None:
    """Lets JAX keep compiled programs; only the user may read or write the folder.

    The folder holds executables, so that one which others can write to is not used.
    """
    folder = cache_folder()
    if (fault := _fault(folder)) is not None:
        warnings.warn(
            f"programs are compiled anew each time, since {folder} {fault}.\n"
            "Mend it, or set OSCULATE_CACHE to another folder.",
            stacklevel=2,
        )
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _fault(folder: Path) -> str | None:
    """What keeps this folder from being used, or None."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
    except OSError as error:
        return f"cannot be made ({error.strerror})"
    if state.st_uid != os.getuid() or state.st_mode & 0o077:
        return "is open to others (chmod 700 closes it)"
    if not os.access(folder, os.W_OK):
        return "cannot be written to"
    return None
