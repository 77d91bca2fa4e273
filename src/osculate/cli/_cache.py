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
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
        if state.st_uid != os.getuid() or state.st_mode & 0o077:
            raise PermissionError(
                f"{folder} is open to others; run: chmod 700 {folder}"
            )
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} cannot be written to")
    except OSError as error:
        warnings.warn(f"no compilation cache: {error}", stacklevel=2)
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
