"""The error of now: a certificate on another thread, while a fit goes on."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from jaxtyping import PyTree

from osculate import train
from osculate.solve import Certificate

Watch = Callable[[str, train.Progress], None]
Judge = Callable[[PyTree[Any]], Certificate]

LEG = "solve"  # what the legs are called whose error is estimated
FIRST_PAUSE = 5.0  # seconds before the first estimate
SHARE = 0.05  # of the seconds of a fit, that estimates take at most
ESTIMATED = "estimated_error"


class Lookout:
    """Watches a fit, and passes its progress on with the last estimate of its error."""

    def __init__(self, watch: Watch | None, *, live: bool, running: bool):
        """Begins.

        Args:
            watch: Whom progress is passed on to, or None.
            live: Whether the error is estimated while a fit goes on.
            running: Whether the certificate may compile before the first chunk of
                steps is through.
        """
        self._watch, self._live = watch, live
        self._running = threading.Event()
        self._now: train.Progress | None = None
        self._error: float | None = None
        if running:
            self._running.set()

    def __call__(self, leg: str, progress: train.Progress) -> None:
        """Notes where a fit stands, and passes it on."""
        if leg.startswith(LEG):
            self._now = progress
        self._running.set()
        if self._watch is not None:
            told = {} if self._error is None else {ESTIMATED: self._error}
            self._watch(leg, progress._replace(record={**told, **progress.record}))

    def tell(self, certificate: Certificate) -> None:
        """Takes the estimate of a certificate as the last one."""
        self._error = certificate.relative

    @contextlib.contextmanager
    def beside(
        self, judged: Judge, begin: PyTree[Any], *, again: bool = True
    ) -> Iterator[None]:
        """Compiles the certificate beside a fit, and estimates its error if that is on.

        Args:
            judged: Certifies a model.
            begin: A model to compile it by.
            again: Whether models on the way can be certified.

        Yields:
            Nothing.
        """
        ended = threading.Event()

        def work() -> None:
            self._running.wait()
            if ended.is_set():
                return
            with jax.enable_x64(True):
                took = _seconds(lambda: judged(begin))
                if again and self._live:
                    self._estimate(judged, ended, took)

        with ThreadPoolExecutor(max_workers=1) as pool:
            try:
                working = pool.submit(work)
                yield
            finally:
                ended.set()
                self._running.set()
            working.result()  # what failed there fails here

    def _estimate(self, judged: Judge, ended: threading.Event, took: float) -> None:
        """Certifies the best iterate again and again, where the fit will outlast it."""
        pause, seen = FIRST_PAUSE, -1
        while not ended.wait(pause):
            now = self._now
            if now is None or int(now.carry.best_step) == seen or _left(now) < took:
                continue
            best, seen = now.carry.best, int(now.carry.best_step)
            took = _seconds(lambda best=best: self.tell(judged(best)))
            pause = took / SHARE


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _left(now: train.Progress) -> float:
    """Returns the seconds that a fit still has, as far as its pace tells."""
    left = math.inf if now.limit is None else now.limit - now.seconds
    if now.steps is not None and now.step:
        left = min(left, now.seconds / now.step * (now.steps - now.step))
    return left
