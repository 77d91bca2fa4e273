"""The history of a loop: numbers by name, one line per chunk."""

from collections.abc import Mapping

import numpy as np

FIRST_ROOM = 64  # lines; it doubles whenever it is full


class Lines:
    """Lines that are appended; the columns are views and stay as they were.

    Attributes:
        count: How many there are.
    """

    def __init__(self, columns: Mapping[str, np.ndarray]):
        """Begins with the lines of a history.

        Args:
            columns: Arrays of equal length by name.
        """
        self._columns = {n: np.array(c, _kind(n)) for n, c in columns.items()}
        self.count = len(next(iter(self._columns.values()), ()))

    def append(self, record: Mapping[str, float | int]) -> None:
        """Adds a line.

        Args:
            record: Numbers by name, always the same names.

        Raises:
            ValueError: If the names are not those of the lines before.
        """
        if self.count and (other := set(record) ^ set(self._columns)):
            raise ValueError(
                f"`loop`: the history and this loop do not both record {sorted(other)}."
                " Resume with the arguments of the fit that was interrupted."
            )
        room = len(next(iter(self._columns.values()), ()))
        if self.count == room:
            more = max(FIRST_ROOM, room)
            old = {n: self._columns.get(n, np.zeros(0, _kind(n))) for n in record}
            self._columns = {
                n: np.concatenate([c, np.zeros(more, c.dtype)]) for n, c in old.items()
            }
        for name, value in record.items():
            self._columns[name][self.count] = value
        self.count += 1

    def last(self) -> dict[str, float | int]:
        """Returns the newest line."""
        return {n: c[self.count - 1].item() for n, c in self._columns.items()}

    def columns(self) -> dict[str, np.ndarray]:
        """Returns all lines by name."""
        return {n: c[: self.count] for n, c in self._columns.items()}


def _kind(name: str) -> type:
    return int if name == "step" else float
