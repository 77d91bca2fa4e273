"""The family of networks: their fits, and what is said of them."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, PRNGKeyArray, PyTree
from numpy import ndarray

from osculate import nets
from osculate.core import Result, trainable
from osculate.data import Table

from ._arm import Arm, Fitter
from ._auto import auto
from ._budget import parse_budget
from ._build import Scales, keys_of, network, objective, orders_of, split
from ._journal import Journal
from ._plan import main_plan, values_only_plan
from ._settings import Settings, loss_of


class Judged(NamedTuple):
    """An ensemble, and the rows that it was not fitted to."""

    held_out: Bool[ndarray, " N"]
    model: nets.Named


class Networks:
    """Networks of one size and start, fitted to rows of one table."""

    def __init__(
        self, journal: Journal, settings: Settings, table: Table, scales: Scales
    ):
        """Chooses size and methods; fits nothing yet.

        Args:
            journal: Runs and remembers the fits.
            settings: The choices.
            table: What is known.
            scales: Of inputs and outputs.
        """
        self._table = table
        orders, self._budget = orders_of(table), parse_budget(settings.budget)
        self._settings, self._scales = settings, scales
        loss = loss_of(settings.loss)
        model, batches = self._start(0)
        wanted = objective(orders, scales, loss, settings.jacobian)
        self._blind = objective((0,), scales, loss)
        self._name = "derivatives" if max(orders) else "values"
        choice = auto(model, len(table), _residuals(table, settings))
        plan = main_plan(self._budget, compare=settings.compare and max(orders) > 0)
        plan = plan.at_once() if choice.by_evidence else plan
        self._fitter = Fitter(journal, wanted, model, plan, choice, batches)

    def judged(self, k: int, held_out: Bool[ndarray, " N"]) -> PyTree[Any]:
        """Returns the network of one fold.

        Args:
            k: Which fold; the first is that of `main`, whose search is not repeated.
            held_out: Rows that it was not fitted to.

        Returns:
            The model.
        """
        name = self._name if k == 0 else f"{self._name}, fold {k + 1}"
        plan = self._fitter.plan.first_of(self._settings.members)
        fitter = self._fitter._replace(plan=plan)
        return fitter.search(name, split(self._table, held_out)).stages[-1].value

    def main(self, held_out: Bool[ndarray, " N"]) -> Arm:
        """Returns the fits to all that is known."""
        return self._arm(self._fitter, self._name, held_out)

    def values_only(self, held_out: Bool[ndarray, " N"], main: Arm) -> Arm:
        """Returns the fits to values, of as many steps."""
        plan = values_only_plan(self._fitter.plan, self._budget, main.taken)
        blind = self._fitter._replace(objective=self._blind, plan=plan)
        return self._arm(blind, "values only", held_out)

    def judged_members(
        self, folds: Sequence[Bool[ndarray, " N"]], main: Arm
    ) -> list[Judged]:
        """Returns ensembles that were not fitted to the rows of one fold each.

        Args:
            folds: Rows to be held out, fold by fold; the first are those of `main`,
                beyond which a budget in seconds has no time.
            main: The fits that ship.

        Returns:
            One for each fold; none of a single network.
        """
        if not main.members:
            return []
        found = [Judged(folds[0], main.search.value)]
        in_steps = self._fitter.plan.window is None
        for k, held_out in enumerate(folds[1:] if in_steps else (), 2):
            rows, fits = split(self._table, held_out).fitted, []
            for m in range(len(main.members)):
                name = f"{self._name}/member {m + 1}/fold {k}"
                stages = self._member(self._fitter, m).repeat(name, rows, main.wanted)
                fits.append(stages[-1])
            found.append(Judged(held_out, _mean(fits).value))
        return found

    def words(self, main: Arm) -> tuple[int, str, str, str]:
        """Returns trained numbers, layers, methods with their steps, and a reason."""
        choice, adam = self._fitter.choice, main.wanted[0]
        net = self._fitter.model.net.net
        sizes = [net.weights[0].shape[1], *(w.shape[0] for w in net.weights)]
        members = self._settings.members
        kind = "network" if members == 1 else f"mean of {members} networks"
        theta = jax.tree.leaves(trainable(self._fitter.model)[0])
        steps = f"{choice.name} {main.final.stats['steps'] - adam} steps"
        return (
            members * sum(int(np.size(leaf)) for leaf in theta),
            f"{kind} {'-'.join(map(str, sizes))} {net.activation}",
            f"adam {adam} steps, {steps}" if adam else steps,
            choice.why,
        )

    def _start(self, member: int) -> tuple[nets.Named, PRNGKeyArray]:
        """Returns a network before the fit and the key of its minibatches."""
        key, batches = keys_of(self._settings, member)
        return network(self._table, self._scales, self._settings, key), batches

    def _member(self, fitter: Fitter, member: int) -> Fitter:
        """Returns what fits another member."""
        model, key = self._start(member)
        return fitter._replace(model=model, key=key)

    def _arm(self, fitter: Fitter, name: str, held_out: Bool[ndarray, " N"]) -> Arm:
        """Returns the fits of one network, or of the members one after the other."""
        rows, count = split(self._table, held_out), self._settings.members
        first = fitter._replace(plan=fitter.plan.first_of(count)).arm(name, rows)
        if count == 1:
            return first
        arms = [first]
        for k in range(1, count):
            other = self._member(fitter, k)
            arms.append(other.again(f"{name}/member {k + 1}", rows, first))
        search = _mean([arm.search for arm in arms])
        final = _mean([arm.final for arm in arms])
        return Arm(search, final, first.taken, first.wanted, tuple(arms))


def _mean(fits: Sequence[Result]) -> Result:
    """Returns the ensemble of fitted networks, with the history of the first."""
    first = fits[0].value
    members = [fit.value.net for fit in fits]
    stacked = jax.tree.map(lambda *arrays: jnp.stack(arrays), *members)
    model = nets.Named(nets.Ensemble(stacked), dict(first.fields))
    return dataclasses.replace(fits[0], value=model)


def _residuals(table: Table, settings: Settings) -> int | None:
    """Returns the known numbers where levels may be found: nothing set by hand."""
    if settings.is_weighted_by_hand or settings.regularization == "none":
        return None
    return sum(int(known.sum()) for known in table.known.values())
