"""The report as one HTML file that needs nothing else: no script, no request."""

from collections.abc import Mapping, Sequence

from ._escape import escaped
from ._evaluation import Evaluation
from ._markup import named, plural, section
from ._metrics import Metrics, metrics
from ._numbers import unit_text
from ._page import Page
from ._result import result_table, tiles
from ._sections import (
    error_section,
    gradient_section,
    loss_section,
    parity_section,
    slice_section,
)
from ._style import style_sheet

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def html(page: Page) -> str:
    """Writes the report as one HTML file.

    The file is static: no script, no outside address; figures are inline SVG. The same
    page gives the same text. Strings in it may hold anything: they are escaped.

    Args:
        page: What to show.

    Returns:
        The whole document; write it as UTF-8.
    """
    evaluation = page.evaluation
    ours, theirs = page.metrics, page.values_only
    if ours is None:
        ours, theirs = _measured(evaluation)
    body = "".join(
        (
            _head(page),
            tiles(evaluation, ours, theirs),
            result_table(evaluation, ours, theirs),
            parity_section(evaluation, ours),
            error_section(page),
            loss_section(page),
            slice_section(page),
            gradient_section(evaluation),
            _warnings(page.warnings),
            _facts(page.facts),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="data:,"><title>{escaped(page.title)}</title>'
        f"<style>{style_sheet()}</style></head>\n<body><main>{body}</main></body></html>\n"
    )


def _measured(evaluation: Evaluation) -> tuple[Metrics, Metrics | None]:
    ours = metrics(evaluation.truth, evaluation.prediction)
    if evaluation.values_only is None:
        return ours, None
    return ours, metrics(evaluation.truth, evaluation.values_only)


def _head(page: Page) -> str:
    found = page.evaluation
    units = found.units
    inputs = ", ".join(_quantity(name, units) for name in found.inputs)
    outputs = ", ".join(_quantity(name, units) for name in found.outputs)
    rows = page.rows or len(found.x)
    trained = page.training_rows or len(page.training_x)
    flag = ""
    if page.warnings:
        count = plural(len(page.warnings), "warning")
        flag = f'<a class="flag" href="#warnings">{count}: please read</a>'
    return (
        f'<header><p class="over">Osculate report</p><h1>{escaped(page.title)}</h1>'
        f'<p class="verdict">{escaped(page.verdict)}</p>'
        f'<p class="soft">{outputs} as a function of {inputs}. Measured on '
        f"{rows:,} {escaped(found.kind)}; fitted to "
        f"{plural(trained, 'training row')}.</p>{flag}</header>"
    )


def _quantity(name: str, units: Mapping[str, str]) -> str:
    unit = units.get(name, "")
    return named(name) + (f" [{escaped(unit_text(unit))}]" if unit else "")


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{escaped(warning)}</li>" for warning in warnings)
    return (
        '<section id="warnings"><h2>Warnings</h2>'
        f'<ul class="warnings card">{items}</ul></section>'
    )


def _facts(facts: Mapping[str, Mapping[str, str]]) -> str:
    parts = []
    for title, entries in facts.items():
        pairs = "".join(
            f"<dt>{escaped(key)}</dt><dd>{escaped(value)}</dd>"
            for key, value in entries.items()
        )
        parts.append(
            f'<details class="card"><summary>{escaped(title)}</summary>'
            f"<dl>{pairs}</dl></details>"
        )
    return section("How it was made", *parts) if parts else ""
