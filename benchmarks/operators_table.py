"""The table of the operator benchmarks in Markdown, for the page on derivatives.

Of every case: the time of ours by that of the best other way of JAX (below 1: ours is
faster) in both precisions, with the quartiles of ours against itself; the time of the
best way of eager PyTorch, from another process, by ours (above 1: ours is faster); the
time to compile ours by the least of the others, the larger of both precisions; the
products of ours by those of one forward pass. Where the best way differs with the
precision, that of float32 stands first.

    python benchmarks/operators_table.py [--operator]
"""

import argparse
import math
import statistics
from typing import Any, NamedTuple

from _cases import CASES, TOLERANCES, Case
from _clock import read

WORDS = ("set", "D", "width", "best other way")
NUMBERS = (
    *TOLERANCES,
    *(f"PyTorch, {dtype}" for dtype in TOLERANCES),
    "compilation",
    "forwards",
)


class Cell(NamedTuple):
    """One case in one precision.

    Attributes:
        best: The fastest way that is not ours.
        ratio: Time of ours by that of the best.
        band: Quartiles of ours by ours.
        torch: Time of the best way of PyTorch by ours; nan if there is none.
        compilation: Time to compile ours by the least of the others.
        forwards: Products of ours by those of a forward pass.
    """

    best: str
    ratio: float
    band: tuple[float, float]
    torch: float
    compilation: float
    forwards: float


EMPTY = Cell("", math.nan, (math.nan, math.nan), math.nan, math.nan, math.nan)


def cell(entry: dict[str, Any], torch: dict[str, Any], kind: str, steps: int) -> Cell:
    """Reads one case in one precision.

    Args:
        entry: Of `operators.json`.
        torch: Of `operators_torch.json`, or empty.
        kind: `"step"` or `"operator"`.
        steps: Steps in a call that was timed.

    Returns:
        What the table needs.
    """
    times, facts = entry[kind], entry["facts"]
    others = [name for name in facts if not name.startswith("engine")]
    best = min(others, key=lambda name: times[name]["ratio"]["median"])
    ours = times["engine"]["milliseconds"]["median"] / 1e3 / steps
    theirs = [t["median"] for name, t in torch.get(kind, {}).items() if name != "A/A"]
    alone = lambda name: facts[name]["operator alone"]
    part = facts.__getitem__ if kind == "step" else alone
    compiled = lambda name: part(name)["compile seconds"]
    return Cell(
        best,
        1 / times[best]["ratio"]["median"],
        (times["A/A"]["ratio"]["low"], times["A/A"]["ratio"]["high"]),
        min(theirs, default=math.nan) / ours,
        compiled("engine") / min(compiled(name) for name in others),
        facts["engine"]["dot FLOPs in forwards"],
    )


def cells(kind: str) -> dict[Case, list[Cell]]:
    """Reads what has been measured of every case, one cell per precision."""
    kept, others = read("operators"), read("operators_torch")
    found: dict[Case, list[Cell]] = {}
    for case in CASES:
        entries = kept.get("cases", {}).get(case.name, {})
        torch = others.get("cases", {}).get(case.name, {})
        if entries:
            steps = kept["steps in a call"]
            found[case] = [
                cell(entries[d], torch.get(d, {}), kind, steps)
                if d in entries
                else EMPTY
                for d in TOLERANCES
            ]
    return found


def known(numbers: list[float]) -> list[float]:
    """Returns what is a number."""
    return [x for x in numbers if not math.isnan(x)]


def digits(x: float) -> str:
    """Returns two digits after the point, or a dash."""
    return "-" if math.isnan(x) else f"{x:.2f}"


def row(case: Case, both: list[Cell]) -> list[str]:
    """Returns one case in words."""
    name = f"`{case.operator}`" if "_" in case.operator else case.operator
    best = dict.fromkeys(c.best for c in both if c.best)
    band = lambda c: " to ".join(digits(x) for x in c.band)
    ratio = lambda c: f"{digits(c.ratio)} ({band(c)})" if c.best else digits(c.ratio)
    return [
        name + (", trial function" if case.trial else ""),
        str(case.size),
        str(case.width),
        "; ".join(best),
        *(ratio(c) for c in both),
        *(digits(c.torch) for c in both),
        digits(max(known([c.compilation for c in both]))),
        digits(max(known([c.forwards for c in both]))),
    ]


def totals(found: list[list[Cell]]) -> list[list[str]]:
    """Returns the geometric means over the cases, and the worst case."""
    columns = [
        *(known([both[i].ratio for both in found]) for i in range(len(TOLERANCES))),
        *(known([both[i].torch for both in found]) for i in range(len(TOLERANCES))),
        [max(known([c.compilation for c in both])) for both in found],
    ]
    worst = [max, max, min, min, max]
    mean = lambda numbers: statistics.geometric_mean(numbers) if numbers else math.nan
    least = lambda end, numbers: end(numbers) if numbers else math.nan
    ends = [least(end, column) for end, column in zip(worst, columns, strict=True)]
    blank = [""] * (len(WORDS) - 1)
    return [
        ["geometric mean", *blank, *(digits(mean(column)) for column in columns), ""],
        ["worst", *blank, *(digits(end) for end in ends), ""],
    ]


def main() -> None:
    """Prints the table of the training step, or of the operator alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operator", action="store_true", help="the operator alone")
    kind = "operator" if parser.parse_args().operator else "step"
    found = cells(kind)
    line = lambda parts: "| " + " | ".join(parts) + " |"
    print(line([*WORDS, *NUMBERS]))
    print("|" + "|".join(["---"] * len(WORDS) + ["--:"] * len(NUMBERS)) + "|")
    rows = [row(case, both) for case, both in found.items()]
    for parts in [*rows, *totals(list(found.values()))]:
        print(line(parts))


if __name__ == "__main__":
    main()
