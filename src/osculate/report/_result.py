"""The result on the first screen: one tile per order of derivative, and the table."""

import math
from collections.abc import Mapping, Sequence

from ._escape import escaped
from ._evaluation import Evaluation
from ._improvement import improvement, improvement_words, side, typical
from ._markup import named
from ._metrics import Metrics
from ._numbers import (
    DASH,
    UNKNOWN,
    percent,
    r_squared,
    significant,
    times,
    typeset,
    unit_text,
)

_ORDERS = ("Values", "First derivatives", "Second derivatives", "Third derivatives")


def by_order(evaluation: Evaluation, ours: Metrics) -> dict[str, list[str]]:
    """Returns the names under the headings Values, First derivatives, ..."""
    found: dict[str, list[str]] = {}
    for order in sorted({evaluation.order(name) for name in ours}):
        title = (
            _ORDERS[order] if order < len(_ORDERS) else f"Derivatives of order {order}"
        )
        found[title] = [name for name in ours if evaluation.order(name) == order]
    return found


def tiles(evaluation: Evaluation, ours: Metrics, theirs: Metrics | None) -> str:
    """Sets one tile per order of derivative, with its worst RRMSE."""
    gains = improvement(ours, theirs) if theirs is not None else {}
    found = [
        _tile(title, names, ours, gains)
        for title, names in by_order(evaluation, ours).items()
    ]
    return f'<div class="tiles">{"".join(found)}</div>' if found else ""


def _tile(
    title: str,
    names: Sequence[str],
    ours: Metrics,
    gains: Mapping[str, float | None],
) -> str:
    known = {name: ours[name]["rrmse"] for name in names}
    known = {name: value for name, value in known.items() if value is not None}
    big, small = DASH, "no spread in the truth to compare with"
    if known:
        worst = max(known, key=lambda name: known[name])
        big, what = _error(known[worst])
        count = f", worst of {len(names)}: " if len(names) > 1 else " of "
        small = what + count + named(worst)
    factor = typical(gains.get(name) for name in names)
    gain = "" if factor is None else f'<p class="gain">{_gain(factor, len(names))}</p>'
    return (
        f'<section class="tile"><h3>{title}</h3><p class="big">{big}</p>'
        f'<p class="small-print">{small}</p>{gain}</section>'
    )


def _error(rrmse: float) -> tuple[str, str]:
    """Returns an RRMSE as a headline, in percent while it is one, and what it is."""
    if rrmse < 0.995:
        return typeset(percent(rrmse)), "RRMSE"
    return typeset(times(rrmse)), "the spread of the truth"


def _gain(factor: float, count: int) -> str:
    """Says how the error compares with that of training on values only."""
    middle = ", in the median," if count > 1 else ""
    words = f'<b class="{side(factor)}">{improvement_words(factor)}</b>'
    return f"{words}{middle} than trained on values only"


def result_table(evaluation: Evaluation, ours: Metrics, theirs: Metrics | None) -> str:
    """Sets the metrics of every name, and those of values only beside."""
    if not ours:
        return '<p class="soft">No truth is known, so nothing could be measured.</p>'
    units = evaluation.all_units()
    gains = improvement(ours, theirs) if theirs is not None else {}
    scale = _bar_scale(ours, theirs)
    heads = ["", "R²", "RRMSE", "max error", ""]
    if theirs is not None:
        heads += ["values only<br>RRMSE", "times<br>better"]
        heads += ["RRMSE, logarithmic"]
    classes = {"R²": ' class="r2"', "RRMSE, logarithmic": ' class="bar"'}
    cells = "".join(f'<th scope="col"{classes.get(h, "")}>{h}</th>' for h in heads)
    compared = "" if theirs is None else ' class="compared"'
    groups = []
    for title, names in by_order(evaluation, ours).items():
        rows = [f'<tr><th colspan="{len(heads)}" scope="rowgroup">{title}</th></tr>']
        for name in names:
            row = _row(name, ours[name], units.get(name, ""))
            if theirs is not None:
                before = theirs[name]["rrmse"]
                row += _compared(ours[name]["rrmse"], before, gains[name], scale)
            rows.append(f"<tr>{row}</tr>")
        groups.append(f'<tbody class="group">{"".join(rows)}</tbody>')
    return (
        '<div class="card scroll" tabindex="0" role="region" aria-label="Result">'
        f"<table{compared}><thead><tr>{cells}</tr></thead>"
        f"{''.join(groups)}</table></div>{_table_note(evaluation, ours, theirs)}"
    )


def _table_note(evaluation: Evaluation, ours: Metrics, theirs: Metrics | None) -> str:
    note = (
        "RRMSE is the root mean square error over the standard deviation of the truth; "
        "R² = 1 &minus; RRMSE²."
    )
    if theirs is not None:
        note += (
            " Grey: the same kind of model trained on values only; "
            "blue: this surrogate, trained on derivatives too."
        )
    elif any(evaluation.order(name) for name in evaluation.truth):
        note += " No fit on values only was made to compare with."
    rows = [row for found in (ours, theirs or {}) for row in found.values()]
    if any(number is None for row in rows for number in row.values()):
        note += f" {UNKNOWN}"
    return f'<p class="soft">{note}</p>'


def _row(name: str, row: Mapping[str, float | None], unit: str) -> str:
    long = ' class="long"' if len(name) > 16 else ""
    wide = " long" if len(unit) > 16 else ""
    return (
        f'<th scope="row"{long}>{named(name)}</th>'
        f'<td class="r2">{escaped(typeset(r_squared(row["r2"])))}</td>'
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
    return (
        f"<td>{typeset(significant(theirs))}</td>"
        f'<td><b class="{side(gain)}">{typeset(times(gain))}</b></td>'
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
