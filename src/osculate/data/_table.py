"""The noun of this room: a table of values and derivatives."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from osculate.core import Samples
from osculate.diff import TENSORS

from ._failure import Failure
from ._weights import inverse_variances


@dataclass(frozen=True, eq=False)
class Table:
    """N points with the values and derivatives known there.

    Attributes:
        inputs: Names of the D inputs.
        outputs: Names of the M outputs.
        units: Unit of every input and output, by name; `""` where none is given.
        headers: Header of every column as it stood in the source, by its name;
            derivatives are named `dh/dT`, `d2h/dT2`, `d2h/dTdp`.
        x: Points `(N, D)`, in the units of the inputs.
        y: `"value"` `(N, M)` and, where the source has such columns, `"jacobian"`
            `(N, M, D)` and `"hessian"` `(N, M, D, D)`. What is missing is 0.
        known: For every entry of `y`, whether it is known; the same shapes.
        name: The file, or `<arrays>`, or what the rows were made by.
        sigma: Standard deviations of the entries of `y` whose error is known, by the
            same names and in the same shapes; empty where none is.
        failures: Calls of a black box that gave nothing, or not all.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    units: dict[str, str]
    headers: dict[str, str]
    x: Float64[np.ndarray, "N D"]
    y: dict[str, Float64[np.ndarray, "..."]]
    known: dict[str, Bool[np.ndarray, "..."]]
    name: str
    sigma: dict[str, Float64[np.ndarray, "..."]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()

    def __len__(self) -> int:
        """Returns N."""
        return len(self.x)

    def __repr__(self) -> str:
        """Returns one line: where it comes from, and what it holds."""
        inputs, outputs = ", ".join(self.inputs), ", ".join(self.outputs)
        return (
            f"Table({self.name!r}: {len(self)} rows, {inputs} -> {outputs}, "
            f"{' and '.join(self.y)})"
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of names and numbers, whatever format they were read from."""
        digest = hashlib.sha256(json.dumps([self.inputs, self.outputs]).encode())
        digest.update(_canonical(self.x))
        for order in TENSORS:
            if order in self.y:
                digest.update(f"{order}{self.y[order].shape}".encode())
                digest.update(_canonical(self.y[order]))
                digest.update(np.packbits(self.known[order]).tobytes())
            if order in self.sigma:
                digest.update(f"sigma {order}".encode())
                digest.update(_canonical(self.sigma[order]))
        return digest.hexdigest()

    def rows(self, index: Any) -> "Table":
        """Returns the table of some of the rows.

        Args:
            index: A slice, integers, or one boolean per row.

        Returns:
            A table with the rows in the order asked for.
        """
        index = np.atleast_1d(np.arange(len(self))[index])
        place = {row: new for new, row in enumerate(index.tolist())}
        failures = (f for f in self.failures if f.row in place)
        return replace(
            self,
            x=self.x[index],
            y={order: array[index] for order, array in self.y.items()},
            known={order: array[index] for order, array in self.known.items()},
            sigma={order: array[index] for order, array in self.sigma.items()},
            failures=tuple(f._replace(row=place[f.row]) for f in failures),
        )

    def up_to(self, order: int) -> "Table":
        """Returns the table without derivatives above an order.

        Args:
            order: Highest order kept: 0 leaves the values only.

        Returns:
            A table with the same rows.
        """
        kept = [name for name in self.y if TENSORS.index(name) <= order]
        return replace(
            self,
            y={name: self.y[name] for name in kept},
            known={name: self.known[name] for name in kept},
            sigma={name: self.sigma[name] for name in kept if name in self.sigma},
        )

    def samples(self, weighted: bool = True) -> Samples:
        """Returns the rows as Samples: what is missing has weight 0.

        An entry whose error is known (`sigma`) counts the less the larger its variance
        is beside those of its column, one partial derivative of one output: the weight
        is 1 at the median error, and errors below a thousandth of the spread of the
        column count alike, since a fit leaves more than that.

        Args:
            weighted: Whether known errors count; else every known entry has weight 1.

        Returns:
            Points, tensors and weights by name.
        """
        sigma = self.sigma if weighted else {}
        weight = inverse_variances(self.x, self.y, self.known, sigma)
        return Samples(x=self.x, y=dict(self.y), weight=weight)


def _canonical(array: np.ndarray) -> bytes:
    """Returns the same bytes on every machine, and for 0.0 as for -0.0."""
    return np.ascontiguousarray(array + 0.0, dtype="<f8").tobytes()
