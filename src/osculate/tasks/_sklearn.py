"""The main job as an estimator of scikit-learn: pipelines, searches, validation."""

import warnings
from typing import Any, no_type_check

import numpy as np
from jaxtyping import Float64
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

    All parameters are those of `tasks.surrogate`. What scikit-learn standardizes or
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
            validation: Share of the rows held out to choose the number of steps.
            budget: `"2000steps"` or `"60s"`.
            seed: Of the split and of the random weights.
        """
        self.width = width
        self.depth = depth
        self.activation = activation
        self.loss = loss
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
        X, y = validation.validate_data(
            self, X, y, multi_output=True, y_numeric=True, dtype=np.float64
        )
        y = np.asarray(y, np.float64)
        if len(X) < data.FEWEST_ROWS:
            raise InputError(
                f"`SobolevRegressor`: n_samples={len(X)}; expected at least "
                f"{data.FEWEST_ROWS}.\nAdd rows."
            )
        varies = np.ptp(X, axis=0) > 0
        slopes = None
        if dydx is not None:
            slopes = np.asarray(dydx, np.float64)
            wanted = (*y.shape, X.shape[1])
            if slopes.shape != wanted and slopes.size == np.prod(wanted):
                slopes = slopes.reshape(wanted) if 1 in wanted[1:] else slopes
            if slopes.shape != wanted:
                raise InputError(
                    f"`SobolevRegressor`: dydx has shape {slopes.shape}; expected "
                    f"{wanted}: rows, outputs, inputs.\nTranspose it."
                )
            slopes = slopes[..., varies]
        table = data.table(X[:, varies], y, jacobian=slopes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            self.surrogate_ = surrogate(table, **self.get_params())
        self._varies, self._flat = varies, y.ndim == 1
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
        slopes = self._jet(X, 1)[1]
        found = np.zeros((*slopes.shape[:2], len(self._varies)))
        found[..., self._varies] = slopes
        return found[:, 0] if self._flat else found

    def _jet(self, X: Any, order: int) -> tuple[ndarray, ...]:
        validation.check_is_fitted(self)
        X = validation.validate_data(self, X, reset=False, dtype=np.float64)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OutsideDataWarning)
            return self.surrogate_.jet(X[:, self._varies], order)
