"""Gradient-enhanced kriging as a scikit-learn estimator."""

from typing import Any, no_type_check

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from numpy.typing import ArrayLike

from osculate import match
from osculate.core import InputError, did_you_mean

from ._predict import predict_jet
from ._process import KERNELS, most_likely
from ._sklearn import base, read_points, read_rows, widened


class GradientEnhancedGP(
    base.MultiOutputMixin, base.RegressorMixin, base.BaseEstimator
):
    """Exact Gaussian processes of values and, where they are known, first derivatives.

    For few rows of smooth data, up to one or two thousand known numbers in all, where
    kriging beats every network. Outputs are independent of each other.

    Attributes:
        process_: The `match.GaussianProcess`; its use needs x64.
        n_features_in_: D.

    Example:
        >>> X = np.linspace(0.0, 3.0, 6)[:, None]
        >>> model = GradientEnhancedGP().fit(X, np.sin(X), np.cos(X))
        >>> bool(abs(model.predict([[1.0]]) - np.sin(1.0)) < 1e-4)
        True
    """

    @no_type_check  # scikit-learn wants choices checked by `fit` alone
    def __init__(
        self,
        *,
        kernel: str = "auto",
        trend: str = "constant",
        noise: bool = False,
        starts: int = 2,
    ):
        """Keeps the choices; `fit` checks them.

        Args:
            kernel: `squared_exponential`, `matern52`, or `auto`: the more likely one.
            trend: `none`, `constant` or `linear`.
            noise: Whether levels of noise are found, one for each order; else the data
                are interpolated.
            starts: Of the search for length scales.
        """
        self.kernel = kernel
        self.trend = trend
        self.noise = noise
        self.starts = starts

    def fit(
        self, X: Any, y: Any, dydx: ArrayLike | None = None
    ) -> "GradientEnhancedGP":
        """Finds length scales by the marginal likelihood, and conditions on the rows.

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
        if self.kernel not in ("auto", *KERNELS):
            raise InputError(
                f"`GradientEnhancedGP`: kernel {self.kernel!r}."
                f"{did_you_mean(str(self.kernel), KERNELS)}\n"
                f"Choose one of: auto, {', '.join(KERNELS)}."
            )
        rows = read_rows(self, X, y, dydx)
        kernels = KERNELS if self.kernel == "auto" else (self.kernel,)
        self.process_ = most_likely(
            rows.table,
            kinds=[(kernel, self.noise) for kernel in kernels],
            trend=self.trend,
            starts=self.starts,
        )
        self._varies, self._flat = rows.varies, rows.flat
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Returns the outputs at points.

        Args:
            X: Points `(N, D)`.
            return_std: Also return standard deviations, without those of noise.

        Returns:
            `(N,)` or `(N, M)`, as `y` was given; with `return_std` a pair of such.
        """
        return self._answer(X, 0, return_std)

    def predict_gradient(self, X: Any, return_std: bool = False) -> Any:
        """Returns the first derivatives at points.

        Args:
            X: Points `(N, D)`.
            return_std: Also return standard deviations.

        Returns:
            `(N, D)` or `(N, M, D)`, as `y` was given, 0 for columns left out; with
            `return_std` a pair of such.
        """
        return self._answer(X, 1, return_std)

    def _answer(self, X: Any, order: int, return_std: bool) -> Any:
        x = read_points(self, X)[:, self._varies]
        mean = self._shaped(predict_jet(self.process_, x, order)[order])
        if not return_std:
            return mean
        with jax.enable_x64(True):
            variance = np.asarray(_variances(self.process_, x, order))
        return mean, self._shaped(np.sqrt(variance))

    def _shaped(self, found: Float64[ndarray, "N M ..."]) -> ndarray:
        if found.ndim == 3:
            found = widened(found, self._varies)
        return found[:, 0] if self._flat else found


@eqx.filter_jit
def _variances(process: match.GaussianProcess, x: Any, order: int) -> Any:
    return jax.vmap(lambda point: process.variance(point, order))(x)
