"""Strings that anybody may have written, made fit for HTML."""

import re
from html import escape

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def escaped(value: str) -> str:
    """Escapes a string; what HTML cannot hold becomes a replacement character."""
    return escape(_CONTROL.sub("\ufffd", value))
