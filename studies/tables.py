"""The tables of docs/studies/derivatives.md, from benchmarks/results.

python studies/tables.py
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from _keep import RESULTS

Row = list[str]


def cancellation(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then forward differences of 1e10 + x^2 step by step."""
    yield ["step", "forward difference", "error", "model"]
    for row in found["example"]["forward"]:
        error, model = f"{row['error']:.1e}", f"{row['model']:.1e}"
        yield [f"{row['step']:.0e}", f"{row['value']:.8g}", error, model]


def backprop_products(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then products of forward pass and gradients by layers."""
    programs = [name for name in found["backpropagation"][0] if name != "layers"]
    yield ["layers", *programs]
    for row in found["backpropagation"]:
        both = [f"{row[p]['counted']:.0f} ({row[p]['XLA']:.2f})" for p in programs]
        yield [str(row["layers"]), *both]


def operators(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then forward passes of each operator by dimension."""
    passes: dict[str, dict[int, str]] = {}
    for row in found["operators"]:
        passes.setdefault(row["operator"], {})[row["D"]] = f"{row['passes']:.1f}"
    yield ["operator", *[f"D = {D}" for D in next(iter(passes.values()))]]
    for name, cells in passes.items():
        yield [f"`{name}`", *cells.values()]


def symbolic_swell(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then sizes of the gradients at the smallest and largest n."""
    yield ["gradient of", "sympy", "nodes", "parts shared", "JAX"]
    for title, case in (
        ("product of {n} numbers", "product"),
        ("determinant, {n} rows", "determinant"),
        ("tanh network, {n} deep", "network"),
    ):
        rows = found[case]
        for row in (rows[0], rows[len(rows) // 2], rows[-1]):
            sizes = [row[k] for k in ("operations", "nodes", "shared", "equations")]
            yield [title.format(n=row["n"]), *[f"{size:,}" for size in sizes]]


TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], Iterator[Row]]]] = {
    "cancellation": ("cancellation", cancellation),
    "backprop_products": ("backprop_products", backprop_products),
    "operators": ("backprop_products", operators),
    "symbolic_swell": ("symbolic_swell", symbolic_swell),
}


def rendered(result: str, rows: Callable[[dict[str, Any]], Iterator[Row]]) -> str:
    """Returns the table of a result in Markdown, its columns but the first right."""
    head, *body = rows(json.loads((RESULTS / f"{result}.json").read_text()))
    rule = f"|---|{'|'.join(['--:'] * (len(head) - 1))}|"
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *body)]
    return "\n".join([lines[0], rule, *lines[1:]])


def markdown(name: str) -> str:
    """Returns a table in Markdown, its columns but the first set to the right."""
    return rendered(*TABLES[name])


if __name__ == "__main__":
    print("\n\n".join(map(markdown, TABLES)))
