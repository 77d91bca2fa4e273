"""The error of now: a certificate on another thread, while a fit goes on."""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree

from osculate import train
from osculate.solve import Certificate

Watch = Callable[[str, train.Progress], None]
Judge = Callable[[PyTree[Any]], Certificate]

LEG = "solve"  # what the legs are called whose error is estimated
FIRST_PAUSE = 1.0  # seconds before the first estimate
SHARE = 0.1  # of the seconds of a fit, that estimates take at most
MARGIN = 1.2  # of a fit's time that is left, over that of an estimate
ESTIMATED = "estimated_error"


class _Mark(NamedTuple):
    """Where a fit stands: its best iterate, and when it will have ended."""

    leg: str
    best_step: int
    best: PyTree[Any]
    until: float


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
        self._working: Future[None] | None = None
        self._mark: _Mark | None = None
        self._begun = ("", 0, 0.0)  # a leg, its first step and seconds
        self._error: float | None = None
        if running:
            self._running.set()

    def __call__(self, leg: str, progress: train.Progress) -> None:
        """Notes where a fit stands, and passes it on; raises what failed beside it."""
        if self._working is not None and self._working.done():
            self._working.result()
        if self._live and leg.startswith(LEG):
            if leg != self._begun[0]:
                self._begun = leg, progress.step, progress.seconds
            until = time.perf_counter() + _left(progress, *self._begun[1:])
            best_step = int(progress.carry.best_step)
            self._mark = _Mark(leg, best_step, progress.carry.best, until)
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
                self._working = pool.submit(work)
                yield
            finally:
                ended.set()
                self._running.set()
            self._working.result()

    def _estimate(self, judged: Judge, ended: threading.Event, took: float) -> None:
        """Certifies the best iterate again and again, where the fit will outlast it."""
        pause, seen = FIRST_PAUSE, None
        while not ended.wait(pause):
            mark = self._mark
            if mark is None or mark[:2] == seen:
                continue
            if mark.until - time.perf_counter() > MARGIN * took:
                seen, best = mark[:2], mark.best
                took = _seconds(lambda best=best: self.tell(judged(best)))
                pause = took / SHARE


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _left(now: train.Progress, step: int, seconds: float) -> float:
    """Returns the seconds that a fit still has, as far as its pace tells.

    Args:
        now: Where it stands.
        step: Where it stood when its leg began.
        seconds: When that was; compilation lies before.

    Returns:
        The seconds; 0 where nothing tells yet, or it has ended.
    """
    left = math.inf if now.limit is None else now.limit - now.seconds
    taken = now.step - step
    if now.status is not None or (now.steps is not None and not taken):
        return 0.0
    if now.steps is not None:
        left = min(left, (now.seconds - seconds) / taken * (now.steps - now.step))
    return left
