"""Where the studies leave what they found: beside the results of the benchmarks."""

import json
from pathlib import Path
from typing import Any

from osculate import tasks

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"


def keep(name: str, found: dict[str, Any]) -> None:
    """Writes a result as JSON, with the versions that it was found with.

    Args:
        name: Name of the study, and of the file.
        found: What JSON can hold.
    """
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"versions": tasks.versions(), **found}, indent=1)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)
