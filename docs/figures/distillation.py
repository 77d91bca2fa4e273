"""Accuracy against pictures per digit, and against noise, from distillation.json.

python docs/figures/distillation.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "benchmarks" / "results"
WAYS = {
    "labels": ("#999999", "o"),
    "logits": ("#d55e00", "s"),
    "logits + Jacobian": ("#0072b2", "^"),
}
COLORS = ("#999999", "#56b4e9", "#0072b2", "#003a5c")


def transfer(axes, rows):
    """Draws accuracies with their spread over seeds."""
    for way, (color, marker) in WAYS.items():
        own = [row for row in rows if row["way"] == way]
        x, y = ([row[key] for row in own] for key in ("per class", "clean"))
        spread = [row["clean, spread"] for row in own]
        look = {"color": color, "marker": marker, "ms": 4, "capsize": 2, "label": way}
        axes.errorbar(x, y, spread, **look)
    axes.set_xscale("log")
    axes.set_xticks([1, 5, 20], ["1", "5", "20"])
    axes.minorticks_off()
    axes.set(xlabel="pictures per digit", ylabel="unseen pictures read (%)")


def robustness(axes, rows):
    """Draws accuracies by penalty."""
    for row, color in zip(rows, COLORS, strict=True):
        label = f"penalty {row['penalty']:g}"
        look = {"color": color, "marker": "o", "ms": 3, "capsize": 2, "label": label}
        axes.errorbar(row["noise"], row["accuracy"], row["spread"], **look)
    axes.set(xlabel="noise on the pixels")


def main():
    """Draws both and writes the SVG beside this script."""
    found = json.loads((RESULTS / "distillation.json").read_text())
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    FigureCanvasSVG(figure)
    left, right = figure.subplots(1, 2)
    transfer(left, found["transfer"])
    robustness(right, found["robustness"])
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(HERE / "distillation.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
