"""What this installation has: versions, devices, folders."""

import importlib.util
import os
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp

from osculate import diff, tasks

from ._cache import cache_folder

EXTRAS = {"io": "pyarrow", "sparse": "asdex"}


def findings() -> dict[str, str]:
    """Returns one line of text for each thing worth knowing."""
    with jax.enable_x64(True):
        x64 = jnp.ones(1).dtype == jnp.float64
    here, cache = Path.cwd(), cache_folder()
    found = dict(tasks.versions())
    found["devices"] = ", ".join(str(d) for d in jax.devices())
    found["processors"] = f"{tasks.threads()} usable of {os.cpu_count()}"
    found["float64"] = "works inside tasks" if x64 else "does not work on this device"
    found["derivatives"] = _exact_derivatives()
    found["x64 by default"] = "on" if jax.config.read("jax_enable_x64") else "off"
    found["this folder"] = f"{here} ({_writable(here)})"
    nearest = next(p for p in (cache, *cache.parents) if p.exists())
    found["compilation cache"] = f"{cache} ({_writable(nearest)})"
    for extra, module in EXTRAS.items():
        missing = importlib.util.find_spec(module) is None
        how = f"missing: python -m pip install 'osculate[{extra}]'"
        found[f"extra {extra}"] = how if missing else f"{module} installed"
    return found


def _exact_derivatives() -> str:
    """Compares sin'(0) = 1 and sin''(0) = 0, which hold to the last bit."""
    slope = diff.partial(lambda x: jnp.sin(x[0]), "u_x", over="x")
    curvature = diff.partial(lambda x: jnp.sin(x[0]), "u_xx", over="x")
    at = jnp.zeros(1)
    return "exact" if (slope(at), curvature(at)) == (1, 0) else "wrong on this device"


def _writable(folder: Path) -> str:
    """Tries it: permissions alone do not tell of full or read-only disks."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return f"not writable: {error.strerror}"
    return "writable"
