"""When the stages of a fit end: by steps, by patience, by the clock of the job."""

from typing import NamedTuple

from ._budget import Budget

WARM_UP = 500  # Adam steps that find the valley for the second stage
SHARE_OF_MAIN = 0.6  # of a budget in seconds, where values only are compared
ADAM_UNTIL, SEARCH_UNTIL = 0.15, 0.45  # of an arm's time; the rest is the repetition's


class Plan(NamedTuple):
    """What ends the two stages of an arm's search; its repetition takes as many steps.

    Attributes:
        warm_up: Steps of Adam.
        rest: Steps of the second stage, or None where only time limits them.
        patience: The second stage ends when its best iterate is this many steps old, or
            None.
        window: When the arm begins and ends, in seconds of the job, or None.
    """

    warm_up: int
    rest: int | None
    patience: int | None
    window: tuple[float, float] | None

    def at_once(self) -> "Plan":
        """Returns the plan whose first stage is left to the second."""
        rest = None if self.rest is None else self.warm_up + self.rest
        return self._replace(warm_up=0, rest=rest)

    def first_of(self, count: int) -> "Plan":
        """Returns the plan of the first of some arms that share the window."""
        if self.window is None:
            return self
        begin, end = self.window
        return self._replace(window=(begin, begin + (end - begin) / count))

    def left(self, share: float, now: float) -> float | None:
        """Returns the seconds from now until so much of the window is over."""
        if self.window is None:
            return None
        begin, end = self.window
        return max(begin + share * (end - begin) - now, 0.0)


def main_plan(budget: Budget, *, compare: bool) -> Plan:
    """Returns the plan of the arm that ships.

    Args:
        budget: Steps of each fit, or seconds of the whole job.
        compare: Whether another arm has to fit into the same seconds.

    Returns:
        The plan.
    """
    if budget.seconds is not None:
        end = budget.seconds * (SHARE_OF_MAIN if compare else 1.0)
        return Plan(WARM_UP, None, None, (0.0, end))
    steps = budget.steps or 1
    warm_up = min(WARM_UP, max(1, steps // 5))
    rest = steps - warm_up
    return Plan(warm_up, rest, max(500, rest // 4), None)


def values_only_plan(main: Plan, budget: Budget, taken: tuple[int, int]) -> Plan:
    """Returns the plan of the other arm: as many steps, in the seconds that are left.

    Args:
        main: The plan of the arm that ships.
        budget: Of the job.
        taken: Steps that the stages of its search have taken.

    Returns:
        The plan.
    """
    if main.window is None or budget.seconds is None:
        return main
    return Plan(*taken, main.patience, (main.window[1], budget.seconds))
