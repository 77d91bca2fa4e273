"""The picture of the README, from benchmarks/results/water.json.

python docs/figures/derivatives_bought.py
"""

import json
import statistics
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULT = HERE.parent.parent / "benchmarks" / "results" / "water.json"
POINTS = (50, 100, 200, 400)
PANELS = {
    "Values": (("h", "rho"), (0.001, 0.01, 0.1, 1)),
    "First derivatives": (("h_T", "h_p", "rho_T", "rho_p"), (1, 2, 5, 10, 20, 50)),
}
LINES = {
    "values only": ("values + gradients", "values only", "#999999", "o"),
    "values + gradients": ("values + gradients", "with", "#0072b2", "s"),
    "values + gradients + Hessians": (
        "values + gradients + Hessians",
        "with",
        "#d55e00",
        "^",
    ),
}


def error(found, title, arm, points, names, level):
    """Returns the geometric mean over the names of RRMSE, in percent."""
    of = found[f"{title}, {points} points"][arm]
    return 100 * statistics.geometric_mean(of[name][level] for name in names)


def main():
    """Draws both panels and writes the SVG beside this script."""
    found = json.loads(RESULT.read_text())
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    FigureCanvasSVG(figure)
    for axes, (panel, (names, ticks)) in zip(
        figure.subplots(1, 2), PANELS.items(), strict=True
    ):
        for label, (title, arm, color, marker) in LINES.items():
            low, middle, high = (
                [error(found, title, arm, n, names, level) for n in POINTS]
                for level in ("low", "median", "high")
            )
            axes.fill_between(POINTS, low, high, color=color, alpha=0.2, lw=0)
            axes.loglog(POINTS, middle, color=color, marker=marker, ms=4, label=label)
        axes.set(title=panel, xlabel="rows of the table")
        axes.set_xticks(POINTS, labels=map(str, POINTS))
        axes.minorticks_off()
        axes.set_yticks(ticks, labels=map(str, ticks))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("error on 2,000 test rows\n(RRMSE, %)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(HERE / "derivatives_bought.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
