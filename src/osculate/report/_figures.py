"""Panels and legends as HTML."""

from collections.abc import Iterable

from ._escape import escaped
from ._markup import named
from ._numbers import unit_text
from ._panel import Panel, Scale


def grid(panels: Iterable[Panel], kind: str) -> str:
    """Sets panels side by side; the kind says how wide they are."""
    return f'<div class="grid {kind}">{"".join(map(_figure, panels))}</div>'


def _figure(panel: Panel) -> str:
    name = f'<b class="n">{escaped(panel.name)}</b>' if panel.name else ""
    note = f"<span>{escaped(unit_text(panel.note))}</span>" if panel.note else ""
    caption = f"<figcaption>{name}{note}</figcaption>" if name or note else ""
    y = f'<div class="ax y">{escaped(unit_text(panel.y))}</div>' if panel.y else ""
    x = f'<div class="ax x">{escaped(unit_text(panel.x))}</div>' if panel.x else ""
    scale = _scale(panel.scale) if panel.scale else ""
    return f'<figure class="card">{caption}{scale}{y}{panel.svg}{x}</figure>'


def _scale(scale: Scale) -> str:
    steps = "".join(f'<i class="b-{paint}"></i>' for paint in scale.paints)
    return (
        f'<div class="scale"><span>{escaped(scale.low)}</span>{steps}'
        f"<span>{escaped(scale.high)}</span></div>"
    )


def legend(items: Iterable[tuple[str, str, str]], kind: str = "") -> str:
    """Sets (paint, shape, words) as a legend."""
    entries = "".join(
        f'<li><i class="b-{paint} {shape}"></i>{named(words)}</li>'
        for paint, shape, words in items
    )
    return f'<ul class="legend {kind}">{entries}</ul>'
