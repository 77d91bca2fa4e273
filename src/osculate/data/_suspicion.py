"""What can be wrong with columns of derivatives."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Suspicion:
    """A fault of derivative columns, and what repairing it would gain.

    Attributes:
        columns: Names of the columns, `dh/dT`: two if swapped, all if transposed,
            else one.
        kind: What is wrong with them.
        factor: What to multiply the column by to repair it; 1 if swapped or
            transposed.
        misfit_before: Median error of the differences of values that the derivatives
            predict, relative to the median difference; over the pairs of rows that
            tell most.
        misfit_after: The same after the repair.
    """

    columns: tuple[str, ...]
    kind: Literal["swapped", "transposed", "negated", "rescaled"]
    factor: float
    misfit_before: float
    misfit_after: float

    def __str__(self) -> str:
        """Returns one sentence."""
        names = " and ".join(repr(name) for name in self.columns)
        repair = {
            "swapped": f"{names} look swapped: exchanging them",
            "transposed": "The first derivatives look transposed, inputs before "
            "outputs: taking them as (N, D, M)",
            "negated": f"{names} looks negated: flipping its sign",
            "rescaled": f"{names} looks rescaled: multiplying it by {self.factor:.3g}",
        }[self.kind]
        return (
            f"{repair} cuts the misfit to differences of the table's values from "
            f"{self.misfit_before:.2g} to {self.misfit_after:.2g}."
        )
