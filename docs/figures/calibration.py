"""Frequency over confidence before and after the temperature, from calibration.json.

python docs/figures/calibration.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "benchmarks" / "results"
LINES = {"network": ("#d55e00", "s"), "at the temperature": ("#0072b2", "o")}


def main():
    """Draws the bins and writes the SVG beside this script."""
    found = json.loads((RESULTS / "calibration.json").read_text())
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    figure = Figure(figsize=(3.4, 3.1), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#999999", ls=":")
    for name, (color, marker) in LINES.items():
        bins = found[name]["bins"]
        style = {"color": color, "marker": marker, "ms": 4, "label": name}
        axes.plot(bins["confidence"], bins["frequency"], **style)
    axes.set(xlabel="largest probability", ylabel="share that is right")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(HERE / "calibration.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
