"""Ctrl-C once: stop at the end of this chunk, saved. Twice: leave at once."""

import os
import signal
import sys
import threading
from types import FrameType, TracebackType


class Interrupt:
    """Turns Ctrl-C into a `KeyboardInterrupt` at a moment when nothing computes.

    Raised in the middle of a compiled program, it would leave that program running
    while the interpreter shuts down, which ends in a crash of the process.
    """

    def __init__(self):
        """Prepares; `with` installs the handler, in the main thread only."""
        self._asked = False
        self._before = None

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def check(self) -> None:
        """Raises where Ctrl-C was pressed since the last look.

        Raises:
            KeyboardInterrupt: If it was.
        """
        if self._asked:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            os._exit(130)
        self._asked = True
        sys.stderr.write("\nstopping; Ctrl-C again leaves without waiting\n")
