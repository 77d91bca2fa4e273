"""Small pieces of HTML that every part of the report uses."""

from ._escape import escaped


def named(value: str) -> str:
    """Sets a user's name, so that its writing direction does not leak out."""
    return f'<span class="n">{escaped(value)}</span>'


def plural(count: int, noun: str) -> str:
    """Returns `"1 row"`, `"2,000 rows"`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def section(title: str, *content: str) -> str:
    """Sets a section; the content is HTML."""
    return f"<section><h2>{title}</h2>{''.join(content)}</section>"


def soft(sentence: str) -> str:
    """Sets a sentence in a soft colour."""
    return f'<p class="soft">{escaped(sentence)}</p>'
