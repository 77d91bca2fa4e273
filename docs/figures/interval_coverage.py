"""Coverage and width of 95 % intervals, as studies/interval_coverage.py found them.

python docs/figures/interval_coverage.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "benchmarks" / "results"
GRAY, BLUE, ORANGE = "#999999", "#0072b2", "#d55e00"
WAYS = {
    "exact solution": ("exact solution known", GRAY),
    "known sigma": ("covariance, sigma known", BLUE),
    "estimated sigma": ("covariance, sigma estimated", BLUE),
    "(J'J)^-1, once each": ("$(J'J)^{-1}$, observations\ncount once, weight 1", ORANGE),
    "(J'J)^-1, as it is": ("$(J'J)^{-1}$ of the objective,\nweight 1", ORANGE),
}


def main():
    """Draws the figure and writes the SVG beside this script."""
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    found = json.loads((RESULTS / "interval_coverage.json").read_text())
    rows = [found["inverse problem"]["ways"][name] for name in WAYS]
    labels, colors = zip(*WAYS.values(), strict=True)
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    FigureCanvasSVG(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    place = range(len(rows))
    for y, row, color in zip(place, rows, colors, strict=True):
        error = 2 * row["standard error"]
        left.errorbar(row["covered"], y, xerr=error, color=color, marker="o", ms=4)
    left.axvline(0.95, color=GRAY, lw=1)
    left.set(xlabel="share that covers k", xlim=(0.88, 1.01))
    left.set_yticks(place, labels)
    left.invert_yaxis()
    bars = right.barh(place, [row["width"] for row in rows], color=colors, height=0.5)
    right.bar_label(bars, [f"{row['width']:.2g}" for row in rows], padding=3)
    right.set(xscale="log", xlabel="mean width", xlim=(0.05, 40))
    for axes in (left, right):
        axes.grid(alpha=0.25, axis="x")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "interval_coverage.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
