"""What a user waits for: installation, import, first step, steps, memory, warm start.

Absolute seconds of one machine, to see where time goes; not a claim.

    python benchmarks/cost.py
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import keep, spread

ROOT = Path(__file__).parent.parent
RUNS = 7


def seconds(*command: Any, **environment: str) -> float:
    """Runs a command to its end and returns its wall time."""
    begun = time.perf_counter()
    subprocess.run(
        [str(word) for word in command],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    return time.perf_counter() - begun


def installation(folder: Path) -> dict[str, float]:
    """Times a bare virtual environment and `pip install .` without any cache."""
    python = folder / "venv" / "bin" / "python"
    make = seconds(sys.executable, "-m", "venv", folder / "venv")
    install = seconds(python, "-m", "pip", "install", "-q", "--no-cache-dir", ROOT)
    return {"make environment": make, "pip install": install}


def start_up() -> dict[str, Any]:
    """Times `--help` and imports, each in fresh processes, interleaved."""
    python = sys.executable
    ways = {
        "python -c pass": [python, "-c", "pass"],
        "osculate --help": [python, "-m", "osculate", "--help"],
        "import jax": [python, "-c", "import jax"],
        "import jax, osculate": [python, "-c", "import jax, osculate"],
    }
    taken = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, command in ways.items():
            taken[name].append(1e3 * seconds(*command))
    return {f"{name} (ms)": spread(numbers) for name, numbers in taken.items()}


def job(folder: Path, name: str) -> dict[str, float]:
    """Runs the demo and reads from its log when the first chunks and fits ended."""
    run = folder / name
    words = (sys.executable, "-m", "osculate", "demo", "--quiet", "--out", run)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    total = seconds(*words, OSCULATE_CACHE=str(folder / "cache"))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    found = {"whole process": total, "first step": lines[0]["seconds"]}
    for leg in ("derivatives/all rows/descent", "values only/all rows/descent"):
        steps = [line for line in lines if line["leg"] == leg]
        taken = steps[-1]["seconds"] - steps[0]["seconds"]
        found[f"1000 steps, {leg}"] = 1e3 * taken / steps[-1]["step"]
    found["fit"] = lines[-1]["seconds"]
    found["report and save"] = total - lines[-1]["seconds"]
    found["peak memory (MB)"] = max(peak, before) / 1024
    return found


def main() -> None:
    """Measures everything once, in a temporary folder, and keeps the result."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found: dict[str, Any] = {
            "cold demo (s)": job(folder, "cold"),
            "warm demo (s)": job(folder, "warm"),
            "start up": start_up(),
            "installation (s)": installation(folder),
        }
    keep("cost", found)


if __name__ == "__main__":
    main()
