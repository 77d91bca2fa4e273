"""How a problem is solved: the network, its points, the method, and why."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, final

import equinox as eqx
import jax
import jax.random as jr
import optax

from osculate import curve, solve, train
from osculate.core import InputError, Optimizer, did_you_mean, trainable

from ._budget import parse_goal

RATE = 1e-3  # of Adam
NONLINEAR = 30  # least width in two coordinates or more
METHODS: dict[str, Callable[[], Optimizer]] = {
    "ssbroyden": curve.ssbroyden,
    "levenberg_marquardt": curve.levenberg_marquardt,
    "lbfgs": train.lbfgs,
    "adam": lambda: train.first_order(optax.adam, RATE),
}
MOST_WEIGHTS = 5000  # whose inverse Hessian is kept, 200 MB of it
FORMS = ("residual", "energy")


@final
@dataclasses.dataclass(frozen=True)
class SolveSettings:
    """What can be chosen about a solution; None is chosen by the problem.

    Attributes:
        width: Size of the hidden layers.
        depth: Number of hidden layers.
        activation: As for `nets.MLP`.
        harmonics: Waves that a periodic coordinate is shown as.
        num_waves: Random waves that a network sees beside the coordinates.
        frequency: Their typical angular frequency, per half of a coordinate's range.
        points: Points of the equation.
        adaptive: Whether points are drawn anew where the residual is large.
        method: `auto`, one of METHODS, or two joined by `+`.
        form: `residual`, or `energy`.
        starts: How many networks are begun, of which the best goes on.
        windows: How many networks share time, one after the other; None for as many
            as suit the problem, 1 where nothing is known of it.
        budget: `60s`, `5000steps` or `error=1e-6`.
        seed: Of weights and points.
    """

    width: int | None = None
    depth: int | None = None
    activation: str = "tanh"
    harmonics: int = 1
    num_waves: int = 0
    frequency: float = 1.0
    points: int | None = None
    adaptive: bool | None = None
    method: str = "auto"
    form: str = "residual"
    starts: int = 1
    windows: int | None = None
    budget: str = "60s"
    seed: int = 0

    def or_else(self, hints: Mapping[str, Any]) -> "SolveSettings":
        """Returns these choices, with hints where nothing was chosen.

        Args:
            hints: Choices by name.

        Returns:
            The choices.
        """
        usual = {field.name: field.default for field in dataclasses.fields(self)}
        free = {n: v for n, v in hints.items() if getattr(self, n) == usual[n]}
        goal = parse_goal(self.budget)
        few = goal.steps is not None and goal.steps < free.get("windows", 1)
        two = "+" in self.method
        if self.starts > 1 or goal.error is not None or few or two:
            free.pop("windows", None)  # these do not go together
        return dataclasses.replace(self, **free)

    @property
    def parts(self) -> int:
        """The number of windows of time, 1 where none were asked for."""
        return self.windows or 1

    def __post_init__(self):
        """Checks every choice.

        Raises:
            InputError: If one cannot be used.
        """
        goal = parse_goal(self.budget)
        _refuse_method(self)
        if self.form not in FORMS:
            raise InputError(
                f"form is {self.form!r}; expected {' or '.join(FORMS)}."
                f"{did_you_mean(self.form, FORMS)}\nLeave it out for the residual."
            )
        squares = self.adaptive or "levenberg_marquardt" in self.method
        if self.form == "energy" and squares:
            raise InputError(
                "form='energy' goes with neither levenberg_marquardt nor adaptive "
                "points: an energy is no sum of squares.\nLeave these out."
            )
        if self.parts > 1 and goal.steps is not None and goal.steps < self.parts:
            raise InputError(
                f"windows={self.windows} and budget={self.budget!r}; every window "
                "takes one step or more.\nGive more steps, or fewer windows."
            )
        if self.parts > 1 and goal.error is not None:
            raise InputError(
                f"windows={self.windows} and budget={self.budget!r}; windows share "
                "seconds or steps.\nGive --budget 60s."
            )
        if self.parts > 1 and self.starts > 1:
            raise InputError(
                f"windows={self.windows} and starts={self.starts}; a window begins with"
                " the network of the one before.\nLeave one of them out."
            )
        if self.starts > 1 and goal.steps is not None and goal.steps < 2 * self.starts:
            raise InputError(
                f"starts={self.starts} and budget={self.budget!r}; half of the steps "
                "are those of the beginnings.\nGive more steps, or fewer starts."
            )
        for name in ("width", "depth", "points", "starts", "windows"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise InputError(
                    f"{name} is {number}; expected a whole number of 1 or more.\n"
                    "Leave it out to have it chosen by the problem."
                )


class Solver(NamedTuple):
    """What the choices came to.

    Attributes:
        width: Size of the hidden layers.
        depth: Number of hidden layers.
        points: Points of the equation.
        sample_every: Steps between new points; None where they stay.
        name: Of the method, or of both.
        optimizer: The method.
        first: The method that hands over to it after a share of the budget, or None.
        why: One sentence.
    """

    width: int
    depth: int
    points: int
    sample_every: int | None
    name: str
    optimizer: Optimizer
    first: Optimizer | None
    why: str

    @property
    def begins(self) -> Optimizer:
        """The method of the first steps."""
        return self.first or self.optimizer


def solver_for(problem: solve.Problem, settings: SolveSettings) -> Solver:
    """Chooses by the equation: linear ones take a smaller network and fewer points.

    Args:
        problem: The problem.
        settings: What was chosen by hand.

    Returns:
        The choices.
    """
    linear, D = solve.is_linear(problem), len(problem.domain.names)
    depth, points = (2, 900) if linear else (3, 4000)
    width = 20 + 4 * max(0, len(problem.fields) - 1) + 4 * max(0, D - 2)
    width = width if linear or D == 1 else max(width, NONLINEAR)
    points = points if D <= 2 else max(points, 3000)
    adaptive = not linear if settings.adaptive is None else settings.adaptive
    adaptive = adaptive and settings.form == "residual"
    width, depth = settings.width or width, settings.depth or depth
    sizes = {**network_choices(settings), "width": width, "depth": depth}
    model = lambda key: trainable(solve.model_of(problem, **sizes, key=key))[0]
    shapes = eqx.filter_eval_shape(model, jr.key(0))
    weights = sum(math.prod(a.shape) for a in jax.tree.leaves(shapes))
    name = settings.method
    if name == "auto":
        many = "lbfgs" if settings.parts > 1 else "adam+lbfgs"
        name = "ssbroyden" if weights <= MOST_WEIGHTS else many
    *first, last = (METHODS[each]() for each in name.split("+"))
    kind = "linear" if linear else "nonlinear"
    return Solver(
        width=width,
        depth=depth,
        points=settings.points or points,
        sample_every=400 if adaptive else None,
        name=name,
        optimizer=last,
        first=first[0] if first else None,
        why=f"{kind} in {D} coordinate{'s' * (D > 1)}",
    )


def _refuse_method(settings: SolveSettings) -> None:
    """Refuses a method that there is not, or cannot be handed over to."""
    names = str(settings.method).split("+")
    other = [name for name in names if name not in METHODS]
    if settings.method != "auto" and (other or len(names) > 2):
        raise InputError(
            f"method is {settings.method!r}; expected auto, {', '.join(METHODS)}, or "
            f"two of them, the first to begin: adam+ssbroyden."
            f"{did_you_mean((other or names)[0], METHODS)}\nLeave it out for the usual "
            "one."
        )
    if len(names) == 2 and settings.parts > 1:
        raise InputError(
            f"method={settings.method!r} and windows={settings.windows}; a window is "
            "solved by one method.\nLeave one of them out."
        )


def network_choices(settings: SolveSettings) -> dict[str, Any]:
    """Returns what `solve.model_of` takes beside the sizes."""
    names = ("activation", "harmonics", "num_waves", "frequency")
    return {name: getattr(settings, name) for name in names}
