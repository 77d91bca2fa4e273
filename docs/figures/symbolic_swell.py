"""Sizes of gradients, from benchmarks/results/symbolic_swell.json.

python docs/figures/symbolic_swell.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULT = HERE.parent.parent / "benchmarks" / "results" / "symbolic_swell.json"
PANELS = {
    "product": ("Product of n numbers", "n"),
    "determinant": ("Determinant", "rows"),
    "network": ("tanh network, width 3", "hidden layers"),
}
LINES = {
    "operations": ("sympy, operations", "#d55e00", "^"),
    "shared": ("sympy, common parts shared", "#999999", "o"),
    "equations": ("JAX, equations of the trace", "#0072b2", "s"),
}


def main():
    """Draws the three cases and writes the SVG beside this script."""
    found = json.loads(RESULT.read_text())
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    FigureCanvasSVG(figure)
    for axes, (case, (title, label)) in zip(
        figure.subplots(1, 3), PANELS.items(), strict=True
    ):
        n = [row["n"] for row in found[case]]
        for size, (name, color, marker) in LINES.items():
            sizes = [row[size] or None for row in found[case]]  # none at 0
            axes.semilogy(
                n, sizes, color=color, marker=marker, ms=4, lw=1.2, label=name
            )
        axes.set(title=title, xlabel=label)
        axes.set_xticks(n[:: 1 + len(n) // 6])
        axes.minorticks_off()
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_yticks((2, 5, 10, 20, 50), labels=("2", "5", "10", "20", "50"))
    figure.axes[0].set_ylabel("size of the gradient")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(HERE / "symbolic_swell.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
