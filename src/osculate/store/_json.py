"""JSON documents that state their format version and have one spelling only."""

import json
from typing import Any

from ._errors import FORMAT, CorruptFileError, FilePath, NewerFormatError


def render(document: dict[str, Any]) -> bytes:
    """Returns the one spelling of a document: sorted keys, ASCII, no NaN.

    Args:
        document: A dictionary of what JSON can say.

    Returns:
        The bytes, the same in every process, for people to read too.
    """
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False)
    return f"{text}\n".encode("ascii")


def parse(data: bytes, path: FilePath, where: str) -> dict[str, Any]:
    """Returns the document that `render` spelled as these bytes.

    The format version is read before anything else is judged: a newer version may
    spell or sign its documents in another way.

    Args:
        data: The bytes, from anywhere.
        path: The file they come from, for messages.
        where: The place in that file, for messages.

    Returns:
        The document, whose `format` this library can read.

    Raises:
        CorruptFileError: If the bytes are not such a document, or not its one spelling.
        NewerFormatError: If the document states a newer format.
    """
    try:
        document = json.loads(data.decode("utf-8"))
        found = document["format"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        what = f"not JSON with a format version ({type(error).__name__}: {error})"
        raise CorruptFileError(path, where, what) from error
    if type(found) is not int or found < 1:
        raise CorruptFileError(path, where, f"{found!r} is no format version")
    if found > FORMAT:
        raise NewerFormatError(path, found)
    if not _is_rendered(document, data):
        raise CorruptFileError(path, where, "altered since it was written")
    return document


def _is_rendered(document: dict[str, Any], data: bytes) -> bool:
    try:
        return render(document) == data
    except (ValueError, RecursionError):  # NaN; nested deeper than can be written
        return False
