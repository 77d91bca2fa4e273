"""Timing in turns and keeping results, with the standard library alone."""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def spread(numbers: list[float]) -> dict[str, float]:
    """Returns median and quartiles."""
    low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return {"median": middle, "low": low, "high": high}


def interleaved(
    ways: dict[str, Callable[[], Any]],
    *,
    rounds: int,
    wait: Callable[[Any], Any] = lambda result: result,
) -> dict[str, Any]:
    """Times ways in turn, A B A B ..., the first of them twice: the A/A band.

    Args:
        ways: Functions whose results can be waited for; the first is the base. All must
            have been called once, so that nothing compiles under the clock.
        rounds: How often each is called, at least twice.
        wait: Waits for a result.

    Returns:
        Milliseconds of each way and its ratio to the base, pair by pair.
    """
    base = next(iter(ways))
    turns = {**ways, "A/A": ways[base]}
    taken: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, way in turns.items():
            begun = time.perf_counter()
            wait(way())
            taken[name].append(1e3 * (time.perf_counter() - begun))
    ratio = lambda name: [a / b for a, b in zip(taken[name], taken[base], strict=True)]
    return {
        name: {"milliseconds": spread(taken[name]), "ratio": spread(ratio(name))}
        for name in turns
    }


def in_a_process(
    script: str, *words: Any, env: dict[str, str] | None = None
) -> dict[str, Any]:
    """Runs `script --one WORDS` in a process of its own that has compiled nothing.

    Args:
        script: The file of a benchmark; its last line on stdout is one JSON object.
        words: What follows `--one`.
        env: Its environment; by default this one.

    Returns:
        The object.

    Raises:
        RuntimeError: With the end of what it wrote, if it fails.
    """
    command = [sys.executable, script, "--one", *map(str, words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def read(name: str) -> dict[str, Any]:
    """Returns a kept result; an empty one if there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _kind(machine: dict[str, Any]) -> dict[str, Any]:
    """Leaves out the build of the kernel, in which machines of one kind differ."""
    build = r"^(Linux-[\d.]+)-.*?-(x86_64|aarch64)"
    return machine | {"system": re.sub(build, r"\1-\2", machine["system"])}


def merge(name: str, head: dict[str, Any], case: str, entries: dict[str, Any]) -> None:
    """Adds the entries of one case to a result and leaves the others as they are.

    Args:
        name: The result.
        head: What holds for all cases, `"machine"` among it, without its load.
        case: The name of the case.
        entries: What replaces its entries of the same names.

    Raises:
        ValueError: If the kept cases were measured elsewhere, or with other versions.
    """
    kept = read(name)
    cases = kept.get("cases", {})
    if cases and _kind(kept["machine"]) != _kind(head["machine"]):
        raise ValueError(
            f"`merge`: {name}.json holds cases of {kept['machine']}, this is "
            f"{head['machine']}; they do not belong together. Move the file away first."
        )
    cases[case] = cases.get(case, {}) | entries
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({**head, "cases": cases}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
