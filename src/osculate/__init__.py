"""Derivative-informed machine learning in JAX.

Rooms, from the ground up: `core` and `store`, `diff`, `chance`, `nets` and `data`,
`match`, `train` and `curve`, `solve`, `report`, `tasks`. They are imported when first
named.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from . import (
        chance as chance,
        core as core,
        curve as curve,
        data as data,
        diff as diff,
        match as match,
        nets as nets,
        report as report,
        solve as solve,
        store as store,
        tasks as tasks,
        train as train,
    )
    from .tasks import load as load

ROOMS = (
    "chance",
    "core",
    "curve",
    "data",
    "diff",
    "match",
    "nets",
    "report",
    "solve",
    "store",
    "tasks",
    "train",
)


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "load":
        return importlib.import_module(f"{__name__}.tasks").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*ROOMS, "load", "__version__"])
