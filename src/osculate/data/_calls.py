"""Calls of a costly function: in parallel, kept on the disk, none lost."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    as_completed,
)
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from osculate.core import InputError
from osculate.store import CorruptFileError, pack, unpack, write

from ._outputs import split_outputs

Watch = Callable[[int, int], None]


class Answer(NamedTuple):
    """What one call gave.

    Attributes:
        parts: What was returned, by place in the tuple (value, jacobian, ...) and by
            name of the output; empty where there is nothing.
        reason: Why there is nothing; `""` where there is.
    """

    parts: tuple[dict[str, np.ndarray], ...]
    reason: str = ""


class KeptCall:
    """A function of one point that remembers on the disk what it returned.

    It writes before it returns, in whatever process it runs, so that a result is on
    the disk as soon as there is one. What raised is not kept, and is tried again.
    """

    def __init__(
        self, f: Callable[[Any], Any], parts: int, folder: Path | None, name: str
    ):
        self._f, self._parts, self._folder, self._name = f, parts, folder, name

    def __call__(self, point: np.ndarray) -> Answer:
        kept = self.kept(point)
        if kept is not None:
            return kept
        try:
            answer = Answer(_arrays(self._f(point.copy()), self._parts))
        except Exception as error:
            return Answer((), f"{type(error).__name__}: {str(error)[:200]}".strip(": "))
        if self._folder is not None:
            self._keep(self._folder, point, answer)
        return answer

    def kept(self, point: np.ndarray) -> Answer | None:
        """Returns what an earlier call gave, if one did.

        Args:
            point: Where, `(D,)`.

        Returns:
            The answer or `None`.
        """
        if self._folder is None:
            return None
        path = self._path(self._folder, point)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        arrays, header = unpack(data, path)
        names = header["outputs"]
        return Answer(
            tuple(
                {name: arrays[f"{place}:{name}"] for name in part}
                for place, part in enumerate(names)
            )
        )

    def _keep(self, folder: Path, point: np.ndarray, answer: Answer) -> None:
        arrays = {
            f"{place}:{name}": array
            for place, part in enumerate(answer.parts)
            for name, array in part.items()
        }
        header = {
            "function": self._name,
            "outputs": [list(part) for part in answer.parts],
        }
        write(self._path(folder, point), pack({"point": point} | arrays, header))

    def _path(self, folder: Path, point: np.ndarray) -> Path:
        """Returns a file whose name is a digest of function, kind and point."""
        kind = "<c16" if point.dtype.kind == "c" else "<f8"
        digest = hashlib.sha256(json.dumps([self._name, self._parts, kind]).encode())
        digest.update(np.ascontiguousarray(point + 0.0, dtype=kind).tobytes())
        return folder / f"{digest.hexdigest()}.npz"


def _arrays(returned: Any, parts: int) -> tuple[dict[str, np.ndarray], ...]:
    """Returns what a call gave as arrays of numbers, or raises saying what it was."""
    if parts > 1:
        if not isinstance(returned, tuple) or len(returned) != parts:
            wanted = ("value", "jacobian", "hessian")[:parts]
            raise TypeError(f"returned no tuple ({', '.join(wanted)})")
    else:
        returned = (returned,)
    found = []
    for part in returned:
        arrays = {name: np.asarray(a) for name, a in split_outputs(part).items()}
        if not arrays:
            raise TypeError("returned an empty dictionary")
        for array in arrays.values():
            if array.dtype.kind not in "fiubc" or not array.size:
                came = f"{array.dtype}, shape {array.shape}"
                raise TypeError(f"returned {came}; expected numbers")
        found.append(
            {
                name: array.astype(complex if array.dtype.kind == "c" else float)
                for name, array in arrays.items()
            }
        )
    return tuple(found)


def answers(
    call: KeptCall,
    points: Sequence[np.ndarray],
    workers: int | Executor,
    watch: Watch | None,
) -> list[Answer]:
    """Returns what a function gives at points, in their order.

    Ctrl-C ends it after the calls that are running; those that ended are kept.

    Args:
        call: The function.
        points: Where, each `(D,)`.
        workers: Threads, or an executor of one's own.
        watch: Told after each call how many are done, of how many.

    Returns:
        One answer per point.
    """
    found: dict[int, Answer] = {}
    for i, answer in _completed(call, points, workers):
        found[i] = answer
        if watch is not None:
            watch(len(found), len(points))
    return [found[i] for i in range(len(points))]


def _completed(
    call: KeptCall, points: Sequence[np.ndarray], workers: int | Executor
) -> Iterator[tuple[int, Answer]]:
    """Yields places and answers, in the order in which calls end."""
    if workers == 1:
        yield from ((i, call(point)) for i, point in enumerate(points))
        return
    with ExitStack() as stack:
        if isinstance(workers, int):
            pool: Executor = stack.enter_context(ThreadPoolExecutor(workers))
        else:
            pool = workers
        futures: dict[Future, int] = {}
        try:
            for i, point in enumerate(points):
                kept = call.kept(point)
                if kept is not None:
                    yield i, kept
                else:
                    futures[pool.submit(call, point)] = i
            for future in as_completed(futures):
                yield futures[future], _result(future)
        finally:
            for future in futures:
                future.cancel()


def _result(future: Future) -> Answer:
    """Returns what a worker gave, or says why it could not even begin."""
    try:
        return future.result()
    except BrokenExecutor as error:
        raise InputError(
            "`from_black_box`: a worker process ended (killed, out of memory, or not "
            "able to begin).\n"
            "Expected workers that live. Call it again, with fewer of them; with "
            "`cache=` what was finished is not computed again."
        ) from error
    except (OSError, CorruptFileError):
        raise  # of the folder of kept calls
    except Exception as error:  # the call itself raises nothing: it could not be sent
        raise InputError(
            f"`from_black_box`: f cannot be sent to a worker ({str(error)[:150]}).\n"
            "Expected a function at the top level of a module.\n"
            "Define it there, or pass `workers=` as a number, for threads."
        ) from error
