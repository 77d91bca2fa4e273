"""The lines of a CSV file down to its header, and what can be wrong with them."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from osculate.core import InputError

_ABOVE = re.compile(r"(?:[ \t,]*(?:#[^\r\n]*)?(?:\r\n|\r|\n))*")
_LINE_END = re.compile(r"\r\n|\r|\n")


class Parts(NamedTuple):
    """A CSV file in two: names, and lines of data.

    Attributes:
        headers: Header of each column.
        body: The text below the header.
        first: Number of the line with which `body` begins; lines count from 1.
    """

    headers: tuple[str, ...]
    body: str
    first: int

    @property
    def lines(self) -> Iterable[str]:
        """The lines of `body`, whatever ends them."""
        return io.StringIO(self.body, newline="")


def rows_of(
    lines: Iterable[str], name: str, first: int
) -> Iterator[tuple[int, list[str]]]:
    """Yields (line, cells) of every row in which something stands.

    Args:
        lines: Lines of CSV.
        name: The file, for the message.
        first: Number of the first line.

    Yields:
        The line on which a row begins, and its cells.

    Raises:
        InputError: If the quotation marks do not pair.
    """
    reader = csv.reader(lines, strict=True)
    line = first
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = first + reader.line_num
    except csv.Error as error:
        raise InputError(
            f"{name}, line {line}: not CSV: {error}.\n"
            "Close or remove quotation marks, or save the table again."
        ) from None


def split_header(text: str, name: str) -> Parts:
    """Returns the header of a CSV text, and what stands below it.

    Lines above the header that begin with `#` are skipped. Where numbers follow them at
    once, the last of them is the header: so does `numpy.savetxt` write it.

    Args:
        text: The whole file.
        name: What it is called.

    Returns:
        The headers and the rest.

    Raises:
        InputError: If there is no header, no data, or another separator.
    """
    above = _ABOVE.match(text).group()  # pyright: ignore[reportOptionalMemberAccess]
    line = 1 + _count_lines(above)
    stream = io.StringIO(text, newline="")
    stream.seek(len(above))
    start, cells = next(rows_of(stream, name, line), (line, []))
    if not cells:
        raise InputError(
            f"{name}: the file is empty; expected a header line and rows.\n"
            "Save the table again."
        )
    if not all(_is_number(cell) for cell in cells if cell.strip()):
        first = 1 + _count_lines(text[: stream.tell()])
        parts = Parts(_stripped(cells), stream.read(), first)
        _check_first_row(parts, name, start)
        return parts
    headers = _commented_header(above, len(cells))
    if headers is None:
        raise InputError(
            f"{name}, line {start}: got numbers; expected a header line with the "
            "names of the columns.\n"
            "Add a first line such as: T [K],p [MPa],h [kJ/kg],dh/dT"
        )
    return Parts(headers, text[len(above) :], line)


def _commented_header(above: str, width: int) -> tuple[str, ...] | None:
    """Returns the cells of the last comment, if it has as many as the data."""
    comments = [line.strip() for line in _LINE_END.split(above) if "#" in line]
    if not comments:
        return None
    cells = next(csv.reader([comments[-1].lstrip("#")]))
    return _stripped(cells) if len(cells) == width else None


def _check_first_row(parts: Parts, name: str, line: int) -> None:
    """Raises where the first line is no header, or its separator no comma."""
    headers = parts.headers
    if len(headers) == 1 and any(mark in headers[0] for mark in ";\t|"):
        raise InputError(
            f"{name}, line {line}: got one column {headers[0][:40]!r}; expected "
            "columns separated by commas.\n"
            "Save the file with commas between columns and points in numbers."
        )
    below, cells = next(rows_of(parts.lines, name, parts.first), (0, []))
    if not cells:
        raise InputError(
            f"{name}: the file has a header and no rows of data.\nAdd rows."
        )
    if len(headers) < len(cells) and len(headers) <= 2:
        raise InputError(
            f"{name}, line {line}: got {','.join(headers)[:60]!r}, but line {below} "
            f"has {len(cells)} columns; expected a header with their names.\n"
            "Remove what stands above the header, or begin each such line with #."
        )
    if len(cells) == len(headers) and not any(map(_has_digit, cells)):
        raise InputError(
            f"{name}, line {below}: got {','.join(cells)[:60]!r}, which has no number; "
            "expected the first row of data below the header.\n"
            "Keep one line of header; units stand in it, as in T [K]."
        )


def _stripped(cells: list[str]) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in cells)


def _count_lines(text: str) -> int:
    return len(_LINE_END.findall(text))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)
