"""Four pictures of the chance page, from the results of their studies.

python docs/figures/chance_laws.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "benchmarks" / "results"
GRAY, BLUE, ORANGE = "#999999", "#0072b2", "#d55e00"


def main():
    """Draws each and writes the SVG beside this script."""
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    for name, draw in {
        "cramer_rao": cramer_rao,
        "bessel": bessel,
        "clt_cumulants": cumulants,
        "landauer": landauer,
    }.items():
        found = json.loads((RESULTS / f"{name}.json").read_text())
        figure = Figure(figsize=(5.2, 3.0), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        draw(axes, found)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper center", ncols=3, frameon=False)
        figure.savefig(HERE / f"{name}.svg", metadata={"Date": None})


def cramer_rao(axes: Axes, found):
    """Draws variances of two estimators in units of the bound."""
    rows = found["normal"]
    N = [row["N"] for row in rows]
    axes.axhline(1.0, color=GRAY, lw=1, label="the bound")
    axes.axhline(found["limit of the median"], color=GRAY, ls=":", label="π / 2")
    for name, color, marker in (("mean", BLUE, "o"), ("median", ORANGE, "s")):
        ratio = [row[name]["ratio"] for row in rows]
        error = [2 * row[name]["standard error"] for row in rows]
        axes.errorbar(N, ratio, error, color=color, marker=marker, ms=4, label=name)
    axes.set(xscale="log", xlabel="N", ylabel="variance over σ² / N", ylim=(0.9, 1.7))
    axes.set_xticks(N, [str(n) for n in N])
    axes.minorticks_off()


def bessel(axes: Axes, found):
    """Draws the bias of three divisors, exact lines and drawn points."""
    rows = found["rows"]
    N = [row["sample"] for row in rows]
    styles = {"N - 1": (BLUE, "o"), "N": (GRAY, "s"), "N + 1": (ORANGE, "^")}
    for name, (color, marker) in styles.items():
        axes.plot(N, [row[name]["exact bias"] for row in rows], color=color, lw=1)
        drawn = [row[name]["bias"] for row in rows]
        axes.plot(N, drawn, marker, color=color, ms=4, label=f"divided by {name}")
    axes.set(xscale="log", xlabel="N", ylabel="bias of the variance, in σ²")
    axes.set_xticks(N, [str(n) for n in N])
    axes.minorticks_off()


def cumulants(axes: Axes, found):
    """Draws standardized cumulants against the number of terms of the sum."""
    rows = found["rows"]
    N = [row["N"] for row in rows]
    marks = ((3, BLUE, "skewness"), (4, ORANGE, "kurtosis"), (6, GRAY, None))
    for order, color, name in marks:
        exact = [row["cumulants"][order - 1] for row in rows]
        axes.plot(N, exact, color=color, lw=1, label=f"cumulant {order}")
        if name:
            axes.plot(N, [row["drawn"][name] for row in rows], "o", color=color, ms=4)
    axes.set(xscale="log", yscale="log", xlabel="terms of the sum", ylabel="cumulant")
    axes.set_xticks(N, [str(n) for n in N])
    axes.minorticks_off()


def landauer(axes: Axes, found):
    """Draws what a graphics processor takes over what forgetting takes."""
    least = found["1e14 operations of 16 bits a second (W)"]
    taken = least * found["250 W over that"]
    labels = (
        "least, to forget\n1e14 sums a second",
        "a processor of 2017\nthat adds them",
    )
    bars = axes.barh(labels, (least, taken), color=(BLUE, ORANGE), height=0.5)
    axes.bar_label(bars, (f"{1e6 * least:.1f} µW", f"{taken:.0f} W"), padding=4)
    axes.set(xscale="log", xlabel="power (W)", xlim=(1e-7, 1e5))


if __name__ == "__main__":
    main()
