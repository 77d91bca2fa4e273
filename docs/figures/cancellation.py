"""Errors of differences over their step, from benchmarks/results/cancellation.json.

python docs/figures/cancellation.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULT = HERE.parent.parent / "benchmarks" / "results" / "cancellation.json"
GRAY, BLUE, ORANGE = "#999999", "#0072b2", "#d55e00"


def main():
    """Draws the example and the network, and writes the SVG beside this script."""
    found = json.loads(RESULT.read_text())
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    FigureCanvasSVG(figure)
    left, right = figure.subplots(1, 2)
    rows = found["example"]["forward"]
    steps = [row["step"] for row in rows]
    left.loglog(steps, [row["model"] for row in rows], color=GRAY, label="model")
    errors = [row["error"] for row in rows]
    left.loglog(steps, errors, color=BLUE, marker="o", ms=4, label="forward")
    left.axvline(found["example"]["best step"], color=GRAY, ls=":", label="best step")
    left.set(title="10¹⁰ + x² at x = 10/9", ylabel="error of the slope")
    net = found["network"]
    for way, color, marker in (("forward", BLUE, "o"), ("central", ORANGE, "s")):
        style = {"color": color, "marker": marker, "ms": 3, "label": way}
        right.loglog(net["steps"], net[way], **style)
    right.axhline(net["AD"], color=GRAY, label="exact derivative")
    right.set(title="tanh network, 3 hidden layers of 32")
    for axes in (left, right):
        axes.set_xlabel("step")
        axes.grid(alpha=0.25)
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(HERE / "cancellation.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
