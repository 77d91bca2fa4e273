"""Time in windows: one network after the other, each begins where the last one ended.

In window k the trial function is `A + B (w_k + s^m N_k)`. A and B are those of the
whole of time, without the factor of B for its beginning; s goes from 0 to 1 through the
window; m is the number of initial conditions; w_k continues what the windows before
have found by Taylor polynomials of degree m - 1 about their ends. Initial state,
boundary values and the passage from window to window are exact.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from osculate.core import Fixed, InputError

from ._conditions import Condition
from ._problem import Problem
from ._trial import Hard, Trial

Found = dict[str, Array]


@final
class Times(eqx.Module):
    """How time is cut.

    Attributes:
        place: Of time in a point.
        low: Its beginning.
        length: Of the whole.
        count: Of windows, of equal length.
        orders: By field, the number of its initial conditions.
    """

    place: int = eqx.field(static=True)
    low: float = eqx.field(static=True)
    length: float = eqx.field(static=True)
    count: int = eqx.field(static=True)
    orders: tuple[tuple[str, int], ...] = eqx.field(static=True)

    def since(self, x: Float[Array, " D"], k: Array) -> Float[Array, ""]:
        """Returns the time since window k began, in windows."""
        return (x[self.place] - self.low) / self.length * self.count - k

    def holding(self, x: Float[Array, " D"]) -> Float[Array, ""]:
        """Returns the window that a point lies in; the last one beyond the end."""
        begun = self.since(x, jnp.zeros_like(x[0])) >= jnp.arange(1.0, self.count)
        return jnp.sum(begun).astype(x.dtype)

    def placed(self, x: Float[Array, "N D"], k: Array) -> Float[Array, "N D"]:
        """Moves points of all of time into window k."""
        since = (x[:, self.place] - self.low + k * self.length) / self.count
        return x.at[:, self.place].set(self.low + since)

    def part(self, net: PyTree[Any], x: Float[Array, " D"], s: Array) -> Found:
        """Returns what a network gives at a time in its window: `s^m N`."""
        raw = net(x.at[self.place].set(self.low + self.length * s))
        return {name: s**m * raw[name] if m else raw[name] for name, m in self.orders}

    def beyond(self, net: PyTree[Any], x: Float[Array, " D"], s: Array) -> Found:
        """Returns how what a network gives goes on behind the end of its window."""
        term: Callable[[Array], Found] = lambda at: self.part(net, x, at)
        end = jnp.ones_like(s)
        found = jax.tree.map(jnp.zeros_like, term(end))
        for i in range(max(m for _, m in self.orders)):
            here = term(end)
            for name, m in self.orders:
                if i < m:
                    power = (s - 1) ** i / math.factorial(i)
                    found[name] = found[name] + power * here[name]
            term = _slope(term)
        return found


def _slope(term: Callable[[Array], Found]) -> Callable[[Array], Found]:
    return lambda s: jax.jvp(term, (s,), (jnp.ones_like(s),))[1]


@final
class Windows(eqx.Module):
    """Named functions of a point: a network for each window of time.

    Attributes:
        nets: The networks, arrays with a leading axis for the windows.
        times: How time is cut.
    """

    nets: PyTree[Any]
    times: Times

    def __call__(self, x: Float[Array, " D"]) -> Found:
        """Returns the value at a point."""
        k = self.times.holding(x)
        now = self.times.part(self.of(k), x, self.times.since(x, k))
        before = self.before(x, k)
        return {name: before[name] + now[name] for name in now}

    def of(self, k: Array) -> PyTree[Any]:
        """Returns the network of window k."""
        at = k.astype(int)
        return jax.tree.map(lambda a: a[at] if eqx.is_array(a) else a, self.nets)

    def before(self, x: Float[Array, " D"], k: Array) -> Found:
        """Returns how what was found in the windows before k goes on."""

        def one(net: PyTree[Any], j: Array) -> Found:
            found = self.times.beyond(net, x, self.times.since(x, j))
            return jax.tree.map(lambda a: jnp.where(j < k, a, 0.0), found)

        each = eqx.filter_vmap(one)(
            self.nets, jnp.arange(self.times.count, dtype=x.dtype)
        )
        return jax.tree.map(lambda a: jnp.sum(a, axis=0), each)


@final
class Before(eqx.Module):
    """Named functions of a point: what the windows before one have found.

    Attributes:
        windows: All windows.
        k: The one.
    """

    windows: Windows
    k: Array

    def __call__(self, x: Float[Array, " D"]) -> Found:
        """Returns the value at a point."""
        return self.windows.before(x, self.k)

    def placed(self, x: Float[Array, "N D"]) -> Float[Array, "N D"]:
        """Moves points of all of time into the window."""
        return self.windows.times.placed(x, self.k)


@final
class Window(eqx.Module):
    """Named functions of a point: what one window adds to those before.

    Attributes:
        net: Its network.
        k: Which it is.
        times: How time is cut.
    """

    net: PyTree[Any]
    k: Fixed
    times: Times

    def __call__(self, x: Float[Array, " D"]) -> Found:
        """Returns the value at a point."""
        k = self.k.value
        return self.times.part(self.net, x, self.times.since(x, k))


@final
class Amended(eqx.Module):
    """Named functions of a point: windows that stay, and what is added to them.

    Attributes:
        windows: All windows.
        net: A network over all of time; times `t^m` it leaves the beginning alone.
    """

    windows: Fixed
    net: PyTree[Any]

    def __call__(self, x: Float[Array, " D"]) -> Found:
        """Returns the value at a point."""
        found, times = self.windows.value(x), self.windows.value.times
        whole = dataclasses.replace(times, count=1)
        more = whole.part(self.net, x, whole.since(x, jnp.zeros_like(x[0])))
        return {name: found[name] + more[name] for name in found}


def windowed(problem: Problem, count: int) -> tuple[Problem, Times]:
    """Cuts time.

    Args:
        problem: The problem.
        count: Into how many windows.

    Returns:
        The problem with trial functions whose B does not vanish at the beginning, and
        how time is cut.

    Raises:
        InputError: If there is no time, or the future tells of the past: data, unknowns
            and integrals, which belong to all of time; or an initial condition is soft.
    """
    if not problem.domain.time:
        raise InputError(
            "`tasks.solve`: windows are parts of time, and the domain has none.\n"
            "Multiply it with `solve.time(t=(0, 1))`, or leave windows out."
        )
    (time,) = problem.domain.time
    place = problem.domain.names.index(time)
    others = {
        "data": problem.observed,
        "unknowns": problem.unknowns,
        "integrals": problem.integrals,
        "a periodic time": place in problem.periodic,
        "soft conditions in time": any(_is_about(c, time) for c in problem.soft),
        "conditions at the end of time": f"{time}=upper" in _ends(problem),
    }
    if bad := [name for name, each in others.items() if each]:
        raise InputError(
            f"`tasks.solve`: windows={count} and a problem with {', '.join(bad)}; "
            "windows go forward from hard initial conditions, one after the other.\n"
            "Leave windows out: one network for all of time takes everything."
        )
    low, high = problem.domain.low[place], problem.domain.high[place]
    orders = tuple((name, _order(hard, place)) for name, hard in problem.hard)
    if not any(m for _, m in orders):
        raise InputError(
            f"`tasks.solve`: windows={count} and no initial condition that a trial "
            "function meets.\nDeclare initial=..., or leave windows out."
        )
    hard = tuple((name, _timeless(one, place)) for name, one in problem.hard)
    times = Times(place, low, high - low, count, orders)
    return dataclasses.replace(problem, hard=hard), times


def first_window(model: dict[str, Any], times: Times) -> dict[str, Any]:
    """Returns the model of the first window.

    Args:
        model: Of all of time, before the fit.
        times: How time is cut.

    Returns:
        A model of the same form.
    """
    net = model["net"].net
    return {**model, "net": _at(model["net"], net, _repeated(net, times), 0)}


def next_window(model: dict[str, Any]) -> dict[str, Any]:
    """Returns the model of the window behind one that is solved.

    Args:
        model: Of the window.

    Returns:
        The model; its network is that of the window before, to begin with.
    """
    trial = model["net"]
    k = int(trial.net.k.value)
    return {**model, "net": _at(trial, trial.net.net, _with_now(trial), k + 1)}


def all_windows(model: dict[str, Any]) -> dict[str, Any]:
    """Returns the model of all of time.

    Args:
        model: Of the last window.

    Returns:
        The model.
    """
    trial = model["net"]
    whole = dataclasses.replace(trial, net=_with_now(trial), before=None)
    return {**model, "net": whole}


def _repeated(net: PyTree[Any], times: Times) -> Windows:
    stacked = lambda a: jnp.stack([a] * times.count) if eqx.is_array(a) else a
    return Windows(jax.tree.map(stacked, net), times)


def _with_now(trial: Trial) -> Windows:
    """Returns the networks of all windows, with that of the one that was fitted."""
    assert trial.before is not None
    windows, k = trial.before.value.windows, int(trial.net.k.value)
    put = lambda all_, one: all_.at[k].set(one) if eqx.is_array(one) else all_
    nets = jax.tree.map(put, windows.nets, trial.net.net)
    return dataclasses.replace(windows, nets=nets)


def _at(trial: Trial, net: PyTree[Any], windows: Windows, k: int) -> Trial:
    at = jnp.asarray(k, jnp.result_type(float))
    window = Window(net, Fixed(at), windows.times)
    return dataclasses.replace(trial, net=window, before=Fixed(Before(windows, at)))


def _is_about(condition: Condition, time: str) -> bool:
    return condition.side.name.partition("=")[0] == time


def _ends(problem: Problem) -> set[str]:
    return {c.side.name for c in problem.listed}


def _order(hard: Hard, place: int) -> int:
    """Returns the number of initial conditions of a field."""
    ends = [end for axis in hard.axes if axis.place == place for end in axis.ends]
    return sum(len(end.orders) for end in ends)


def _timeless(hard: Hard, place: int) -> Hard:
    """Takes the factor that vanishes at the beginning of time out of B."""
    axes = tuple(
        axis._replace(powers=(0, 0)) if axis.place == place else axis
        for axis in hard.axes
    )
    return hard._replace(axes=axes)
