"""What a careful reader of the figures should be told."""

from osculate import report
from osculate.core import Result, Status
from osculate.data import Table

from ._arm import Arm
from ._arms import Arms
from ._build import FEW_ROWS
from ._settings import Settings

POOR = 0.3  # RRMSE of a value above which a fit is called poor
FEW_STEPS = 500  # in a limit of seconds: fewer mean that little was learnt


def remarks(
    arms: Arms,
    settings: Settings,
    table: Table,
    metrics: report.Metrics,
    *,
    tested: bool,
) -> list[str]:
    """Returns sentences on how far the figures can be trusted.

    Args:
        arms: The fits.
        settings: The choices they were made with.
        table: The rows they were fitted to.
        metrics: What was measured.
        tested: Whether on a separate table.

    Returns:
        The sentences, the gravest first.
    """
    found = [*_quality(table, metrics), *_endings(arms, settings)]
    if not tested:
        found.append(
            "The figures are those of the fit before it was repeated on all rows; only "
            "a separate test table can measure the shipped model."
        )
        if (count := int(arms.held_out.sum())) < FEW_ROWS:
            rows = "row was" if count == 1 else "rows were"
            found.append(f"Only {count} {rows} held out: the figures are rough.")
    return found


def _quality(table: Table, metrics: report.Metrics) -> list[str]:
    """Says so where a surrogate is poor or useless."""
    rows = [metrics[output] for output in table.outputs if output in metrics]
    worst = max((row["rrmse"] or 0.0 for row in rows), default=0.0)
    help_ = "More rows, more derivatives or a larger budget may help."
    if any(row["max"] is None for row in rows):
        return ["Useless: predictions are not finite. Check the data for outliers."]
    if worst >= 1:
        return [
            "Useless: the error of a value is as large as its spread; its mean would "
            f"predict as well. {help_}"
        ]
    if worst > POOR:
        return [
            f"Poor: the error of a value reaches {100 * worst:.0f} % of its spread. "
            f"{help_}"
        ]
    return []


def _endings(arms: Arms, settings: Settings) -> list[str]:
    """Says so where a fit ended before it should have."""
    found = []
    alone = arms.main.members or (arms.main,)
    for fit in (fit for arm in alone for fit in (arm.search, arm.final)):
        if fit.status is Status.NOT_FINITE:
            found.append(f"A fit ended early. {fit.diagnosis}")
    steps = sum(arms.main.taken)
    if arms.main.search.status is Status.OUT_OF_TIME and steps < FEW_STEPS:
        found.append(
            f"Only {steps} steps were taken in {settings.budget}: most of that time "
            "was compilation. Give more seconds."
        )
    if _was_cut(arms.main.final, sum(arms.main.wanted)):
        found.append(
            f"The repetition on all rows ran out of time after "
            f"{arms.main.final.stats['steps']} of {sum(arms.main.wanted)} steps."
        )
    cut = sum(_was_cut(a.final, sum(a.wanted)) for a in arms.main.members[1:])
    if cut:
        found.append(
            f"{cut} of {len(arms.main.members)} members ran out of time before "
            f"{sum(arms.main.wanted)} steps: they may differ by more than they should."
        )
    other = arms.values_only
    if other is not None and _fell_behind(other, arms.main):
        found.append(
            f"The network on values only ran out of time after {sum(other.taken)} of "
            f"{steps} steps: the comparison flatters the derivatives."
        )
    return found


def _was_cut(fit: Result, wanted: int) -> bool:
    return fit.status is Status.OUT_OF_TIME and fit.stats["steps"] < wanted


def _fell_behind(other: Arm, main: Arm) -> bool:
    return _was_cut(other.search, sum(main.taken)) or _was_cut(
        other.final, sum(other.wanted)
    )
