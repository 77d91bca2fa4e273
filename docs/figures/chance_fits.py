"""Two bumps and the normal laws fitted to them, from kl_asymmetry.json.

python docs/figures/chance_fits.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "benchmarks" / "results"
GRAY, BLUE, ORANGE = "#999999", "#0072b2", "#d55e00"


def main():
    """Draws the densities and writes the SVG beside this script."""
    found = json.loads((RESULTS / "kl_asymmetry.json").read_text())
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    figure = Figure(figsize=(5.2, 3.0), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    curves = found["densities"]
    axes.fill_between(curves["x"], curves["p"], color=GRAY, alpha=0.4, lw=0, label="p")
    axes.plot(curves["x"], curves["forward"], color=BLUE, label="least KL(p, q)")
    for side, style in (("right", "-"), ("left", "--")):
        label = f"least KL(q, p), from the {side}"
        line = curves[f"reverse from the {side}"]
        axes.plot(curves["x"], line, color=ORANGE, ls=style, label=label)
    axes.set(xlabel="x", ylabel="density", xlim=(-9, 9), ylim=(0, None))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=8)
    figure.savefig(HERE / "chance_fits.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
