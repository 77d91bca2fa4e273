"""What can be chosen about a surrogate: plain values, the same names everywhere."""

import dataclasses

from osculate.core import InputError, did_you_mean
from osculate.nets import ACTIVATIONS

from ._budget import parse_budget

LOSSES = ("gaussian",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Choices of `surrogate`, checked when made; all of them can be saved as JSON.

    Attributes:
        inputs: Names of the inputs, or None to find them from the derivative columns.
        outputs: Names of the outputs, or None.
        width: Size of the hidden layers, or None to choose it from the data.
        depth: Number of hidden layers.
        activation: Name of a smooth activation of `nets.MLP`.
        loss: Name of the loss.
        validation: Share of the rows held out to choose the number of steps.
        budget: `"5000steps"` or `"60s"`.
        seed: Seed of the split and of the random weights.
        compare: Also fit the same network on values only.
        strict: Treat suspicious derivative columns as errors.
    """

    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    width: int | None = None
    depth: int = 3
    activation: str = "tanh"
    loss: str = "gaussian"
    validation: float = 0.2
    budget: str = "5000steps"
    seed: int = 0
    compare: bool = False
    strict: bool = False

    def __post_init__(self):
        """Checks every choice.

        Raises:
            InputError: If one is out of its range or not known.
        """
        parse_budget(self.budget)
        _known("loss", self.loss, LOSSES)
        _known("activation", self.activation, tuple(ACTIVATIONS))
        _at_least("width", self.width, 1)
        _at_least("depth", self.depth, 1)
        _at_least("seed", self.seed, 0)
        if self.seed >= 2**32:
            raise InputError(f"seed is {self.seed}.\nGive a number below 2**32.")
        if not 0 < self.validation < 1:
            raise InputError(
                f"validation is {self.validation}; expected a share of the rows "
                "between 0 and 1.\nWrite for instance 0.2."
            )


def _known(what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise InputError(
            f"{what} {name!r} is not known.{did_you_mean(name, names)}\n"
            f"Choose one of: {', '.join(names)}."
        )


def _at_least(what: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise InputError(
            f"{what} is {value}.\nGive a whole number of at least {least}."
        )
