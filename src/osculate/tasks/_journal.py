"""Remembers a job leg by leg, so that it can go on where it was interrupted.

A leg is one call of `train.fit` under a name. A journal keeps the outcome of the legs
that ended and the last chunk of the one that runs; whoever owns a place on disk gives
it a `save`. Legs are asked for in the same order when a job is resumed: those that
ended answer at once, the one that ran continues from its last saved chunk.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

from osculate import store, train
from osculate.core import Objective, Optimizer, Result, Samples, Status

SECONDS_BETWEEN_SAVES = 1.0
COMPUTED_PER_SAVE = 20  # at least so many times as long as the last save took


class Leg(NamedTuple):
    """One leg as arrays: a snapshot while it runs, its model once it has ended."""

    arrays: dict[str, np.ndarray]
    history: dict[str, np.ndarray]
    facts: dict[str, Any]


@dataclasses.dataclass
class State:
    """What a job has done.

    Attributes:
        done: Legs that ended, by name.
        running: Name of the leg that runs, or `""`.
        now: Its last chunk, or None.
        seconds: Time used, earlier sittings included.
        log_bytes: Length of the log that tells of it.
    """

    done: dict[str, Leg] = dataclasses.field(default_factory=dict)
    running: str = ""
    now: Leg | None = None
    seconds: float = 0.0
    log_bytes: int = 0

    def pack(self) -> bytes:
        """Returns the state as the bytes of one checksummed file."""
        legs = {f"done {name}": leg for name, leg in self.done.items()}
        if self.now is not None:
            legs[f"now {self.running}"] = self.now
        arrays = {
            f"{title}\n{kind}\n{name}": array
            for title, leg in legs.items()
            for kind in ("arrays", "history")
            for name, array in getattr(leg, kind).items()
        }
        facts = {title: leg.facts for title, leg in legs.items()}
        numbers = {"seconds": self.seconds, "log_bytes": self.log_bytes}
        return store.pack(arrays, {"legs": list(legs), "facts": facts, **numbers})

    @classmethod
    def unpack(cls, content: bytes, path: Any) -> "State":
        """Returns the state that was packed.

        Args:
            content: The bytes.
            path: Where they come from, for messages.

        Returns:
            The state.
        """
        arrays, header = store.unpack(content, path)
        state = cls(seconds=header["seconds"], log_bytes=header["log_bytes"])
        for title in header["legs"]:
            leg = Leg({}, {}, header["facts"][title])
            for key, array in arrays.items():
                owner, kind, name = key.split("\n")
                if owner == title:
                    getattr(leg, kind)[name] = array
            role, _, name = title.partition(" ")
            if role == "done":
                state.done[name] = leg
            else:
                state.running, state.now = name, leg
        return state


class Journal:
    """Runs the legs of a job and remembers them."""

    def __init__(
        self,
        *,
        state: State | None = None,
        save: Callable[[State], None] | None = None,
        log: Callable[[str], None] | None = None,
        watch: Callable[[str, train.Progress], None] | None = None,
        began: float | None = None,
    ):
        """Begins a job, or goes on with one.

        Args:
            state: What was done before.
            save: Called with the state once a second, less often where that takes
                long, and after each leg.
            log: Called with one line of JSON per chunk.
            watch: Called with the leg's name and its progress after each chunk.
            began: When this sitting began, by `time.perf_counter`; by default now.
        """
        self._state = state or State()
        self._save, self._log, self._watch = save, log, watch
        now = time.perf_counter()
        self._before, self._began = self._state.seconds, now if began is None else began
        self._saved_at, self._saving = now, 0.0
        self._latest: train.Progress | None = None

    @property
    def seconds(self) -> float:
        """Seconds used by this job, those before an interruption included."""
        return self._before + time.perf_counter() - self._began

    def run(
        self,
        name: str,
        objective: Objective,
        model: PyTree[Any],
        samples: Mapping[str, Samples],
        optimizer: Optimizer,
        **options: Any,
    ) -> Result:
        """Fits, or returns at once what this leg gave before.

        Args:
            name: The leg's name, unique in the job.
            objective: As for `train.fit`.
            model: As for `train.fit`.
            samples: As for `train.fit`.
            optimizer: As for `train.fit`.
            **options: Further options of `train.fit`.

        Returns:
            The result of the fit.
        """
        if name in self._state.done:
            return self._recall(name, objective, model, samples)
        resume = None
        if self._state.now is not None and self._state.running == name:
            template = train.start(
                objective, model, samples, optimizer, sampler=options.get("sampler")
            )
            leg = self._state.now
            resume = store.with_leaves(template, leg.arrays, name), leg.history
        self._state.running, self._state.now, self._latest = name, None, None
        try:
            result = train.fit(
                objective,
                model,
                samples,
                optimizer,
                resume=resume,
                watch=[self._look],
                **options,
            )
        except KeyboardInterrupt:
            self._keep_latest()
            raise
        facts = {
            "stats": result.stats,
            "status": result.status.name,
            "diagnosis": result.diagnosis,
        }
        self._state.done[name] = Leg(store.leaves(result.value), result.history, facts)
        self._state.running, self._state.now = "", None
        self._store()
        return result

    def _recall(self, name, objective, model, samples) -> Result:
        leg = self._state.done[name]
        return Result(
            store.with_leaves(model, leg.arrays, name),
            objective,
            dict(samples),
            leg.history,
            leg.facts["stats"],
            Status[leg.facts["status"]],
            leg.facts["diagnosis"],
        )

    def _look(self, progress: train.Progress) -> None:
        self._latest = progress
        name = self._state.running
        if self._log is not None:
            numbers = {k: _finite(v) for k, v in progress.record.items()}
            line = {"leg": name, **numbers, "seconds": round(self.seconds, 3)}
            self._log(json.dumps(line))
        if self._watch is not None:
            self._watch(name, progress)
        pause = max(SECONDS_BETWEEN_SAVES, COMPUTED_PER_SAVE * self._saving)
        if time.perf_counter() - self._saved_at > pause:
            self._keep_latest()

    def _keep_latest(self) -> None:
        """Turns the last chunk into arrays and saves."""
        if self._latest is None or self._save is None:
            return
        progress = self._latest
        self._state.now = Leg(store.leaves(progress.carry), progress.history, {})
        self._store()

    def _store(self) -> None:
        if self._save is not None:
            began = time.perf_counter()
            self._state.seconds = self.seconds
            self._save(self._state)
            self._saved_at = time.perf_counter()
            self._saving = self._saved_at - began


def _finite(number: float | int) -> float | int | None:
    return number if np.isfinite(number) else None
