"""Bias and variance of relaxed gradients, from gumbel_temperature.json.

python docs/figures/gumbel_temperature.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "benchmarks" / "results"
GRAY = "#999999"
WAYS = {
    "gumbel_softmax": ("#0072b2", "o"),
    "straight_through": ("#d55e00", "s"),
}


def main():
    """Draws both panels and writes the SVG beside this script."""
    found = json.loads((RESULTS / "gumbel_temperature.json").read_text())
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    FigureCanvasSVG(figure)
    temperatures = [row["temperature"] for row in found["rows"]]
    for axes, what in zip(figure.subplots(1, 2), ("bias", "variance"), strict=True):
        for way, (color, marker) in WAYS.items():
            values = [row[way][what] for row in found["rows"]]
            style = {"color": color, "marker": marker, "ms": 4, "label": way}
            axes.loglog(temperatures, values, **style)
        if what == "variance":
            for way, style in (("score", ":"), ("score, less the mean", "--")):
                level = found["unbiased"][way]["variance"]
                axes.axhline(level, color=GRAY, ls=style, label=way)
        axes.set(xlabel="temperature")
        axes.set_xticks(temperatures, labels=map(str, temperatures))
        axes.minorticks_off()
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.axes[0].set_ylabel("bias of the gradient, relative")
    figure.axes[1].set_ylabel("variance of one draw")
    figure.savefig(HERE / "gumbel_temperature.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
