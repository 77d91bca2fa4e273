"""The report as one HTML file that needs nothing else: no script, no request."""

import math
from collections.abc import Iterable, Mapping, Sequence

from ._error_maps import error_maps
from ._escape import escaped
from ._evaluation import Evaluation
from ._gradients import gradients
from ._losses import losses
from ._metrics import Metrics, improvement, metrics
from ._numbers import DASH, percent, r_squared, significant, times, typeset, unit_text
from ._page import Page
from ._panel import Panel
from ._parity import MOST_PARITY, parity
from ._slices import MOST_SLICES, slices
from ._style import style_sheet

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_ORDERS = ("Values", "First derivatives", "Second derivatives", "Third derivatives")


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
    ours = metrics(evaluation.truth, evaluation.prediction)
    theirs = None
    if evaluation.values_only is not None:
        theirs = metrics(evaluation.truth, evaluation.values_only)
    body = "".join(
        (
            _head(page),
            _tiles(evaluation, ours, theirs),
            _table(evaluation, ours, theirs),
            _parity(evaluation, ours),
            _errors(page),
            _losses(page),
            _slices(page),
            _gradients(evaluation),
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


def _name(value: str) -> str:
    """Sets a user's name, so that its writing direction does not leak out."""
    return f'<span class="n">{escaped(value)}</span>'


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


# --- the first screen -----------------------------------------------------------------


def _head(page: Page) -> str:
    found = page.evaluation
    units = found.units
    inputs = ", ".join(_quantity(name, units) for name in found.inputs)
    outputs = ", ".join(_quantity(name, units) for name in found.outputs)
    flag = ""
    if page.warnings:
        count = _plural(len(page.warnings), "warning")
        flag = f'<a class="flag" href="#warnings">{count}: please read</a>'
    return (
        f'<header><p class="over">Osculate report</p><h1>{escaped(page.title)}</h1>'
        f'<p class="verdict">{escaped(page.verdict)}</p>'
        f'<p class="soft">{outputs} as a function of {inputs}. Measured on '
        f"{len(found.x):,} {escaped(found.kind)}; fitted to "
        f"{_plural(len(page.training_x), 'training row')}.</p>{flag}</header>"
    )


def _quantity(name: str, units: Mapping[str, str]) -> str:
    unit = units.get(name, "")
    return _name(name) + (f" [{escaped(unit_text(unit))}]" if unit else "")


def _by_order(evaluation: Evaluation, ours: Metrics) -> dict[str, list[str]]:
    """Returns the names under the headings Values, First derivatives, ..."""
    found: dict[str, list[str]] = {}
    for order in sorted({evaluation.order(name) for name in ours}):
        title = (
            _ORDERS[order] if order < len(_ORDERS) else f"Derivatives of order {order}"
        )
        found[title] = [name for name in ours if evaluation.order(name) == order]
    return found


def _tiles(evaluation: Evaluation, ours: Metrics, theirs: Metrics | None) -> str:
    gains = improvement(ours, theirs) if theirs is not None else {}
    tiles = [
        _tile(title, names, ours, gains)
        for title, names in _by_order(evaluation, ours).items()
    ]
    return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _tile(
    title: str,
    names: Sequence[str],
    ours: Metrics,
    gains: Mapping[str, float | None],
) -> str:
    known = {name: ours[name]["rrmse"] for name in names}
    known = {name: value for name, value in known.items() if value is not None}
    if known:
        worst = max(known, key=lambda name: known[name])
        big = typeset(percent(known[worst])[:-2]) + " %"
        which = f"worst of {len(names)}: {_name(worst)}" if len(names) > 1 else ""
        small = "RRMSE" + (f", {which}" if which else f" of {_name(worst)}")
    else:
        big, small = DASH, "no spread in the truth to compare with"
    factors = [gains.get(name) for name in names]
    finite = [f for f in factors if f is not None and 0 < f < math.inf]
    gain = ""
    if finite:
        factor = math.exp(sum(math.log(f) for f in finite) / len(finite))
        mean = " on average" if len(finite) > 1 else ""
        gain = f'<p class="gain">{_gain(factor)}{mean} than trained on values only</p>'
    return (
        f'<section class="tile"><h3>{title}</h3><p class="big">{big}</p>'
        f'<p class="small-print">{small}</p>{gain}</section>'
    )


def _gain(factor: float) -> str:
    """Says how the error compares with that of training on values only."""
    if factor >= 1:
        return f'<b class="good">{typeset(times(factor))}</b> smaller error'
    return f'<b class="bad">{typeset(times(1 / factor))}</b> larger error'


def _table(evaluation: Evaluation, ours: Metrics, theirs: Metrics | None) -> str:
    if not ours:
        return '<p class="soft">No truth is known, so nothing could be measured.</p>'
    units = evaluation.all_units()
    gains = improvement(ours, theirs) if theirs is not None else {}
    scale = _bar_scale(ours, theirs)
    heads = ["", "R²", "RRMSE", "max error", ""]
    if theirs is not None:
        heads += ["values only<br>RRMSE", "times<br>better"]
    cells = "".join(f'<th scope="col">{head}</th>' for head in heads)
    if theirs is not None:
        cells += '<th scope="col" class="bar">RRMSE, logarithmic</th>'
    width = len(heads) + (theirs is not None)
    groups = []
    for title, names in _by_order(evaluation, ours).items():
        rows = [f'<tr><th colspan="{width}" scope="rowgroup">{title}</th></tr>']
        for name in names:
            row = _row(name, ours[name], units.get(name, ""))
            if theirs is not None:
                before = theirs[name]["rrmse"]
                row += _compared(ours[name]["rrmse"], before, gains[name], scale)
            rows.append(f"<tr>{row}</tr>")
        groups.append(f'<tbody class="group">{"".join(rows)}</tbody>')
    return (
        '<div class="card scroll" tabindex="0" role="region" aria-label="Result">'
        f"<table><thead><tr>{cells}</tr></thead>"
        f"{''.join(groups)}</table></div>{_table_note(evaluation, theirs)}"
    )


def _table_note(evaluation: Evaluation, theirs: Metrics | None) -> str:
    note = (
        "RRMSE is the root mean square error over the standard deviation of the truth; "
        "R² = 1 &minus; RRMSE²."
    )
    if theirs is not None:
        note += (
            " Grey: the same network trained on values only; "
            "blue: this surrogate, trained on derivatives too."
        )
    elif any(evaluation.order(name) for name in evaluation.truth):
        note += " No fit on values only was made to compare with."
    return f'<p class="soft">{note}</p>'


def _row(name: str, row: Mapping[str, float | None], unit: str) -> str:
    long = ' class="long"' if len(name) > 16 else ""
    wide = " long" if len(unit) > 16 else ""
    return (
        f'<th scope="row"{long}>{_name(name)}</th>'
        f"<td>{escaped(typeset(r_squared(row['r2'])))}</td>"
        f"<td>{typeset(significant(row['rrmse']))}</td>"
        f"<td>{typeset(significant(row['max']))}</td>"
        f'<td class="unit{wide}">{escaped(unit_text(unit))}</td>'
    )


def _compared(
    ours: float | None,
    theirs: float | None,
    gain: float | None,
    scale: tuple[float, float],
) -> str:
    """Sets the cells about values only: its RRMSE, the factor, and both as points."""
    tone = "" if gain is None else "good" if gain >= 1 else "bad"
    return (
        f"<td>{typeset(significant(theirs))}</td>"
        f'<td><b class="{tone}">{typeset(times(gain))}</b></td>'
        f'<td class="bar">{_bar(ours, theirs, scale)}</td>'
    )


def _bar_scale(*found: Metrics | None) -> tuple[float, float]:
    """Returns the exponents between which every positive RRMSE lies."""
    rows = [row for part in found if part is not None for row in part.values()]
    values = [row["rrmse"] for row in rows]
    logs = [math.log10(value) for value in values if value]
    return (min(logs), max(logs)) if logs else (0.0, 0.0)


def _bar(ours: float | None, theirs: float | None, scale: tuple[float, float]) -> str:
    low, high = scale

    def place(value: float) -> str:
        share = (math.log10(value) - low) / (high - low) if high > low else 0.5
        return f"{3 + 94 * share:.1f}%"

    marks = ""
    if ours and theirs:
        marks += f'<line x1="{place(ours)}" x2="{place(theirs)}" y1="7" y2="7"/>'
    for value, kind in ((theirs, "there"), (ours, "here")):
        if value:
            at = place(value)
            marks += f'<line class="{kind}" x1="{at}" x2="{at}" y1="7" y2="7"/>'
    return f'<svg aria-hidden="true">{marks}</svg>'


# --- figures --------------------------------------------------------------------------


def _section(title: str, *content: str) -> str:
    return f"<section><h2>{title}</h2>{''.join(content)}</section>"


def _soft(sentence: str) -> str:
    return f'<p class="soft">{escaped(sentence)}</p>'


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
        f'<li><i class="b-{paint} {shape}"></i>{_name(words)}</li>'
        for paint, shape, words in items
    )
    return f'<ul class="legend {kind}">{entries}</ul>'


def _parity(evaluation: Evaluation, ours: Metrics) -> str:
    names = [n for group in _by_order(evaluation, ours).values() for n in group]
    if not names:
        return ""
    shown = names[:MOST_PARITY]
    text = "Horizontal: truth. Vertical: prediction. On the line, they agree."
    if len(names) > len(shown):
        text += (
            f" {_plural(len(names) - len(shown), 'further derivative')} of "
            f"{len(names)} quantities left out; the table has them all."
        )
    if len(evaluation.x) > 200:
        text += " Crowded panels show part of the rows, the largest errors among them."
    key = [("c0", "", "this surrogate")]
    if evaluation.values_only is not None:
        key.append(("faint", "", "trained on values only (within the panel)"))
    return _section(
        "Prediction against truth",
        _soft(text),
        _legend(key),
        _grid(parity(evaluation, shown), "small"),
    )


def _errors(page: Page) -> str:
    maps = error_maps(page.evaluation, page.training_x)
    levels = [(f"e{i}", "", words) for i, words in enumerate(maps.levels)]
    return _section(
        "Where the error lies",
        _soft(maps.sentence),
        _legend(levels, "steps") if levels else "",
        _grid(maps.panels, "large"),
    )


def _losses(page: Page) -> str:
    found = losses(page.history)
    if found.panel is None:
        return _section("Training", _soft("No history was recorded."))
    heavy = ("loss", "validation")
    keys = [(p, "dash" if n in heavy else "thin", n) for n, p in found.keys]
    return _section("Training", _legend(keys), _grid([found.panel], "whole"))


def _slices(page: Page) -> str:
    if not page.slices:
        return ""
    key = [
        ("c4", "dash", "surrogate"),
        ("c1", "thin", "its tangents"),
        ("ink", "", "training rows nearby, with their tangents where known"),
    ]
    left_out = len(page.slices) - MOST_SLICES
    more = (
        _soft(f"{_plural(left_out, 'further slice')} left out.") if left_out > 0 else ""
    )
    panels = slices(page)
    return _section("Slices and slopes", _legend(key), more, _grid(panels, "large"))


def _gradients(evaluation: Evaluation) -> str:
    panels = gradients(evaluation)
    if not panels:
        return ""
    text = (
        "Arrows point along the steepest ascent, with both inputs scaled to the panel; "
        "all have one length."
    )
    key = [("c0", "dash", "surrogate"), ("faint", "dash", "truth, behind")]
    return _section("Gradients", _soft(text), _legend(key), _grid(panels, "large"))


# --- words ----------------------------------------------------------------------------


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
    return _section("How it was made", *parts) if parts else ""
