"""What the user gave cannot be used: one exception, and one way to suggest a name."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used, found before any work has begun.

    The message says where, what came, what was expected and, last, what to do.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns `" Did you mean 'x'?"` for the closest known name, or `""`."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
