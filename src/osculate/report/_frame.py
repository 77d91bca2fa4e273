"""What every report has around its sections: the document, its head and its end."""

from collections.abc import Mapping, Sequence

from ._escape import escaped
from ._markup import plural, section
from ._style import style_sheet

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def document(title: str, *parts: str) -> str:
    """Returns the whole file; the parts are HTML, the title is plain text."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="data:,"><title>{escaped(title)}</title>'
        f"<style>{style_sheet()}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def heading(title: str, verdict: str, more: str, cautions: int, noun: str) -> str:
    """Sets the head of the page, with a flag where there are cautions to read.

    Args:
        title: Headline.
        verdict: One sentence below it.
        more: HTML below the verdict.
        cautions: How many cautions the page holds.
        noun: What one of them is called: `cautions_section` with the plural of this
            noun is where the flag leads to.

    Returns:
        A `<header>` element.
    """
    flag = ""
    if cautions:
        count = plural(cautions, noun)
        flag = f'<a class="flag" href="#{noun}s">{count}: please read</a>'
    return (
        f'<header><p class="over">Osculate report</p><h1>{escaped(title)}</h1>'
        f'<p class="verdict">{escaped(verdict)}</p>{more}{flag}</header>'
    )


def cautions_section(cautions: Sequence[str], noun: str) -> str:
    """Sets what the reader must know, one sentence each, under the noun's plural."""
    if not cautions:
        return ""
    items = "".join(f"<li>{escaped(caution)}</li>" for caution in cautions)
    return (
        f'<section id="{noun}s"><h2>{noun.capitalize()}s</h2>'
        f'<ul class="warnings card">{items}</ul></section>'
    )


def facts_section(facts: Mapping[str, Mapping[str, str]]) -> str:
    """Sets the facts: section, then key, then value."""
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
