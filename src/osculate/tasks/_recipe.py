"""What `run.json` says: what was asked of what, and by which versions."""

import dataclasses
import os
import platform
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from osculate._version import __version__
from osculate.core import InputError
from osculate.data import Table

from ._build import orders_of
from ._settings import Settings

PACKAGES = ("jax", "jaxlib", "equinox", "optax", "numpy")


def versions() -> dict[str, str]:
    """Returns the versions that decide the bits of a run."""
    found = {"osculate": __version__, "python": platform.python_version()}
    return found | {name: version(name) for name in PACKAGES}


def threads() -> int:
    """Returns the number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_of() -> dict[str, Any]:
    """Returns what of a machine decides the bits of a run."""
    return {"system": platform.platform(), "threads": threads()}


def recipe_of(settings: Settings, table: Table, test: Table | None) -> dict[str, Any]:
    """Returns the content of `run.json`."""
    return {
        "kind": "surrogate",
        "settings": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(settings).items()
        },
        "data": {
            "name": table.name,
            "digest": table.digest,
            "rows": len(table),
            "inputs": list(table.inputs),
            "outputs": list(table.outputs),
            "units": table.units,
            "headers": table.headers,
            "orders": list(orders_of(table)),
        },
        "test": None if test is None else {"name": test.name, "digest": test.digest},
        "versions": versions(),
        "machine": machine_of(),
    }


def refuse_other(path: Path, saved: dict[str, Any], asked: dict[str, Any]) -> None:
    """Checks that a run to be continued is the one that was begun.

    Args:
        path: The run's folder.
        saved: The recipe of the run.
        asked: The recipe of this call.

    Raises:
        InputError: If the table, the test table or a choice differs.
    """
    for what, key in (("table", "data"), ("test table", "test")):
        digests = [(r[key] or {}).get("digest") for r in (saved, asked)]
        if digests[0] != digests[1]:
            raise InputError(
                f"{path}: was begun with another {what} ({_name(saved, key)}); "
                f"this one is {_name(asked, key)}.\n"
                "Give the same file with --resume, or another --out."
            )
    refuse_other_settings(path, saved, asked)
    warn_elsewhere(path, saved, asked)


def refuse_other_settings(
    path: Path, saved: dict[str, Any], asked: dict[str, Any]
) -> None:
    """Checks that a run to be continued was begun with the same choices.

    Args:
        path: The run's folder.
        saved: The recipe of the run.
        asked: The recipe of this call.

    Raises:
        InputError: If a choice differs.
    """
    for name, value in asked["settings"].items():
        if saved["settings"].get(name) != value:
            raise InputError(
                f"{path}: was begun with {name} = {saved['settings'].get(name)!r}; "
                f"this call says {value!r}.\n"
                "Give the same options with --resume, or another --out."
            )


def warn_elsewhere(path: Path, saved: dict[str, Any], asked: dict[str, Any]) -> None:
    """Warns where a run is continued elsewhere than it was begun."""
    if (saved["versions"], saved["machine"]) != (asked["versions"], asked["machine"]):
        warnings.warn(
            f"{path}: was begun with other versions or on another machine; the result "
            "will not be the same to the last bit.",
            stacklevel=5,
        )


def _name(recipe: dict[str, Any], key: str) -> str:
    entry = recipe[key]
    return "none" if entry is None else f"{entry['name']}, digest {entry['digest'][:8]}"
