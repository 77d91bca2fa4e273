"""The tables of docs/studies/distillation.md, from benchmarks/results.

python studies/distillation_tables.py
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tables import Row, rendered


def transfer(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then accuracies by what is learned from and pictures a digit."""
    rows = found["transfer"]
    counts = list(dict.fromkeys(row["per class"] for row in rows))
    yield ["learned from", *(f"{n} per digit" for n in counts), f"{counts[0]}, noisy"]
    for way in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == way]
        cells = [f"{row['clean']:.1f} ± {row['clean, spread']:.1f}" for row in own]
        noisy = f"{own[0]['noisy']:.1f} ± {own[0]['noisy, spread']:.1f}"
        yield [way, *cells, noisy]


def robustness(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then accuracies by penalty and noise."""
    rows = found["robustness"]
    yield ["penalty", *(f"noise {noise:g}" for noise in rows[0]["noise"])]
    for row in rows:
        pairs = zip(row["accuracy"], row["spread"], strict=True)
        yield [f"{row['penalty']:g}", *(f"{a:.1f} ± {s:.1f}" for a, s in pairs)]


def small_students(found: dict[str, Any], figure: str) -> Iterator[Row]:
    """Yields the head, then a figure by what is learned from and size."""
    rows = found["students"] + found["more pictures"]
    settings = dict.fromkeys((row["ratio"], row["per class"]) for row in rows)
    few = rows[0]["per class"]
    more = lambda n: "" if n == few else f", {n} per digit"
    yield ["learned from", *(f"{ratio}{more(n)}" for ratio, n in settings)]
    for way in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == way]
        spread = f"{figure}, spread"
        yield [way, *(f"{row[figure]:.1f} ± {row[spread]:.1f}" for row in own)]


def adversarial(found: dict[str, Any], attack: str) -> Iterator[Row]:
    """Yields the head, then accuracies by what is learned from and eps."""
    yield ["learned from", *(f"eps {eps:g}" for eps in found["eps"])]
    for way, attacks in found["learned from"].items():
        if not way.startswith("the "):
            row = attacks[attack]
            pairs = zip(row["accuracy"], row["spread"], strict=True)
            yield [way, *(f"{a:.1f} ± {s:.1f}" for a, s in pairs)]


TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], Iterator[Row]]]] = {
    "transfer": ("distillation", transfer),
    "robustness": ("distillation", robustness),
    "agreement": ("small_students", partial(small_students, figure="agreement")),
    "accuracy": ("small_students", partial(small_students, figure="accuracy")),
    "sign step": ("adversarial", partial(adversarial, attack="sign step")),
    "ten steps": ("adversarial", partial(adversarial, attack="ten steps")),
}


def markdown(name: str) -> str:
    """Returns a table in Markdown."""
    return rendered(*TABLES[name])


if __name__ == "__main__":
    print("\n\n".join(map(markdown, TABLES)))
