"""The sections of the report that show figures, each with its words."""

from collections.abc import Iterable

from ._error_maps import error_maps
from ._escape import escaped
from ._evaluation import Evaluation
from ._gradients import gradients
from ._losses import losses
from ._markup import named, plural, section, soft
from ._metrics import Metrics
from ._numbers import unit_text
from ._page import Page
from ._panel import Panel
from ._parity import MOST_PARITY, parity
from ._result import by_order
from ._slices import MOST_SLICES, slices


def _grid(panels: Iterable[Panel], kind: str) -> str:
    return f'<div class="grid {kind}">{"".join(map(_figure, panels))}</div>'


def _figure(panel: Panel) -> str:
    name = f'<b class="n">{escaped(panel.name)}</b>' if panel.name else ""
    note = f"<span>{escaped(unit_text(panel.note))}</span>" if panel.note else ""
    caption = f"<figcaption>{name}{note}</figcaption>" if name or note else ""
    y = f'<div class="ax y">{escaped(unit_text(panel.y))}</div>' if panel.y else ""
    x = f'<div class="ax x">{escaped(unit_text(panel.x))}</div>' if panel.x else ""
    return f'<figure class="card">{caption}{y}{panel.svg}{x}</figure>'


def _legend(items: Iterable[tuple[str, str, str]], kind: str = "") -> str:
    """Sets (paint, shape, words) as a legend."""
    entries = "".join(
        f'<li><i class="b-{paint} {shape}"></i>{named(words)}</li>'
        for paint, shape, words in items
    )
    return f'<ul class="legend {kind}">{entries}</ul>'


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
        _legend(key),
        _grid(parity(evaluation, shown), "small"),
    )


def error_section(page: Page) -> str:
    """Sets the maps of the error over the inputs."""
    maps = error_maps(page.evaluation, page.training_x)
    levels = [(f"e{i}", "", words) for i, words in enumerate(maps.levels)]
    return section(
        "Where the error lies",
        soft(maps.sentence),
        _legend(levels, "steps") if levels else "",
        _grid(maps.panels, "large"),
    )


def loss_section(page: Page) -> str:
    """Sets the losses over the steps."""
    found = losses(page.history)
    if found.panel is None:
        return ""  # a model that was not trained step by step
    heavy = ("loss", "validation")
    keys = [(p, "dash" if n in heavy else "thin", n) for n, p in found.keys]
    return section("Training", _legend(keys), _grid([found.panel], "whole"))


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
    return section("Slices and slopes", _legend(key), more, _grid(panels, "large"))


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
    return section("Gradients", soft(text), _legend(key), _grid(panels, "large"))
