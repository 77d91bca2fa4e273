"""Agreement with the teacher and accuracy against size, from small_students.json.

python docs/figures/small_students.py
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


def draw(axes, rows, name):
    """Draws one figure of all students with its spread over seeds."""
    for way, (color, marker) in WAYS.items():
        own = [row for row in rows if row["way"] == way]
        x, y = ([row[key] for row in own] for key in ("exact ratio", name))
        spread = [row[f"{name}, spread"] for row in own]
        look = {"color": color, "marker": marker, "ms": 4, "capsize": 2, "label": way}
        axes.errorbar(x, y, spread, **look)
    axes.set_xscale("log")
    axes.set_xticks([1 / 64, 1 / 16, 1 / 4, 1], ["1/64", "1/16", "1/4", "1"])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def main():
    """Draws both and writes the SVG beside this script."""
    found = json.loads((RESULTS / "small_students.json").read_text())
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    FigureCanvasSVG(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    size = "numbers of the student over the teacher's"
    draw(left, found["students"], "agreement")
    left.set(xlabel=size, ylabel="read as the teacher reads (%)")
    draw(right, found["students"], "accuracy")
    right.axhline(found["teacher"]["accuracy"], color="#999999", ls=":")
    right.set(xlabel=size, ylabel="read right (%)")
    right.legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(HERE / "small_students.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
