"""Clusters in the plane of largest variance and by t-SNE, from tsne.json.

python docs/figures/tsne.py
"""

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "benchmarks" / "results"
TITLES = {"plane": "Plane of the largest variance", "t-SNE": "t-SNE"}


def main():
    """Draws both pictures and writes the SVG beside this script."""
    found = json.loads((RESULTS / "tsne.json").read_text())
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    figure = Figure(figsize=(6.0, 2.9), layout="constrained")
    FigureCanvasSVG(figure)
    for axes, (name, title) in zip(figure.subplots(1, 2), TITLES.items(), strict=True):
        x, y = zip(*found["pictures"][name], strict=True)
        axes.scatter(x, y, c=found["labels"], cmap="tab10", s=5, lw=0)
        axes.set(title=title, xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    figure.savefig(HERE / "tsne.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
