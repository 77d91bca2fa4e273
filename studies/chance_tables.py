"""The tables of docs/studies/chance.md, from benchmarks/results.

python studies/chance_tables.py
"""

from collections.abc import Callable, Iterator
from typing import Any

from tables import Row, rendered


def kl_asymmetry(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then the fits in both directions by the distance of bumps."""
    yield ["bumps at", "forward: mean", "variance", "reverse: mean", "variance"]
    for fit in found["fits"]:
        row = [f"± {fit['apart']:g}"]
        for name in ("forward", "reverse from the right"):
            mean, variance = fit[name]["mean"], fit[name]["scale"] ** 2
            row += [f"{abs(mean):.3f}", f"{variance:.3f}"]
        yield row


def gumbel_temperature(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then bias and variance by temperature."""
    ways = ("gumbel_softmax", "straight_through")
    yield ["temperature", *(f"`{way}`: {w}" for way in ways for w in WHAT)]
    for row in found["rows"]:
        cells = [_spread(row[way]) for way in ways]
        yield [f"{row['temperature']:g}", *cells[0], *cells[1]]


def cramer_rao(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then variances over the bound by N."""
    yield ["N", "mean", "median"]
    for row in found["normal"]:
        cells = [
            f"{row[name]['ratio']:.3f} ± {row[name]['standard error']:.3f}"
            for name in ("mean", "median")
        ]
        yield [str(row["N"]), *cells]


def bessel(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then bias and error by N and denominator."""
    names = ("N", "N - 1", "N + 1")
    yield ["N", *(f"{what}, by {name}" for what in ("bias", "error") for name in names)]
    for row in found["rows"]:
        pairs = [
            f"{row[name][what]:.3f} ({row[name][f'exact {what}']:.3f})"
            for what in ("bias", "error")
            for name in names
        ]
        yield [str(row["sample"]), *pairs]


def noise2noise(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then mean squared errors by target."""
    yield ["target", "mean squared error"]
    for name, error in found["errors"].items():
        yield [name, f"{error:.4f}"]


def calibration(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then measures of three kinds of probabilities."""
    measures = ("cross-entropy", "calibration error", "Brier score", "right")
    yield ["probabilities", *measures]
    for name in ("network", "at the temperature", "true probabilities"):
        yield [name, *(f"{found[name][measure]:.3f}" for measure in measures)]


def tsne(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then what pictures keep."""
    measures = ("neighbours kept", "nearest of the same cluster")
    yield ["picture", "divergence (nats)", *measures]
    for name, row in found["rows"].items():
        title = name if name == "plane" else f"t-SNE, perplexity {name}"
        loss = f"{row['divergence']:.3f}" if "divergence" in row else ""
        yield [title, loss, *(f"{row[measure]:.3f}" for measure in measures)]


def clt_cumulants(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then cumulants of standardized sums, and their entropy."""
    yield ["N", "κ₃", "drawn", "κ₄", "drawn", "κ₆", "entropy below the normal one"]
    for row in found["rows"]:
        kappa, drawn = row["cumulants"], row["drawn"]
        cells = [kappa[2], drawn["skewness"], kappa[3], drawn["kurtosis"], kappa[5]]
        entropy = f"{-row['entropy']:.5f}"
        yield [str(row["N"]), *(f"{cell:.4f}" for cell in cells), entropy]


def landauer(found: dict[str, Any]) -> Iterator[Row]:
    """Yields the head, then bits and heat."""
    yield ["at 300 K", "least"]
    for name, value in found.items():
        if name != "versions":
            yield [name, f"{value:.3g}"]


def _spread(row: dict[str, float]) -> list[str]:
    return [
        f"{row['bias']:.3f} ± {row['standard error']:.3f}",
        f"{row['variance']:.3g}",
    ]


WHAT = ("bias", "variance")
TABLES: dict[str, Callable[[dict[str, Any]], Iterator[Row]]] = {
    rows.__name__: rows
    for rows in (
        kl_asymmetry,
        gumbel_temperature,
        cramer_rao,
        bessel,
        noise2noise,
        calibration,
        tsne,
        clt_cumulants,
        landauer,
    )
}


def markdown(name: str) -> str:
    """Returns a table in Markdown."""
    return rendered(name, TABLES[name])


if __name__ == "__main__":
    print("\n\n".join(map(markdown, TABLES)))
