"""The B777 engine deck (1,056 points, all partials): fit on half, measure on the rest.

The data come with the SMT toolbox (BSD-3-Clause); give the folder that holds
`b777_engine_{inputs,outputs,derivs}.dat`.

    python benchmarks/engine_deck.py FOLDER [--seeds 5]
"""

import argparse
from pathlib import Path

import numpy as np

from _common import keep, spread
from osculate import data, tasks

INPUTS, OUTPUTS = ("mach", "altitude", "throttle"), ("thrust", "consumption")


def deck(folder: Path) -> data.Table:
    """Returns the whole table."""
    read = lambda what: np.loadtxt(folder / f"b777_engine_{what}.dat")
    return data.table(
        read("inputs").reshape(-1, 3),
        read("outputs").reshape(-1, 2),
        jacobian=read("derivs").reshape(-1, 2, 3),
        inputs=INPUTS,
        outputs=OUTPUTS,
    )


def main() -> None:
    """Fits on alternating halves and keeps the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    table = deck(options.folder)
    runs = []
    for seed in range(options.seeds):
        order = np.random.default_rng(seed).permutation(len(table))
        half = len(table) // 2
        runs.append(
            tasks.surrogate(
                table.rows(order[:half]),
                test=table.rows(order[half:]),
                compare=True,
                seed=seed,
            )
        )
    arms = {"with": lambda r: r.metrics, "values only": lambda r: r.values_only}
    found = {
        arm: {n: spread([of(r)[n]["rrmse"] for r in runs]) for n in of(runs[0])}
        for arm, of in arms.items()
    }
    seconds = spread([r.result.stats["seconds"] for r in runs])
    network = runs[0].page.facts["Configuration"]["network"]
    facts = {"rows": len(table), "seeds": options.seeds, "network": network}
    keep("engine_deck", {**facts, **found, "seconds": seconds})


if __name__ == "__main__":
    main()
