"""Accuracy against the size of one sign step and of ten, from adversarial.json.

python docs/figures/adversarial.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "benchmarks" / "results"
LINES = {
    "labels": ("#999999", "o"),
    "labels, penalty 0.003": ("#56b4e9", "s"),
    "labels, penalty 0.03": ("#0072b2", "s"),
    "logits, penalized teacher": ("#e69f00", "^"),
    "logits + Jacobian, penalized teacher": ("#d55e00", "^"),
}


def draw(axes, found, attack):
    """Draws accuracies under one attack, and of plain networks under random signs."""
    eps, rows = found["eps"], found["learned from"]
    plain = rows["labels"]["random signs"]["accuracy"]
    axes.plot(eps, plain, color="#999999", ls=":", label="labels, random signs")
    for way, (color, marker) in LINES.items():
        row = rows[way][attack]
        look = {"color": color, "marker": marker, "ms": 3, "capsize": 2, "label": way}
        axes.errorbar(eps, row["accuracy"], row["spread"], **look)
    axes.set(xlabel="eps, largest change of a pixel", title=attack, ylim=(0, 100))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def main():
    """Draws both and writes the SVG beside this script."""
    found = json.loads((RESULTS / "adversarial.json").read_text())
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    mpl.rcParams["axes.titlesize"] = 9
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    FigureCanvasSVG(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    draw(left, found, "sign step")
    draw(right, found, "ten steps")
    left.set_ylabel("unseen pictures read (%)")
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(HERE / "adversarial.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
