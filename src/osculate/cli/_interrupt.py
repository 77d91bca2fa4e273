"""Ctrl-C: at once while nothing can be lost, at the end of a chunk while a fit runs."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType

SHOW_CURSOR = "\x1b[?25h"


@contextlib.contextmanager
def leaving() -> Iterator[None]:
    """Makes Ctrl-C end the process with one line.

    Whatever is written then is written whole or not at all. A `KeyboardInterrupt` in
    the middle of an import would be taken for a fault of the module, or be lost.
    """
    before = _install(_leave)
    try:
        yield
    finally:
        _restore(before)


class Interrupt:
    """Turns Ctrl-C into a `KeyboardInterrupt` at a moment when nothing computes.

    Raised in the middle of a compiled program, it would leave that program running
    while the interpreter shuts down, which ends in a crash of the process. A second
    Ctrl-C does not wait.
    """

    def __init__(self):
        """Prepares; `with` installs the handler, in the main thread only."""
        self._asked = False
        self._before = None

    def __enter__(self) -> "Interrupt":
        self._before = _install(self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _restore(self._before)

    def check(self) -> None:
        """Raises where Ctrl-C was pressed since the last look.

        Raises:
            KeyboardInterrupt: If it was.
        """
        if self._asked:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            _leave(number, frame)
        self._asked = True
        _say("stopping; Ctrl-C again leaves without waiting")


def _install(handler):
    """Returns what handled Ctrl-C before, or None where this thread cannot say."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGINT, handler)


def _restore(before) -> None:
    if before is not None:
        signal.signal(signal.SIGINT, before)


def _leave(number: int, frame: FrameType | None) -> None:
    _say("osculate: interrupted.")
    os._exit(130)


def _say(text: str) -> None:
    """Writes past Python's own buffer, which may be in use; "^C" stands on the line."""
    before = f"{SHOW_CURSOR}\n" if os.isatty(2) else ""
    os.write(2, f"{before}{text}\n".encode())
