"""Marks on the page of the specification what is there and what is to come.

A hook of mkdocs (`hooks:` in mkdocs.yml): it reads the same markers as spec_report.
"""

import re
from types import SimpleNamespace

from spec_report import ROOT, Row, SpecError, collect, read_rows

CELL = re.compile(r"^\| (?P<id>[SK]\d\S*) \|", re.MULTILINE)
HEADING = re.compile(r"\A# .*\n")


def on_page_markdown(markdown: str, *, page: SimpleNamespace, **_: object) -> str:
    """Returns the Markdown of a page, that of the specification with its marks."""
    return marked(markdown, rows()) if page.file.src_uri == "spec.md" else markdown


def rows() -> list[Row]:
    """Returns the rows with the tests that name them; a wrong marker is an error."""
    found = read_rows(ROOT / "docs" / "spec_rows.txt")
    if wrong := collect(found, ROOT / "tests"):
        raise SpecError("\n".join(wrong))
    return found


def marked(markdown: str, found: list[Row]) -> str:
    """Returns the specification with a note on top and a mark at every row."""
    marks = {row.id: "✓" if row.covered else "(✓)" for row in found if row.tests}

    def mark(cell: re.Match[str]) -> str:
        return f"| {cell['id']} {marks.get(cell['id'], '*to come*')} |"

    note = (
        f'!!! note "What is there"\n    {len(marks)} of {len(found)} rows have tests '
        f"that name them, and are marked ✓, or (✓) in part: {', '.join(marks)}. "
        "All others are to come.\n"
    )
    head = HEADING.match(markdown)
    end = head.end() if head else 0
    return f"{markdown[:end]}\n{note}\n{CELL.sub(mark, markdown[end:])}"
