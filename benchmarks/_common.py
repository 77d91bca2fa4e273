"""What benchmarks of JAX share: facts about the machine, interleaved ratios, JSON."""

import functools
import json
import os
import platform
from typing import Any

import jax

import _clock
from _clock import RESULTS, spread as spread
from osculate import tasks

interleaved = functools.partial(_clock.interleaved, wait=jax.block_until_ready)


def place() -> dict[str, Any]:
    """Returns what must be the same wherever figures are compared."""
    return {
        "versions": tasks.versions(),
        "processors": tasks.threads(),
        "device": str(jax.devices()[0]),
        "system": platform.platform(),
    }


def machine() -> dict[str, Any]:
    """Returns what a reader needs to judge a figure."""
    return {**place(), "load": os.getloadavg()[0]}


def keep(name: str, found: dict[str, Any]) -> None:
    """Writes and prints a result."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), **found}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)
