"""The sections of the report that show figures, each with its words."""

from collections.abc import Mapping

import numpy as np

from ._error_maps import error_maps
from ._evaluation import Evaluation
from ._figures import grid, legend
from ._gradients import gradients
from ._losses import losses
from ._markup import plural, section, soft
from ._metrics import Metrics
from ._page import Page
from ._parity import MOST_PARITY, parity
from ._result import by_order
from ._slices import MOST_SLICES, slices


def parity_section(evaluation: Evaluation, ours: Metrics) -> str:
    """Sets the panels of prediction against truth."""
    names = [n for group in by_order(evaluation, ours).values() for n in group]
    if not names:
        return ""
    shown = names[:MOST_PARITY]
    text = "Horizontal: truth. Vertical: prediction. On the line, they agree."
    if len(names) > len(shown):
        text += (
            f" {plural(len(names) - len(shown), 'further derivative')} of "
            f"{len(names)} quantities left out; the table has them all."
        )
    if len(evaluation.x) > 200:
        text += " Crowded panels show part of the rows, the largest errors among them."
    key = [("c0", "", "this surrogate")]
    if evaluation.values_only is not None:
        key.append(("faint", "", "trained on values only (within the panel)"))
    return section(
        "Prediction against truth",
        soft(text),
        legend(key),
        grid(parity(evaluation, shown), "small"),
    )


def error_section(page: Page) -> str:
    """Sets the maps of the error over the inputs."""
    maps = error_maps(page.evaluation, page.training_x)
    levels = [(f"e{i}", "", words) for i, words in enumerate(maps.levels)]
    return section(
        "Where the error lies",
        soft(maps.sentence),
        legend(levels, "steps") if levels else "",
        grid(maps.panels, "large"),
    )


def loss_section(history: Mapping[str, np.ndarray]) -> str:
    """Sets the losses over the steps."""
    found = losses(history)
    if found.panel is None:
        return ""  # a model that was not trained step by step
    heavy = ("loss", "validation")
    keys = [(p, "dash" if n in heavy else "thin", n) for n, p in found.keys]
    return section("Training", legend(keys), grid([found.panel], "whole"))


def slice_section(page: Page) -> str:
    """Sets the cuts through the surrogate, if there are any."""
    if not page.slices:
        return ""
    key = [
        ("c4", "dash", "surrogate"),
        ("c1", "thin", "its tangents"),
        ("ink", "", "training rows nearby, with their tangents where known"),
    ]
    left_out = len(page.slices) - MOST_SLICES
    more = (
        soft(f"{plural(left_out, 'further slice')} left out.") if left_out > 0 else ""
    )
    panels = slices(page)
    return section("Slices and slopes", legend(key), more, grid(panels, "large"))


def gradient_section(evaluation: Evaluation) -> str:
    """Sets the directions of steepest ascent, where there are two inputs."""
    panels = gradients(evaluation)
    if not panels:
        return ""
    text = (
        "Arrows point along the steepest ascent, with both inputs scaled to the panel; "
        "all have one length."
    )
    key = [("c0", "dash", "surrogate"), ("faint", "dash", "truth, behind")]
    return section("Gradients", soft(text), legend(key), grid(panels, "large"))
