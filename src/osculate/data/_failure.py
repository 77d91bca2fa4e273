"""What went wrong while a table was made."""

from typing import NamedTuple


class DerivativeWarning(UserWarning):
    """Some derivatives of a table are missing, or are not what they seem."""


class Failure(NamedTuple):
    """A call of a black box that gave no result, or one that is not all numbers.

    Attributes:
        row: The row of the table that needed the call, from 0.
        point: Where the function was called, `(D,)`.
        reason: Why there is nothing: the exception, or what was returned instead.
    """

    row: int
    point: tuple[complex, ...]
    reason: str

    def __str__(self) -> str:
        """Returns one line."""
        point = ", ".join(f"{number:.6g}" for number in self.point)
        return f"row {self.row + 1}, at ({point}): {self.reason}"
