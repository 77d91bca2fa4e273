"""Evaluation: what is true and what was predicted, row by row."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from osculate.core import InputError

from ._notation import derived_unit, parse


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """Truth and prediction on N rows the surrogate was not fitted to.

    Attributes:
        kind: Where the rows come from: "held-out rows" or "test table".
        inputs: Names of the D inputs.
        outputs: Names of the M outputs.
        units: Unit of an input, an output or a derivative, by name; may be partial.
        x: The rows' input points.
        truth: Values by name in print notation: outputs `h`, then first partials
            `h_T`, then second partials `h_Tp`. NaN is unknown.
        prediction: The surrogate's values, same names.
        values_only: The same network's values when trained without derivatives.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    units: dict[str, str]
    x: Float[np.ndarray, "N D"]
    truth: dict[str, Float[np.ndarray, " N"]]
    prediction: dict[str, Float[np.ndarray, " N"]]
    values_only: dict[str, Float[np.ndarray, " N"]] | None = None

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.x.shape[1] != len(self.inputs):
            raise InputError(
                f"`report.Evaluation`: x has shape {self.x.shape}, "
                f"expected (N, {len(self.inputs)}) for inputs {self.inputs}.\n"
                "Pass one column for each input."
            )
        for label, values in (
            ("prediction", self.prediction),
            ("values_only", self.values_only),
        ):
            if values is not None and set(values) != set(self.truth):
                odd = sorted(set(values) ^ set(self.truth))
                raise InputError(
                    f"`report.Evaluation`: {label} and truth differ in {odd}.\n"
                    "Pass the same names in both; NaN where the truth is unknown."
                )

    def order(self, name: str) -> int:
        """Returns 0 for a value, 1 for a first derivative, and so on."""
        return len(parse(name, self.outputs, self.inputs)[1])

    def partial(self, output: str, *wrt: str) -> str | None:
        """Returns the name of a derivative of an output, None when it is absent."""
        for name in self.truth:
            found, by = parse(name, self.outputs, self.inputs)
            if found == output and sorted(by) == sorted(wrt):
                return name
        return None

    def all_units(self) -> dict[str, str]:
        """Returns the unit of every name, derivatives included, where known."""
        found = dict(self.units)
        for name in self.truth:
            output, wrt = parse(name, self.outputs, self.inputs)
            unit = derived_unit(output, wrt, self.units)
            if unit:
                found.setdefault(name, unit)
        return found
