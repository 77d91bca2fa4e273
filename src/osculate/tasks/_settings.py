"""What can be chosen about a surrogate: plain values, the same names everywhere."""

import dataclasses
import math
import re
from typing import Any

import numpy as np

from osculate import chance
from osculate.core import InputError, did_you_mean
from osculate.nets import ACTIVATIONS

from ._budget import parse_budget

MODELS = ("auto", "network", "process")
REGULARIZATIONS = ("auto", "none")
NOISE = 0.01  # of the spread of a column: a usual error to a loss that forgives others
LOSSES = {
    "gaussian": chance.Gaussian(),
    "laplace": chance.LaplaceLoss(),
    "cauchy": chance.CauchyLoss(NOISE),
    "student": chance.StudentTLoss(4.0, NOISE),
    "huber": chance.HuberLoss(1.345, NOISE),
}
CLASSES = {type(loss).__name__: type(loss) for loss in LOSSES.values()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Choices of `surrogate`, checked when made; all of them can be saved as JSON.

    Attributes:
        inputs: Names of the inputs, or None to find them from the derivative columns.
        outputs: Names of the outputs, or None.
        width: Size of the hidden layers, or None to choose it from the data.
        depth: Number of hidden layers.
        activation: Name of a smooth activation of `nets.MLP`.
        loss: Name of the loss, or its class and parameters; a loss object of `chance`
            becomes that text.
        jacobian: Factor of the first derivatives beside values, 0 or more.
        model: `network`, `process` for an exact Gaussian process, or `auto`: the one
            that predicts held-out rows best, where there are few enough.
        regularization: `auto`: small networks with a Gaussian loss have penalties and
            noise levels found by their evidence; or `none`.
        members: How many networks from other first weights ship as one, their mean;
            two or more tell by their spread how sure they are.
        validation: Share of the rows held out to choose the number of steps.
        budget: `"2000steps"` or `"60s"`.
        seed: Seed of the split and of the random weights.
        compare: Also fit the same network on values only.
        strict: Treat suspicious derivative columns as errors.
    """

    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    width: int | None = None
    depth: int = 3
    activation: str = "tanh"
    loss: Any = "gaussian"
    jacobian: float = 1.0
    model: str = "auto"
    regularization: str = "auto"
    members: int = 1
    validation: float = 0.2
    budget: str = "2000steps"
    seed: int = 0
    compare: bool = False
    strict: bool = False

    @property
    def is_weighted_by_hand(self) -> bool:
        """Whether a loss or a factor was chosen, so that nothing else may weigh."""
        return self.loss != "gaussian" or self.jacobian != 1.0

    def __post_init__(self):
        """Checks every choice.

        Raises:
            InputError: If one is out of its range or not known.
        """
        parse_budget(self.budget)
        object.__setattr__(self, "loss", _named(self.loss))
        loss_of(self.loss)
        _known("activation", self.activation, tuple(ACTIVATIONS))
        _known("model", self.model, MODELS)
        _known("regularization", self.regularization, REGULARIZATIONS)
        _at_least("width", self.width, 1)
        _at_least("depth", self.depth, 1)
        _at_least("members", self.members, 1)
        _at_least("seed", self.seed, 0)
        if self.seed >= 2**32:
            raise InputError(f"seed is {self.seed}.\nGive a number below 2**32.")
        if not 0 <= self.jacobian < math.inf:
            raise InputError(
                f"jacobian is {self.jacobian}; expected a factor of 0 or more.\n"
                "Write for instance 0.1."
            )
        if not 0 < self.validation < 1:
            raise InputError(
                f"validation is {self.validation}; expected a share of the rows "
                "between 0 and 1.\nWrite for instance 0.2."
            )


def loss_of(text: str) -> Any:
    """Returns the loss that a text names.

    Args:
        text: A name, or a class with its parameters: `HuberLoss(threshold=1.0,
            scale=0.1)`.

    Returns:
        The loss, in units of a standardized tensor.

    Raises:
        InputError: If it is not known, or a parameter is out of range.
    """
    found = re.fullmatch(r"(\w+)\((.*)\)", text)
    if not found or found[1] not in CLASSES:
        _known("loss", text, tuple(LOSSES))
        return LOSSES[text]
    try:
        pairs = [pair.split("=") for pair in found[2].split(", ")]
        return CLASSES[found[1]](**{name: float(value) for name, value in pairs})
    except (TypeError, ValueError) as error:
        raise InputError(
            f"loss {text!r} cannot be made: {error}\n"
            f"Choose one of: {', '.join(LOSSES)}."
        ) from error


def _named(loss: Any) -> str:
    """Returns the name of a loss, or its class and parameters."""
    if isinstance(loss, str):
        return loss
    if type(loss) not in CLASSES.values():
        raise InputError(
            f"loss is of type {type(loss).__name__}; expected a name, or a loss of "
            f"`chance`: {', '.join(CLASSES)}.\nChoose one of: {', '.join(LOSSES)}."
        )
    text = _spelled(loss)
    return next((name for name in LOSSES if _spelled(LOSSES[name]) == text), text)


def _spelled(loss: Any) -> str:
    """Returns the class of a loss and its parameters, as `loss_of` reads them."""
    found = []
    for field in dataclasses.fields(loss):
        value = np.asarray(getattr(loss, field.name))
        if value.ndim:
            raise InputError(
                f"loss: {field.name} of {type(loss).__name__} has shape {value.shape}; "
                "expected a number.\nGive it in units of the spread of a column."
            )
        found.append(f"{field.name}={float(value)!r}")
    return f"{type(loss).__name__}({', '.join(found)})"


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
