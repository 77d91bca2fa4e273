"""The noise scale as an observer of a fit."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from osculate.core import Objective, Samples

from ._noise_scale import NoiseScale, noise_scale


class NoiseMonitor:
    """Records the noise scale while a model is trained: `fit(..., watch=[monitor])`.

    Numerators and denominators are averaged apart, with weights that fall by `decay`
    from one record to the next, since ratios of noisy numbers are biased.

    Attributes:
        records: What was measured, by step.
        average: The running average, None before the first record.
    """

    def __init__(
        self,
        objective: Objective,
        samples: Mapping[str, Samples],
        *,
        key: PRNGKeyArray,
        every: int = 1,
        num_probes: int = 4,
        decay: float = 0.9,
    ):
        """Begins.

        Args:
            objective: What is minimized.
            samples: The rows that batches are drawn from, or some of them.
            key: Key of the signs of `noise_scale`.
            every: Measure after every so many chunks of the fit.
            num_probes: As for `noise_scale`.
            decay: Weight of what was known, from 0 (the newest record alone) to 1.

        Raises:
            ValueError: If `every` is less than 1 or `decay` is not in [0, 1).
        """
        if every < 1 or not 0 <= decay < 1:
            raise ValueError(
                f"`NoiseMonitor`: every={every}, decay={decay}; expected every >= 1 "
                "and 0 <= decay < 1."
            )
        self.records: dict[int, NoiseScale] = {}
        self.average: NoiseScale | None = None
        self._given = (objective, dict(samples))
        self._key, self._num_probes = key, num_probes
        self._every, self._decay = every, decay
        self._chunks = 0
        self._sum: PyTree[Any] = None
        self._columns: dict[str, list[float]] = {}

    def __call__(self, now: Any) -> None:
        """Measures where it is due.

        Args:
            now: A `train.Progress`, whose carry has the `model`.
        """
        self._chunks += 1
        if (self._chunks - 1) % self._every:
            return
        objective, samples = self._given
        key = jr.fold_in(self._key, now.step)
        found = _compiled(objective, now.carry.model, samples, key, self._num_probes)
        self.records[now.step] = found
        d, n = self._decay, len(self.records)
        old = jax.tree.map(jnp.zeros_like, found) if self._sum is None else self._sum
        self._sum = jax.tree.map(lambda a, b: d * a + (1 - d) * b, old, found)
        average = jax.tree.map(lambda a: a / (1 - d**n), self._sum)
        self.average = average
        self._add(now.step, found, average)

    def history(self) -> dict[str, np.ndarray]:
        """Returns the records as columns.

        Returns:
            `step`, `simple` and `critical` as measured, and of the running averages
            `average_simple` and `average_critical`.
        """
        return {name: np.asarray(column) for name, column in self._columns.items()}

    def _add(self, step: int, found: NoiseScale, average: NoiseScale) -> None:
        line = {
            "step": step,
            "simple": float(found.simple),
            "critical": float(found.critical),
            "average_simple": float(average.simple),
            "average_critical": float(average.critical),
        }
        for name, value in line.items():
            self._columns.setdefault(name, []).append(value)


@eqx.filter_jit
def _compiled(objective, model, samples, key, num_probes):
    return noise_scale(objective, model, samples, key=key, num_probes=num_probes)
