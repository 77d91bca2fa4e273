"""The main job as an estimator of scikit-learn: pipelines, searches, validation."""

import warnings
from typing import Any, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from numpy.typing import ArrayLike

from osculate import data
from osculate.core import InputError, require

from ._job import DataWarning, surrogate
from ._surrogate import OutsideDataWarning

TASK = "an estimator of scikit-learn"
base: Any = require("sklearn.base", extra="sklearn", task=TASK)
validation: Any = require("sklearn.utils.validation", extra="sklearn", task=TASK)


class SobolevRegressor(base.MultiOutputMixin, base.RegressorMixin, base.BaseEstimator):
    """A network fitted to values and, where they are known, first derivatives.

    Its parameters are those of `tasks.surrogate`. What scikit-learn standardizes or
    cuts apart is arrays: derivatives go with their rows as a parameter of `fit`, which
    metadata routing hands through pipelines that leave X as it is, and through
    cross-validation (`set_fit_request(dydx=True)`).

    Attributes:
        surrogate_: The fitted `Surrogate`, with `report`, `save` and `metrics`.
        n_features_in_: D.

    Example:
        >>> X = np.linspace(0.0, 3.0, 12)[:, None]
        >>> model = SobolevRegressor(budget="300steps").fit(X, np.sin(X), np.cos(X))
        >>> bool(model.score(X, np.sin(X)) > 0.999)
        True
    """

    @no_type_check  # scikit-learn wants choices checked by `fit` alone
    def __init__(
        self,
        *,
        width: int | None = None,
        depth: int = 3,
        activation: str = "tanh",
        loss: Any = "gaussian",
        jacobian: float = 1.0,
        regularization: str = "auto",
        validation: float = 0.2,
        budget: str = "2000steps",
        seed: int = 0,
    ):
        """Keeps the choices; `fit` checks them.

        Args:
            width: Size of the hidden layers; by default from the data.
            depth: Number of hidden layers.
            activation: Name of a smooth activation.
            loss: Name of a loss, or one of `chance`.
            jacobian: Factor of the derivatives beside values.
            regularization: `auto` or `none`.
            validation: Share of the rows held out to choose the number of steps.
            budget: `"2000steps"` or `"60s"`.
            seed: Of the split and of the random weights.
        """
        self.width = width
        self.depth = depth
        self.activation = activation
        self.loss = loss
        self.jacobian = jacobian
        self.regularization = regularization
        self.validation = validation
        self.budget = budget
        self.seed = seed

    def fit(self, X: Any, y: Any, dydx: ArrayLike | None = None) -> "SobolevRegressor":
        """Fits the network.

        Args:
            X: Points `(N, D)`, an array or a DataFrame. Columns that do not vary are
                left out.
            y: Values `(N,)` or `(N, M)`.
            dydx: First derivatives `(N, M, D)`, or `(N, D)` where M = 1; NaN where one
                is missing.

        Returns:
            The estimator itself.

        Raises:
            InputError: If shapes disagree or a number cannot be used.
        """
        rows = read_rows(self, X, y, dydx)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            self.surrogate_ = surrogate(
                rows.table, model="network", **self.get_params()
            )
        self._varies, self._flat = rows.varies, rows.flat
        return self

    def predict(self, X: Any) -> Float64[ndarray, "N ..."]:
        """Returns the outputs at points.

        Args:
            X: Points `(N, D)`.

        Returns:
            `(N,)` or `(N, M)`, as `y` was given.
        """
        found = self._jet(X, 0)[0]
        return found[:, 0] if self._flat else found

    def predict_gradient(self, X: Any) -> Float64[ndarray, "N ..."]:
        """Returns the first derivatives at points.

        Args:
            X: Points `(N, D)`.

        Returns:
            `(N, D)` or `(N, M, D)`, as `y` was given; 0 for columns left out.
        """
        found = widened(self._jet(X, 1)[1], self._varies)
        return found[:, 0] if self._flat else found

    def _jet(self, X: Any, order: int) -> tuple[ndarray, ...]:
        x = read_points(self, X)[:, self._varies]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OutsideDataWarning)
            return self.surrogate_.jet(x, order)


class Rows(NamedTuple):
    """What an estimator is fitted to.

    Attributes:
        table: The rows, without columns of X that do not vary.
        varies: Which columns do, `(D,)`.
        flat: Whether y had one axis.
    """

    table: data.Table
    varies: Bool[ndarray, " D"]
    flat: bool


def read_rows(estimator: Any, X: Any, y: Any, dydx: ArrayLike | None) -> Rows:
    """Reads arrays as scikit-learn does, and derivatives with them.

    Args:
        estimator: Who is fitted; it learns the number of columns and their names.
        X: Points `(N, D)`.
        y: Values `(N,)` or `(N, M)`.
        dydx: First derivatives `(N, M, D)`, or `(N, D)` where M = 1, or None.

    Returns:
        The rows.

    Raises:
        InputError: If there are too few, or dydx has another shape.
    """
    owner = type(estimator).__name__
    X, y = validation.validate_data(
        estimator, X, y, multi_output=True, y_numeric=True, dtype=np.float64
    )
    y = np.asarray(y, np.float64)
    if len(X) < data.FEWEST_ROWS:
        raise InputError(
            f"`{owner}`: n_samples={len(X)}; expected at least {data.FEWEST_ROWS}.\n"
            "Add rows."
        )
    varies = np.ptp(X, axis=0) > 0
    slopes = None
    if dydx is not None:
        slopes, wanted = (
            np.asarray(dydx, np.float64),
            (len(y), *y.shape[1:], X.shape[1]),
        )
        single = y.size == len(y) and slopes.shape == X.shape
        if slopes.shape != wanted and not single:
            raise InputError(
                f"`{owner}`: dydx has shape {slopes.shape}; expected {wanted}: rows, "
                "outputs, inputs.\nTranspose it."
            )
        slopes = slopes.reshape(wanted)[..., varies]
    return Rows(data.table(X[:, varies], y, jacobian=slopes), varies, y.ndim == 1)


def read_points(estimator: Any, X: Any) -> Float64[ndarray, "N D"]:
    """Reads points of a fitted estimator as scikit-learn does.

    Args:
        estimator: Who predicts.
        X: Points `(N, D)`.

    Returns:
        The points.
    """
    validation.check_is_fitted(estimator)
    return validation.validate_data(estimator, X, reset=False, dtype=np.float64)


def widened(
    slopes: Float64[ndarray, "N M K"], varies: Bool[ndarray, " D"]
) -> Float64[ndarray, "N M D"]:
    """Puts zeros where columns were left out.

    Args:
        slopes: By the columns that were kept.
        varies: Which were.

    Returns:
        Slopes by all columns.
    """
    found = np.zeros((*slopes.shape[:2], len(varies)))
    found[..., varies] = slopes
    return found
