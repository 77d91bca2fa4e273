"""The result as a table for the terminal."""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from ._improvement import improvement, side
from ._numbers import DASH, UNKNOWN, r_squared, significant, times


def table(
    metrics: Mapping[str, Mapping[str, float | None]],
    values_only: Mapping[str, Mapping[str, float | None]] | None = None,
    *,
    units: Mapping[str, str],
) -> Table:
    """Lays out metrics as a table, one row for each name.

    Args:
        metrics: What `metrics` returned for the surrogate.
        values_only: The same for the network trained on values only; adds its RRMSE
            and how many times smaller the surrogate's is.
        units: Unit of the largest error, by name; `Evaluation.all_units()` has them.

    Returns:
        A `rich` table of at most 80 columns, free of lines and boxes, so that it reads
        the same in a log file; `rich` leaves out the colours there. A caption says
        what a dash means, where there is one.
    """
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    found.add_column("", overflow="fold", min_width=6)
    for title in ("R2", "RRMSE", "max error"):
        found.add_column(title, justify="right", no_wrap=True)
    found.add_column("", overflow="fold", style="dim")
    if values_only is not None:
        found.add_column("values only", justify="right", no_wrap=True, style="dim")
        found.add_column("better", justify="right", no_wrap=True)
    gains = improvement(metrics, values_only or {})
    for name, row in metrics.items():
        cells = [
            Text(name, style="bold"),
            Text(r_squared(row["r2"])),
            Text(significant(row["rrmse"])),
            Text(significant(row["max"])),
            Text(units.get(name, "")),
        ]
        if values_only is not None:
            gain = gains[name]
            colour = {"good": "green", "bad": "red", "": ""}[side(gain)]
            cells += [
                Text(significant(values_only.get(name, {}).get("rrmse"))),
                Text(times(gain), style=colour),
            ]
        found.add_row(*cells)
        if any(cell.plain == DASH for cell in cells):
            found.caption = Text(UNKNOWN, justify="left")
    return found
