"""What the calls of a black box gave, in one layout."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from osculate.core import InputError
from osculate.diff import TENSORS

from ._calls import Answer
from ._failure import Failure
from ._outputs import output_names


def key_of(point: np.ndarray) -> bytes:
    """Returns what tells points apart: bytes of real or of complex numbers."""
    return point.dtype.kind.encode() + (point + 0.0).tobytes()


Asked = dict[bytes, tuple[int, np.ndarray]]


class Told:
    """What the calls gave, in one layout; whatever does not fit is a failure."""

    def __init__(self, found: dict[bytes, Answer], asked: Asked, D: int, parts: int):
        self._found, self._asked, self._D, self._parts = found, asked, D, parts
        values = [answer.parts[0] for answer in found.values() if answer.parts]
        self._shapes = _usual_layout(values)
        self.names = output_names(self._shapes)
        self._reasons = {key: answer.reason for key, answer in found.items()}
        self._vectors = {key: self._tensors(key, found[key]) for key in found}

    def __call__(self, point: np.ndarray) -> np.ndarray:
        """Returns the values at a point, `(M,)`, NaN where unknown."""
        return self._vectors[key_of(point)][0]

    def given(self, point: np.ndarray) -> list[np.ndarray]:
        """Returns the values and the derivatives that came with them.

        Args:
            point: Where.

        Returns:
            `(M,)`, `(M, D)`, perhaps `(M, D, D)`.
        """
        return self._vectors[key_of(point)]

    def refuse_nothing(self, N: int) -> None:
        """Raises where not one call at the rows themselves gave a number.

        Args:
            N: How many rows there are.

        Raises:
            InputError: If there is none.
        """
        rows = list(self._found)[:N]
        if all(np.isnan(self._vectors[key][0]).all() for key in rows):
            key = next(key for key in rows)
            raise InputError(
                f"`from_black_box`: none of the calls at {len(rows)} points gave a "
                f"number. The first, {self._failure(key)}.\n"
                "Expected a function of one point (D,) that returns numbers, an array "
                "or a dictionary of them.\n"
                "Call it once by hand: `f(np.asarray(x)[0])`."
            )

    def refuse_real(self, x: np.ndarray) -> None:
        """Raises where complex points gave nothing complex.

        Args:
            x: Points of the table.

        Raises:
            InputError: If f raised at all of them, or dropped the imaginary part.
        """
        keys = [key for key in self._found if key[:1] == b"c"]
        if all(self._reasons[key] for key in keys):
            reason = self._reasons[keys[0]]
            raise not_analytic(f"it fails at every complex point ({reason})")
        for name in self._shapes:
            parts = [self._found[k].parts[0][name] for k in keys if self._vectors[k]]
            values = [self._found[key_of(point)].parts[:1] for point in x]
            values = [value[0][name] for value in values if value and name in value[0]]
            varies = any(not np.array_equal(v, values[0]) for v in values)
            if varies and not any(part.dtype.kind == "c" for part in parts):
                what = f"{name!r} is" if name else "its values are"
                raise not_analytic(f"{what} real at complex points")

    def failures(self) -> tuple[Failure, ...]:
        """Returns every call that gave nothing, or not all."""
        keys = (key for key, reason in self._reasons.items() if reason)
        return tuple(self._failure(key) for key in keys)

    def _failure(self, key: bytes) -> Failure:
        row, point = self._asked[key]
        return Failure(row, tuple(point.tolist()), self._reasons[key])

    def _tensors(self, key: bytes, answer: Answer) -> list[np.ndarray]:
        """Returns an answer by order, NaN and a reason where something lacks."""
        M, D = len(self.names), self._D
        wanted = [(M,) + n * (D,) for n in range(self._parts)]
        unknown = [np.full(shape, np.nan) for shape in wanted]
        if not answer.parts:
            return unknown
        shapes = {name: array.shape for name, array in answer.parts[0].items()}
        if shapes != self._shapes:
            self._reasons[key] = (
                f"returned {_described(shapes)}; the others {_described(self._shapes)}"
            )
            return unknown
        found = []
        for n, part in enumerate(answer.parts):
            rows = []
            for name, shape in self._shapes.items():
                size = (math.prod(shape),) + n * (D,)
                array = part.get(name)
                if array is None or not _fits(array.shape, size):
                    self._reasons[key] = _misshapen(n, name, array, size)
                    return unknown
                rows.append(array.reshape(size))
            found.append(np.concatenate(rows))
        return [self._finite(key, n, tensor) for n, tensor in enumerate(found)]

    def _finite(self, key: bytes, order: int, tensor: np.ndarray) -> np.ndarray:
        """Returns numbers of the kind of their point, NaN where not finite."""
        if tensor.dtype.kind == "c" and key[:1] != b"c":
            tensor = np.where(np.imag(tensor) == 0, np.real(tensor), np.nan)
        bad = ~np.isfinite(tensor)
        if bad.any() and not self._reasons[key]:
            m = int(np.argwhere(bad)[0][0])
            of = f"the {TENSORS[order]} of " if order else ""
            self._reasons[key] = f"returned {tensor[bad][0]} for {of}{self.names[m]!r}"
        return np.where(bad, np.nan, tensor)


def _usual_layout(
    values: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, tuple[int, ...]]:
    """Returns the names and shapes that most calls returned."""
    counts: dict[tuple, int] = {}
    for value in values:
        shapes = tuple((name, array.shape) for name, array in value.items())
        counts[shapes] = counts.get(shapes, 0) + 1
    usual = max(counts, key=lambda shapes: counts[shapes], default=(("", ()),))
    return dict(usual)


def _described(shapes: Mapping[str, tuple[int, ...]]) -> str:
    if list(shapes) == [""]:
        return f"shape {shapes['']}"
    return ", ".join(f"{name!r} of shape {shape}" for name, shape in shapes.items())


def _fits(came: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a shape is the one wanted, but for axes of length 1."""
    return [n for n in came if n != 1] == [n for n in wanted if n != 1]


def _misshapen(
    order: int, name: str, array: np.ndarray | None, wanted: tuple[int, ...]
) -> str:
    of = f" of {name!r}" if name else ""
    if array is None:
        return f"returned no {TENSORS[order]}{of}"
    hint = ""
    if order and array.shape == wanted[::-1]:
        hint = "; it looks transposed: inputs before outputs"
    axes = ("outputs", "inputs", "inputs")[: order + 1]
    return (
        f"returned a {TENSORS[order]}{of} of shape {array.shape}; expected {wanted} "
        f"({', '.join(axes)}){hint}"
    )


def not_analytic(reason: str) -> InputError:
    """Returns the error for complex steps that cannot be trusted, for a reason."""
    return InputError(
        f"`from_black_box`: f does not take complex steps: {reason}.\n"
        "Expected an analytic function in complex numbers, without abs, max, float or "
        "comparisons.\n"
        "Use `derivatives='central'`."
    )
