"""The answer of the main job: a function with derivatives, and what it is worth."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float64
from numpy import ndarray
from scipy.special import stdtrit

from osculate import data, nets, report
from osculate.core import InputError, Result

from ._calibration import Calibration
from ._files import EVALUATION, HISTORY, METRICS, MODEL, REPORT
from ._folder import RunFolder
from ._next_points import next_points
from ._pack import pack_history, pack_metrics, pack_model, pack_page
from ._predict import predict_jet
from ._settings import Settings
from ._spread import spread

Points = ArrayLike | data.Source
MARGIN = 0.1  # of the range of the data: further outside it, a prediction is a guess


class OutsideDataWarning(UserWarning):
    """A prediction was asked for far outside the data the surrogate was fitted to."""


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Surrogate:
    """A differentiable stand-in for a table, in the table's units.

    Arrays in and out are NumPy float64, whatever the caller's x64 setting. Points are
    an array `(N, D)`, or a DataFrame, a mapping, a `data.Table` or the path of one,
    whose columns are found by name. `function` is the JAX function behind them.

    Attributes:
        result: The fit of the shipped model: `value` (in float64: its use needs x64),
            `objective`, `samples` (empty after loading), `history`, `stats`, `status`.
        inputs: Names of the D inputs.
        outputs: Names of the M outputs.
        low: Smallest value of each input in the data, `(D,)`.
        high: Largest value of each input in the data, `(D,)`.
        metrics: `{name: {"rrmse", "r2", "max"}}` on rows it was not fitted to.
        values_only: The same for the same network fitted to values only, or None.
        settings: The choices it was made with.
        page: Content of the report.
        recipe: What `run.json` says of the run.
        calibration: Factors between the spread of members, or of the posterior of a
            process, and errors on rows not fitted to; None for one network.
        histories: Losses of every fit of the job, by `fit/name`.
    """

    result: Result
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    low: Float64[ndarray, " D"]
    high: Float64[ndarray, " D"]
    metrics: report.Metrics
    values_only: report.Metrics | None
    settings: Settings
    page: report.Page
    recipe: dict[str, Any]
    calibration: Calibration | None
    histories: dict[str, ndarray]

    def __repr__(self) -> str:
        """Says what it maps, in one line."""
        return (
            f"Surrogate({', '.join(self.outputs)} from {', '.join(self.inputs)}; "
            f"{self.recipe['data']['rows']} rows; {self.settings.budget})"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Returns what is pickled: arrays of NumPy, which keep their precision."""
        return {**vars(self), "result": _cast(self.result, jax.Array, np.asarray)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes arrays in at their precision, whatever the x64 setting."""
        with jax.enable_x64(True):
            result = _cast(state["result"], np.ndarray, jnp.asarray)
        vars(self).update({**state, "result": result})

    @property
    def function(self) -> nets.Named:
        """The JAX function of one point `(D,)` to outputs by name, to build on.

        Its arrays have the default precision of the caller: float64 under x64, else
        float32, in which a Gaussian process refuses to be called.
        """
        dtype = jnp.result_type(float)
        real = eqx.is_inexact_array_like
        cast = lambda a: jnp.asarray(np.asarray(a, dtype)) if real(a) else a
        return jax.tree.map(cast, self.result.value)

    def predict(self, x: Points) -> Float64[ndarray, "N M"]:
        """Returns the outputs at points `(N, D)`, each in its unit.

        Args:
            x: Points `(N, D)`, columns as in `inputs`, or columns by name.

        Returns:
            `(N, M)`, columns as in `outputs`. Points far outside the data are answered
            with an `OutsideDataWarning`.

        Raises:
            InputError: If the shape is wrong or a number is not finite.
        """
        return self._jet(x, 0)[0]

    def gradient(self, x: Points) -> Float64[ndarray, "N M D"]:
        """Returns the first derivatives at points `(N, D)`.

        Args:
            x: Points `(N, D)`.

        Returns:
            `(N, M, D)`: output by input, in units of the output per unit of the input.

        Raises:
            InputError: As in `predict`.
        """
        return self._jet(x, 1)[1]

    def hessian(self, x: Points) -> Float64[ndarray, "N M D D"]:
        """Returns the second derivatives at points `(N, D)`.

        Args:
            x: Points `(N, D)`.

        Returns:
            `(N, M, D, D)`.

        Raises:
            InputError: As in `predict`.
        """
        return self._jet(x, 2)[2]

    def jet(self, x: Points, order: int) -> tuple[Float64[ndarray, "N M ..."], ...]:
        """Returns values and all derivatives up to an order, from one pass.

        Args:
            x: Points `(N, D)`.
            order: Highest order of derivative.

        Returns:
            `(N, M)`, `(N, M, D)`, `(N, M, D, D)`, ...

        Raises:
            InputError: As in `predict`.
        """
        return self._jet(x, order)

    def deviation(self, x: Points, order: int = 0) -> Float64[ndarray, "N M ..."]:
        """Returns how uncertain values or first derivatives are at points.

        Standard deviations of a process' posterior, or of the members about their mean,
        times the factor that fits errors on rows not fitted to (`calibration`). They
        are those of the function; where the table has noise that factor counts it too.

        Args:
            x: Points `(N, D)`.
            order: 0 of the values, 1 of the first derivatives.

        Returns:
            `(N, M)` or `(N, M, D)`, in the units of the entries.

        Raises:
            InputError: As in `predict`; for a single network; for other orders.
        """
        calibration = self._calibration("deviation", order)
        points = self._points(x)
        self._warn_outside(points, above=3)
        return self._scaled(np.array(calibration.factor[order]), points, order)

    def interval(
        self, x: Points, order: int = 0, level: float = 0.95
    ) -> tuple[Float64[ndarray, "N M ..."], Float64[ndarray, "N M ..."]]:
        """Returns limits that hold each value or derivative with some probability.

        `predict` or `gradient` plus and minus `deviation` times a quantile of a Student
        distribution, whose degrees of freedom are fewer the fewer members and rows
        there are to know the deviation by.

        Args:
            x: Points `(N, D)`.
            order: 0 of the values, 1 of the first derivatives.
            level: The probability, of each entry by itself.

        Returns:
            Lower and upper limits, `(N, M)` or `(N, M, D)`.

        Raises:
            InputError: As in `deviation`, and if the level is not between 0 and 1.
        """
        calibration = self._calibration("interval", order)
        if not 0 < level < 1:
            raise InputError(
                f"`Surrogate.interval`: level is {level}; expected a probability "
                "between 0 and 1.\nWrite for instance 0.95."
            )
        points = self._points(x)
        self._warn_outside(points, above=3)
        times = stdtrit(np.array(calibration.freedom[order]), (1 + level) / 2)
        factor = times * np.array(calibration.factor[order])
        half = self._scaled(factor, points, order)
        middle = predict_jet(self.result.value, points, order)[order]
        return middle - half, middle + half

    def propose(
        self,
        count: int,
        *,
        low: Sequence[float] | ndarray | None = None,
        high: Sequence[float] | ndarray | None = None,
        order: int | None = None,
    ) -> Float64[ndarray, "count D"]:
        """Returns the next points to measure, where value and slope are least known.

        By `match.propose`, from a Sobol set of 1024 points in a box; the same call
        gives the same points.

        Args:
            count: How many.
            low: Smallest value of each input, `(D,)`; by default that of the data.
            high: Largest value of each input, `(D,)`; by default that of the data.
            order: What will be measured: 0 values, 1 values and gradients; by default
                as in the data.

        Returns:
            `(count, D)`, the most wanted first, columns as in `inputs`.

        Raises:
            InputError: For a single network, or if a choice is out of range.
        """
        if self.calibration is None:
            raise _certain("propose")
        known = int(1 in self.recipe["data"]["orders"])
        return next_points(
            self.result.value,
            count,
            known if order is None else order,
            self.low if low is None else np.asarray(low, np.float64),
            self.high if high is None else np.asarray(high, np.float64),
            self.inputs,
            self.settings.seed,
        )

    def report(self, path: str | Path) -> Path:
        """Writes the report as one HTML file without scripts or remote content.

        Args:
            path: The file, replaced if it exists.

        Returns:
            Its path.
        """
        path = Path(path)
        path.write_text(report.html(self.page), encoding="utf-8")
        return path

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Saves as a run folder, for `osculate.load` and the command line.

        Args:
            path: The folder; it must not exist, unless `force`.
            force: Replace the run that is there.

        Returns:
            Its path.
        """
        with RunFolder.create(path, self.recipe, force=force) as run:
            finish(run, self)
        return run.path

    def _jet(self, x: Points, order: int) -> tuple[ndarray, ...]:
        points = self._points(x)
        self._warn_outside(points, above=4)
        return predict_jet(self.result.value, points, order)

    def _points(self, x: Points) -> Float64[ndarray, "N D"]:
        if isinstance(x, str | os.PathLike | Mapping | data.Table | data.Frame):
            return data.read_points(x, self.inputs, units=self.recipe["data"]["units"])
        try:
            points = np.asarray(x, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"`Surrogate`: points cannot be read as numbers: {error}.\n"
                "Pass an array (N, D), a DataFrame, or a mapping of columns."
            ) from error
        if points.ndim != 2 or points.shape[1] != len(self.inputs):
            raise InputError(
                f"`Surrogate`: points of shape {points.shape}; expected "
                f"(N, {len(self.inputs)}), columns {', '.join(self.inputs)}.\n"
                "Pass one row per point; x[None] for a single one."
            )
        if not np.isfinite(points).all():
            row, column = np.argwhere(~np.isfinite(points))[0]
            raise InputError(
                f"`Surrogate`: {points[row, column]} in row {row}, column "
                f"{self.inputs[column]!r}; expected finite numbers.\n"
                "Correct it, or leave the row out."
            )
        return points

    def _calibration(self, owner: str, order: int) -> Calibration:
        """Returns the factors, or refuses."""
        if self.calibration is None:
            raise _certain(owner)
        if order not in range(len(self.calibration.factor)):
            raise InputError(
                f"`Surrogate.{owner}`: order is {order}; expected 0 for values or 1 "
                "for first derivatives.\nAsk for one of them."
            )
        return self.calibration

    def _scaled(
        self,
        factor: Float64[ndarray, " M"],
        points: Float64[ndarray, "N D"],
        order: int,
    ) -> Float64[ndarray, "N M ..."]:
        """Returns the model's own deviation times a factor for each output."""
        by_output = np.reshape(factor, (1, -1) + (1,) * order)
        return by_output * spread(self.result.value, points, order)

    def _warn_outside(self, points: Float64[ndarray, "N D"], *, above: int) -> None:
        """Warns the caller, who stands so many frames above."""
        margin = MARGIN * (self.high - self.low)
        outside = (points < self.low - margin) | (points > self.high + margin)
        if not outside.any():
            return
        d = int(outside.any(axis=0).argmax())
        warnings.warn(
            f"{int(outside.any(axis=1).sum())} of {len(points)} points lie far outside "
            f"the data, for instance in {self.inputs[d]!r}, which was "
            f"{self.low[d]:.6g} to {self.high[d]:.6g}: these predictions are guesses.",
            OutsideDataWarning,
            stacklevel=above,
        )


def _certain(owner: str) -> InputError:
    """Returns the refusal of a single network."""
    return InputError(
        f"`Surrogate.{owner}`: one network does not tell how sure it is; expected two "
        "or more members, or a process.\nFit again with members=5, or model='process'."
    )


def _cast(result: Result, kind: type, to: Callable[[Any], Any]) -> Result:
    """Returns a result whose arrays of one kind are of the other."""
    cast = lambda leaf: to(leaf) if isinstance(leaf, kind) else leaf
    parts = {n: getattr(result, n) for n in ("value", "objective", "samples")}
    return dataclasses.replace(result, **jax.tree.map(cast, parts))


def finish(run: RunFolder, surrogate: Surrogate) -> None:
    """Writes everything a finished run holds, the report included."""
    run.write_files(
        {
            MODEL: pack_model(surrogate.result.value, surrogate.low, surrogate.high),
            HISTORY: pack_history(surrogate.histories),
            EVALUATION: pack_page(surrogate.page),
            METRICS: pack_metrics(surrogate),
            REPORT: report.html(surrogate.page).encode("utf-8"),
        }
    )
    run.end()
