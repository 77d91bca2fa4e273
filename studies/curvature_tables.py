"""The tables of docs/studies/curvature.md, from benchmarks/results.

python studies/curvature_tables.py
"""

from collections.abc import Callable, Iterator
from typing import Any

from tables import Row, rendered


def momentum(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then rates by condition number, the network last."""
    yield ["curvatures", "κ", *(n for way in WAYS for n in (way, "measured"))]
    rows = [("1 to κ", row) for row in found["rates"]]
    for name, row in [*rows, ("of a network", found["network"])]:
        cells = [f"{row[key]:.4f}" for way in WAYS for key in (way, f"{way}, measured")]
        yield [name, f"{row['condition']:.0f}", *cells]


def three_stage_momentum(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then the best rates by condition number."""
    names = ("square root", "best of three stages", "cube root")
    yield ["κ", "two stages", "three, found by search", "by the cube root"]
    for row in found["rows"]:
        yield [f"{row['condition']:.0f}", *(f"{row[name]:.5f}" for name in names)]


def rmsprop(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then what is left of the loss by angle."""
    ways = ("decaying", "constant", "descent")
    lengths = [name for name in found["angles"][0] if name != "degrees"]
    last = lengths[-1]
    yield ["turned by", *(f"{n} steps" for n in lengths), "constant ε", "descent"]
    for row in found["angles"]:
        cells = [row[n][ways[0]] for n in lengths] + [row[last][w] for w in ways[1:]]
        yield [f"{row['degrees']}°", *(f"{cell:.1f}" for cell in cells)]


def cycles(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then how runs of RMSProp fall and end by memory."""
    yield ["β", "steps to 500 ε", "to 2 ε", "lowest", "highest after", "at the end"]
    for row in found["cycles"]:
        steps = [str(row["steps to half"]), str(row["steps to 2 eps"])]
        low, high = f"{row['lowest']:.0e} ε", f"{row['highest after']:.2f} ε"
        yield [f"{row['beta']:g}", *steps, low, high, f"{row['at the end']:.3f} ε"]


def noise_scale(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then fits of the trade-off and noise scales by loss."""
    yield ["loss", "S_min", "E_min", "B_crit", "off", "B_noise", "B_simple"]
    for fit in found["fits"]:
        cells = [f"{fit[f'fewest {what}']:.3g}" for what in ("steps", "examples")]
        cells += [f"{fit['critical batch']:.0f}", f"{100 * fit['off']:.0f}%"]
        noise = [f"{fit[name]:.0f}" for name in ("noise", "simple")]
        yield [f"{fit['loss']:g}", *cells, *noise]


def natural_gradient(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then the largest distance between paths by step."""
    yield ["step ε", "descent", "natural gradient"]
    for row in found["gaps"]:
        cells = f"{row['descent']:.3f}", f"{row['natural gradient']:.4f}"
        yield [f"{row['step']:g}", *cells]


def conjugate_gradients(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then steps by distinct eigenvalues."""
    yield ["distinct eigenvalues", "steps", "residual"]
    for row in found["distinct"]:
        yield [str(row["distinct"]), str(row["steps"]), f"{row['residual']:.0e}"]


def saddles(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then shares of negative eigenvalues by size."""
    yield ["n", "negative", "of one matrix", "matrices without any"]
    for row in found["negative"]:
        share = f"{row['negative']:.4f} ± {row['standard error']:.4f}"
        yield [str(row["n"]), share, f"{row['one matrix']:.3f}", f"{row['minima']:.4f}"]


def steps(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then steps to a loss and cosines by step size."""
    yield ["ε λ_max", "steps", "cosine of successive gradients"]
    for row in found["steps"]["rows"]:
        yield [f"{row['step']:g}", f"{row['steps']:,}", f"{row['cosine']:.4f}"]


WAYS = ("momentum", "descent")
TABLES: dict[str, tuple[str, Callable[[dict[str, Any]], Iterator[Row]]]] = {
    "momentum": ("momentum", momentum),
    "three_stage_momentum": ("three_stage_momentum", three_stage_momentum),
    "cycles": ("rmsprop", cycles),
    "rmsprop": ("rmsprop", rmsprop),
    "noise_scale": ("noise_scale", noise_scale),
    "natural_gradient": ("natural_gradient", natural_gradient),
    "conjugate_gradients": ("conjugate_gradients", conjugate_gradients),
    "saddles": ("saddles", saddles),
    "steps": ("saddles", steps),
}


def markdown(name: str) -> str:
    """Returns a table in Markdown."""
    return rendered(*TABLES[name])


if __name__ == "__main__":
    print("\n\n".join(map(markdown, TABLES)))
