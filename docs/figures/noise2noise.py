"""A signal, its noisy copy and two denoised ones, from noise2noise.json.

python docs/figures/noise2noise.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "benchmarks" / "results"
LINES = {
    "clean": ("#999999", "-", ""),
    "noisy": ("#999999", "", "x"),
    "learned from clean": ("#0072b2", "-", "o"),
    "learned from another noisy copy": ("#d55e00", "--", "s"),
}


def main():
    """Draws the example and writes the SVG beside this script."""
    found = json.loads((RESULTS / "noise2noise.json").read_text())["example"]
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    figure = Figure(figsize=(5.2, 2.9), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    for name, (color, style, marker) in LINES.items():
        look = {"color": color, "ls": style, "marker": marker, "ms": 4}
        axes.plot(found[name], label=name, **look)
    axes.set(xlabel="point", ylabel="signal")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(HERE / "noise2noise.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
