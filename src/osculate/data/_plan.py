"""Which points differences need, and what comes of the values there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ._stencils import along, default_step, exact_lengths
from ._told import Asked, Told, key_of


@dataclass(frozen=True, eq=False)
class Plan:
    """Which points are needed, and how derivatives come from their values.

    Attributes:
        x: The points of the table.
        order: Highest derivatives.
        method: Kind of difference.
        step: Lengths, `"search"`, or `None`.
    """

    x: np.ndarray
    order: int
    method: Any
    step: np.ndarray | str | None

    def asked(self) -> Asked:
        """Returns every point once, with the first row that needs it."""
        asked: Asked = {}

        def ask(row: int, point: np.ndarray) -> np.ndarray:
            asked.setdefault(key_of(point), (row, point))
            return np.zeros(1)

        for row, point in enumerate(self.x):
            ask(row, point)
        self._differences(ask)
        if self.method == "complex" and self.order:
            for side in (1, -1):
                ask(0, self.beside(side))
        return asked

    def tensors(self, told: Told) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Returns values and derivatives, NaN where unknown, and errors.

        Args:
            told: The answers at all points asked for.

        Returns:
            Tensors by order from 0, and errors from order 1, none where given.
        """
        if self.method == "given":
            each = [told.given(point) for point in self.x]
            return [np.stack(part) for part in zip(*each, strict=True)], []
        values = np.stack([told(point) for point in self.x])
        found = self._differences(lambda row, point: told(point))
        return [values, *(v for v, _ in found)], [e for _, e in found]

    def beside(self, side: int) -> np.ndarray:
        """Returns a point beside the first one, along all inputs at once.

        Args:
            side: 1 or -1.

        Returns:
            The point, `(D,)`.
        """
        return self.x[0] + side * self.spread * default_step("central", 1)

    @property
    def spread(self) -> np.ndarray:
        """Standard deviation of every input, to the nearest power of 2.

        Where an input does not vary, its size stands for it. A few points more leave a
        power of 2 as it is in most cases, and with it the calls that are kept.
        """
        spread, size = self.x.std(0), np.abs(self.x).max(0)
        size = np.where(size > 0, size, 1.0)
        return 2.0 ** np.round(np.log2(np.where(spread > 1e-12 * size, spread, size)))

    def _differences(self, at: Callable[[int, np.ndarray], np.ndarray]):
        """Returns tensors and errors by order, from values that `at` gives."""
        if self.method in ("given", None):
            return []
        found = []
        for order in range(1, self.order + 1):
            rows = [self._row(at, row, order) for row in range(len(self.x))]
            found.append(tuple(np.stack(part) for part in zip(*rows, strict=True)))
        return found

    def _row(self, at: Callable, row: int, order: int) -> tuple:
        """Returns one tensor at one row, with its error."""
        x, f = self.x[row], partial(at, row)
        if isinstance(self.step, str) or (self.method == "complex" and order == 1):
            return along(f, x, self.spread, order, self.method, None)
        scale = self.step
        if scale is None:
            scale = default_step(self.method, order) * self.spread
        if self.method != "complex":
            scale = exact_lengths(x, scale)
        return along(f, x, scale, order, self.method, 1.0)
