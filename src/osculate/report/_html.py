"""The report as one HTML file that needs nothing else: no script, no request."""

from collections.abc import Mapping, Sequence

from ._escape import escaped
from ._evaluation import Evaluation
from ._frame import cautions_section, document, facts_section, heading
from ._markup import named, plural
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
from ._solution_html import solved_section
from ._solution_page import SolutionPage


def html(page: Page, solved: Sequence[SolutionPage] = ()) -> str:
    """Writes the report as one HTML file.

    The file is static: no script, no outside address; figures are inline SVG. The same
    page gives the same text. Strings in it may hold anything: they are escaped.

    Args:
        page: What to show.
        solved: Solved equations to be shown beside, each in a section.

    Returns:
        The whole document; write it as UTF-8.
    """
    evaluation = page.evaluation
    ours, theirs = page.metrics, page.values_only
    if ours is None:
        ours, theirs = _measured(evaluation)
    return document(
        page.title,
        _head(page),
        tiles(evaluation, ours, theirs),
        result_table(evaluation, ours, theirs),
        parity_section(evaluation, ours),
        error_section(page),
        loss_section(page.history),
        slice_section(page),
        gradient_section(evaluation),
        *map(solved_section, solved),
        cautions_section(page.warnings, "warning"),
        facts_section(page.facts),
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
    more = (
        f'<p class="soft">{outputs} as a function of {inputs}. Measured on '
        f"{rows:,} {escaped(found.kind)}; fitted to "
        f"{plural(trained, 'training row')}.</p>"
    )
    return heading(page.title, page.verdict, more, len(page.warnings), "warning")


def _quantity(name: str, units: Mapping[str, str]) -> str:
    unit = units.get(name, "")
    return named(name) + (f" [{escaped(unit_text(unit))}]" if unit else "")
