"""Pictures of the curvature page, from the results of their studies.

python docs/figures/curvature_studies.py
"""

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "benchmarks" / "results"
GRAY, BLUE, ORANGE, GREEN = "#999999", "#0072b2", "#d55e00", "#009e73"
SHADES = LinearSegmentedColormap.from_list("shades", [BLUE, "#ffffff"])


def main():
    """Draws each and writes the SVG beside this script."""
    mpl.rcParams.update({"svg.hashsalt": "osculate", "font.size": 9})
    for name, draw in {
        "momentum": momentum,
        "three_stage_momentum": three_stage_momentum,
        "rmsprop": rmsprop,
        "noise_scale": noise_scale,
        "natural_gradient": natural_gradient,
        "conjugate_gradients": conjugate_gradients,
        "saddles": saddles,
    }.items():
        found = json.loads((RESULTS / f"{name}.json").read_text())
        figure = Figure(figsize=(7.0, 3.1), layout="constrained")
        FigureCanvasSVG(figure)
        left, right = figure.subplots(1, 2)
        draw(left, right, found)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(frameon=False, fontsize=8)
        figure.savefig(HERE / f"{name}.svg", metadata={"Date": None})


def momentum(left: Axes, right: Axes, found):
    """Draws the plane of momentum with its phases, and rates by condition number."""
    part, m = np.meshgrid(np.linspace(0, 4.2, 127), np.linspace(0, 1, 61))
    root = np.sqrt((1 + m - part) ** 2 - 4 * m + 0j)
    radius = np.maximum(abs(1 + m - part + root), abs(1 + m - part - root)) / 2
    levels = np.linspace(0, 1, 11)
    left.contourf(part, m, np.minimum(radius, 1), levels, cmap=SHADES, alpha=0.6)
    edge = np.linspace(0, 1, 201)
    for side in (1, -1):
        left.plot((1 - side * np.sqrt(edge)) ** 2, edge, color=GRAY, lw=1)
    left.plot(2 * (1 + edge), edge, color=ORANGE, lw=1.5)
    for row in found["phases"]:
        at = row["step times curvature"], row["momentum"]
        color = ORANGE if row["phase"] == "divergent" else BLUE
        left.plot(*at, "o", color=color, ms=3)
        text, aside = f"{row['measured']:.2f}", -19 if at == (3.79, 0.9) else 3
        left.annotate(text, at, (aside, 3), textcoords="offset points", fontsize=6.5)
    for (text, at), where in {
        ("overdamped", (0.03, 0.42)): (0.45, 0.63),
        ("oscillating", (1.2, 0.32)): (1.2, 0.32),
        ("alternating", (2.15, 0.06)): (2.7, 0.09),
        ("divergent", (3.1, 0.3)): (3.1, 0.3),
    }.items():
        arrow = {"arrowstyle": "-", "color": GRAY} if at != where else None
        left.annotate(text, at, where, arrowprops=arrow, style="italic", fontsize=8)
    left.set(xlabel="ε λ", ylabel="m", xlim=(0, 4.2), ylim=(-0.02, 1.0))
    k = np.geomspace(2, 2000)
    for name, power, color in (("momentum", 0.5, BLUE), ("descent", 1, ORANGE)):
        ratio = (k**power - 1) / (k**power + 1)
        right.plot(k, -1 / np.log(ratio), color=color, lw=1)
        for rows, marker, label in (
            (found["rates"], "o", name),
            ([found["network"]], "*", f"{name}, network"),
        ):
            steps = [-1 / np.log(row[f"{name}, measured"]) for row in rows]
            x = [row["condition"] for row in rows]
            size = 4 if marker == "o" else 9
            right.plot(x, steps, marker, color=color, ms=size, label=label)
    right.set(xscale="log", yscale="log", xlabel="κ", ylabel="steps per factor e")
    right.grid(alpha=0.25)


def three_stage_momentum(left: Axes, right: Axes, found):
    """Draws steps by condition number, and factors by curvature."""
    rows = found["rows"]
    k = [row["condition"] for row in rows]
    steps = lambda name: [-1 / np.log(row[name]) for row in rows]
    left.plot(k, steps("square root"), color=BLUE, lw=1, label="two stages")
    search = {"color": ORANGE, "ms": 5, "mfc": "none", "label": "three, by search"}
    left.plot(k, steps("best of three stages"), "o", **search)
    left.plot(k, steps("cube root"), color=GRAY, ls=":", label="by the cube root")
    left.set(xscale="log", yscale="log", xlabel="κ", ylabel="steps per factor e")
    curves = found["by curvature"]
    condition, x = curves["condition"], np.array(curves["x"])
    curvature = 1 + (condition - 1) * (x + 1) / 2
    right.axhline(1, color=GRAY, lw=1)
    right.plot(curvature, curves["two stages"], color=BLUE, label="two stages")
    name = "three stages for two curvatures"
    right.plot(curvature, curves[name], color=ORANGE, label="three, for both ends")
    ends = [1, (1 + condition) / 2, condition]
    right.plot(ends, curves[f"{name}, runs"], "o", color=ORANGE, ms=4)
    right.set(xlabel="curvature", ylabel="factor per step", ylim=(0.6, 1.3))
    left.grid(alpha=0.25)
    right.grid(alpha=0.25)


def rmsprop(left: Axes, right: Axes, found):
    """Draws distances by step, and losses by the angle to the axes."""
    colors = (GRAY, BLUE, ORANGE)
    for (beta, run), color in zip(found["runs"].items(), colors, strict=True):
        distance = np.maximum(run["theta over eps"], 1e-13)
        left.plot(run["step"], distance, color=color, lw=1, label=f"β = {beta}")
    left.set(xscale="log", yscale="log", xlabel="step", ylabel="|θ| / ε")
    rows = found["angles"]
    degrees = [row["degrees"] for row in rows]
    for name, color in (("300", GRAY), ("1000", BLUE), ("3000", ORANGE)):
        left_over = [row[name]["decaying"] for row in rows]
        right.plot(degrees, left_over, "o-", color=color, ms=4, label=f"{name} steps")
    of_descent = [row["3000"]["descent"] for row in rows]
    right.plot(degrees, of_descent, color="black", ls=":", label="descent, 3000")
    right.set(xscale="symlog", xlabel="angle to the axes (°)", xlim=(-0.1, 60))
    right.set_xticks(degrees, [str(d) for d in degrees])
    right.set(ylabel="log₁₀ of the loss left")
    right.minorticks_off()
    left.grid(alpha=0.25)
    right.grid(alpha=0.25)


def noise_scale(left: Axes, right: Axes, found):
    """Draws steps against examples, and noise scales on the way."""
    for fit, color in zip(found["fits"], (GRAY, BLUE, ORANGE), strict=True):
        runs = [row for row in found["runs"] if row["loss"] == fit["loss"]]
        steps = np.array([row["steps"] for row in runs])
        examples = steps * [row["batch"] for row in runs]
        B = np.geomspace(1, 4000)
        S = fit["fewest steps"] * (1 + fit["critical batch"] / B)
        left.plot(S, S * B, color=color, lw=1)
        left.plot(steps, examples, "o", color=color, ms=4, label=f"to {fit['loss']:g}")
        both = 2 * fit["fewest steps"], 2 * fit["fewest examples"]
        left.plot(*both, "x", color=color, ms=6)
    left.set(xscale="log", yscale="log", xlabel="steps", ylabel="examples")
    noise = found["noise"]
    loss = [row["loss"] for row in noise]
    for name, title, color in (
        ("critical", "B_noise", BLUE),
        ("simple", "B_simple", ORANGE),
    ):
        values = [row[name] for row in noise]
        right.plot(loss, values, ".", color=color, ms=4, label=title)
    goals = [fit["loss"] for fit in found["fits"]]
    critical = [fit["critical batch"] for fit in found["fits"]]
    right.plot(goals, critical, "D-", color="black", ms=4, lw=1, label="B_crit")
    right.set(xscale="log", yscale="log", xlabel="loss", ylabel="rows")
    right.set_xticks([2, 1, 0.5, 0.2], ["2", "1", "0.5", "0.2"])
    right.set_xticks([], minor=True)
    right.invert_xaxis()
    left.grid(alpha=0.25)
    right.grid(alpha=0.25)


def natural_gradient(left: Axes, right: Axes, found):
    """Draws the paths of both methods in the same plane."""
    styles = (BLUE, "-"), (ORANGE, "--"), (GREEN, ":")
    for axes, (kind, paths) in zip((left, right), found["paths"].items(), strict=True):
        for (name, path), (color, line) in zip(paths.items(), styles, strict=True):
            mean, log_scale = np.array(path).T
            axes.plot(mean, np.exp(log_scale), color=color, ls=line, label=name)
        axes.plot(*START, "o", color="black", ms=4)
        axes.plot(*TARGET, "*", color="black", ms=8)
        axes.set(title=kind, xlabel="mean", ylabel="scale", yscale="log")
        axes.set_yticks([0.5, 1, 2], ["0.5", "1", "2"])
        axes.minorticks_off()
        axes.grid(alpha=0.25)
    low, high = left.get_ylim()
    right.set(xlim=left.get_xlim(), ylim=(low, high))


def conjugate_gradients(left: Axes, right: Axes, found):
    """Draws steps by distinct eigenvalues, and errors under the bound."""
    distinct = [row["distinct"] for row in found["distinct"]]
    left.plot([1, 40], [1, 40], color=GRAY, ls=":")
    taken = [row["steps"] for row in found["distinct"]]
    left.plot(distinct, taken, "o", color=BLUE, ms=4)
    left.set(xscale="log", yscale="log", xlabel="distinct eigenvalues", ylabel="steps")
    for axis in (left.xaxis, left.yaxis):
        axis.set_ticks(distinct, [str(d) for d in distinct])
        axis.set_ticks([], minor=True)
    steps = found["steps"]
    right.plot(steps, found["bound"], color=GRAY, lw=1.5, label="bound")
    for (name, errors), color in zip(
        found["errors"].items(), (BLUE, ORANGE, GREEN), strict=True
    ):
        style = {"color": color, "ms": 3, "lw": 1, "label": name}
        right.plot(steps, np.maximum(errors, 1e-16), "o-", **style)
    right.set(yscale="log", xlabel="steps", ylabel="error in the norm of H")
    right.set(ylim=(1e-13, 1e6))
    left.grid(alpha=0.25)
    right.grid(alpha=0.25)


def saddles(left: Axes, right: Axes, found):
    """Draws the density of eigenvalues, and steps and cosines by step size."""
    edges, density = (np.array(found["semicircle"][k]) for k in ("edges", "density"))
    below = edges[:-1] < -1e-9
    for side, color in ((below, ORANGE), (~below, BLUE)):
        width = edges[1] - edges[0]
        left.bar(edges[:-1][side], density[side], width, align="edge", color=color)
    x = np.linspace(-2, 2, 201)
    half = {"color": "black", "lw": 1, "label": "semicircle"}
    left.plot(x, np.sqrt(4 - x**2) / (2 * np.pi), **half)
    left.set(xlabel="eigenvalue over √n", ylabel="density", ylim=(0, 0.42))
    rows = found["steps"]["rows"]
    size = [row["step"] for row in rows]
    right.plot(size, [row["steps"] for row in rows], "o-", color=BLUE, ms=4)
    right.set(xscale="log", yscale="log", xlabel="ε λ_max")
    right.set_ylabel("steps to the same loss", color=BLUE)
    cosine = right.twinx()
    cosine.plot(size, [row["cosine"] for row in rows], "s-", color=ORANGE, ms=4)
    cosine.set_ylabel("cosine of successive gradients", color=ORANGE)
    cosine.set_ylim(-1.05, 1.05)
    cosine.spines[["top"]].set_visible(False)
    right.grid(alpha=0.25)


START, TARGET = (-1.0, 2.0), (1.0, 0.5)  # of natural_gradient.py


if __name__ == "__main__":
    main()
