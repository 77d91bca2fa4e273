"""The error of now: a certificate on another thread, while a fit goes on."""

import contextlib
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

FIRST_PAUSE = 5.0  # seconds before the first estimate
SHARE = 0.05  # of the time of a fit, that estimates take at most
ESTIMATED = "estimated_error"


class Lookout:
    """Watches a fit, and passes its progress on with the last estimate of its error."""

    def __init__(self, watch: Watch | None, *, running: bool):
        """Begins.

        Args:
            watch: Whom progress is passed on to, or None.
            running: Whether the certificate may compile before the first chunk of
                steps is through.
        """
        self._watch = watch
        self._running = threading.Event()
        self._best: PyTree[Any] = None
        self._error: float | None = None
        if running:
            self._running.set()

    def __call__(self, leg: str, progress: train.Progress) -> None:
        """Notes the best iterate, and passes progress on."""
        self._best = progress.carry.best
        self._running.set()
        if self._watch is not None:
            told = {} if self._error is None else {ESTIMATED: self._error}
            self._watch(leg, progress._replace(record={**told, **progress.record}))

    def tell(self, certificate: Certificate) -> None:
        """Takes the estimate of a certificate as the last one."""
        self._error = certificate.relative

    @contextlib.contextmanager
    def beside(
        self,
        judged: Judge,
        begin: PyTree[Any],
        *,
        left: Callable[[], float],
        again: bool = True,
    ) -> Iterator[None]:
        """Compiles the certificate beside a fit, and estimates its error if watched.

        Args:
            judged: Certifies a model.
            begin: A model to compile it by.
            left: Returns the seconds that the fit still has.
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
                judged(begin)
                took = FIRST_PAUSE * SHARE
                while again and self._watch is not None:
                    if ended.wait(took / SHARE) or left() < 2 * took:
                        return
                    if self._best is not None:
                        began = time.perf_counter()
                        self.tell(judged(self._best))
                        took = time.perf_counter() - began

        with ThreadPoolExecutor(max_workers=1) as pool:
            pool.submit(work)
            try:
                yield
            finally:
                ended.set()
                self._running.set()
