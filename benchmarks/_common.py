"""What every benchmark shares: facts about the machine, interleaved ratios, JSON."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from osculate import tasks

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """Returns what a reader needs to judge a figure."""
    return {
        "versions": tasks.versions(),
        "processors": tasks.threads(),
        "device": str(jax.devices()[0]),
        "system": platform.platform(),
        "load": os.getloadavg()[0],
    }


def spread(numbers: list[float]) -> dict[str, float]:
    """Returns median and quartiles."""
    low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return {"median": middle, "low": low, "high": high}


def interleaved(ways: dict[str, Callable[[], Any]], *, rounds: int) -> dict[str, Any]:
    """Times ways in turn, A B A B ..., the first of them twice: the A/A band.

    Args:
        ways: Functions whose results can be waited for; the first is the base. All must
            have been called once, so that nothing compiles under the clock.
        rounds: How often each is called.

    Returns:
        Milliseconds of each way and its ratio to the base, pair by pair.
    """
    base = next(iter(ways))
    turns = {**ways, "A/A": ways[base]}
    taken: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, way in turns.items():
            begun = time.perf_counter()
            jax.block_until_ready(way())
            taken[name].append(1e3 * (time.perf_counter() - begun))
    ratio = lambda name: [a / b for a, b in zip(taken[name], taken[base], strict=True)]
    return {
        name: {"milliseconds": spread(taken[name]), "ratio": spread(ratio(name))}
        for name in turns
    }


def keep(name: str, found: dict[str, Any]) -> None:
    """Writes and prints a result."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"machine": machine(), **found}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)
