"""A line that tells how far a fit is."""

import sys
import time
from typing import Any

from ._loop import Progress

SECONDS_BETWEEN_LINES = 10.0  # where a line cannot be written over


class ProgressLine:
    """Writes step, loss, time and time left; on a terminal always into the same line.

    Attributes:
        every: Seconds between two of them.
    """

    def __init__(self, file: Any = None, every: float | None = None):
        """Chooses where to write.

        Args:
            file: Standard error by default.
            every: Seconds; by default 0.2 on a terminal and 10 elsewhere.
        """
        self._file = file or sys.stderr
        self._terminal = self._file.isatty()
        pause = 0.2 if self._terminal else SECONDS_BETWEEN_LINES
        self.every = pause if every is None else every
        self._told = time.perf_counter()
        self._first: Progress | None = None
        self._step = 0

    def __call__(self, now: Progress) -> None:
        """Tells of one chunk, unless the last line is too recent."""
        if self._first is None or now.step <= self._step:
            self._first = now  # of this fit; compilation lies before it
        self._step = now.step
        last = now.status is not None or now.step == now.steps
        if time.perf_counter() - self._told < self.every and not last:
            return
        self._told = time.perf_counter()
        text = self._text(now, self._first)
        end = "\n" if last or not self._terminal else ""
        begin = "\r\x1b[K" if self._terminal else ""
        self._file.write(f"{begin}{text}{end}")
        self._file.flush()

    def _text(self, now: Progress, first: Progress) -> str:
        of = "" if now.steps is None else f" of {now.steps}"
        text = f"step {now.step}{of}  loss {now.record['loss']:.3g}"
        if "validation" in now.record:
            text += f"  validation {now.record['validation']:.3g}"
        text += f"  {now.seconds:.0f} s"
        if now.limit is not None:
            text += f" of {now.limit:g} s"
        taken = now.step - first.step
        if now.steps is not None and taken > 0:
            pace = (now.seconds - first.seconds) / taken
            left = pace * (now.steps - now.step)
            if now.limit is not None:
                left = min(left, max(now.limit - now.seconds, 0.0))
            text += f", about {left:.0f} s left"
        return text


def print_progress(file: Any = None, *, every: float | None = None) -> ProgressLine:
    """Returns an observer of fits that writes how far they are.

    Args:
        file: Standard error by default.
        every: Seconds between two lines; by default 0.2 on a terminal, where each is
            written over the last, and 10 elsewhere.

    Returns:
        One of the `watch` of `fit`.

    Example:
        >>> observer = print_progress()
        >>> # fit(..., steps=10_000, watch=[observer])
    """
    return ProgressLine(file, every)
