"""Exact Gaussian processes conditioned on any entries of jets: gradient-enhanced."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, Int

from ._hyperparameters import Hyperparameters
from ._jet_rows import JetPrior, distinct, places
from ._left_out import Known, LeftOut, leave_out


class GaussianProcess(eqx.Module):
    """The posterior of M independent processes, a function of one point.

    The call is the posterior mean, a JAX function `(D,) -> (M,)` that can be
    differentiated; its derivatives are the posterior means of the derivatives. All that
    goes in and out is in the units of the data. It takes float64: its weights cancel.

    Attributes:
        kernel: Name of the kernel.
        trend: `none`, `constant` or `linear`.
        orders: Orders of derivative it is conditioned on.
        rows: Which of the N jets of J distinct derivatives it knows, n of them.
        x: Points, `(N, D)`.
        level: Subtracted from values before all else, `(M,)`.
        center: Of the trend, `(D,)`.
        spread: Unit of the trend's coordinates, `(D,)`.
        hyperparameters: Length scales, amplitudes and noise levels.
        jitter: Added variance as a share of each row's prior variance, `(M,)`.
        log_evidence: Log marginal likelihood of the known entries, in nats, `(M,)`; a
            density in the units of the data, the trend's coefficients having a flat
            prior.
        targets: Known entries in length scales, `(M, n)`.
        known: 1 where an output knows the row, else 0, `(M, n)`.
        factor: Cholesky factors of the correlations of the rows, `(M, n, n)`.
        weights: Of the rows in the mean, `(M, n)`.
        coefficients: Of the trend, `(M, q)`.
        trend_rows: The factors' inverses times the trend's rows, `(M, n, q)`.
        trend_root: Cholesky factors of the squares of these, `(M, q, q)`.
    """

    kernel: str = eqx.field(static=True)
    trend: str = eqx.field(static=True)
    orders: tuple[int, ...] = eqx.field(static=True)
    rows: Int[Array, " n"]
    x: Float[Array, "N D"]
    level: Float[Array, " M"]
    center: Float[Array, " D"]
    spread: Float[Array, " D"]
    hyperparameters: Hyperparameters
    jitter: Float[Array, " M"]
    log_evidence: Float[Array, " M"]
    targets: Float[Array, "M n"]
    known: Float[Array, "M n"]
    factor: Float[Array, "M n n"]
    weights: Float[Array, "M n"]
    coefficients: Float[Array, "M q"]
    trend_rows: Float[Array, "M n q"]
    trend_root: Float[Array, "M q q"]

    def __call__(self, x: Float[Array, " D"]) -> Float[Array, " M"]:
        """Returns the posterior mean at one point.

        Cost: N kernels and their derivatives up to the highest order of the data.

        Args:
            x: The point.

        Returns:
            One number per output.

        Raises:
            ValueError: If its arrays were cast to less than float64.
        """
        refuse_precision(self.weights.dtype)
        look = self._prior((0,))

        def mean(length_scale, weights, coefficients):
            across = self._across(look, x, length_scale)[0]
            trend = look.trend_at(self._place(x))[0]
            return across @ weights + trend @ coefficients

        scales = self.hyperparameters.length_scale
        return self.level + jax.vmap(mean)(scales, self.weights, self.coefficients)

    def covariance(
        self,
        x: Float[Array, " D"],
        order: int = 0,
        other: Float[Array, " D"] | None = None,
    ) -> Float[Array, "M J J"]:
        """Returns the posterior covariance of the jet at one point, or of two jets.

        Of the process without noise, given the hyperparameters.

        Args:
            x: The point.
            order: Highest order of derivative: `J = 1 + D + ... + D^order`.
            other: Another point, whose jet the columns are; by default the same.

        Returns:
            The entries of value, Jacobian, ... one after the other.

        Raises:
            ValueError: If the kernel has no derivatives of that order.
        """
        self._refuse_order(order)
        found = self._covariance(x, tuple(range(order + 1)), other)
        D, start, at = self.x.shape[1], 0, []
        for k in range(order + 1):
            at.append(start + places(D, k).reshape(-1))
            start += len(distinct(D, k))
        at = np.concatenate(at)
        return found[:, at[:, None], at[None]]

    def variance(self, x: Float[Array, " D"], order: int = 0) -> Float[Array, "M ..."]:
        """Returns the posterior variance of each entry of one derivative tensor.

        Of the process without noise, given the hyperparameters; its square root is the
        standard deviation.

        Args:
            x: The point.
            order: 0 of the values, `(M,)`; 1 of the Jacobian, `(M, D)`; ...

        Returns:
            In squared units of the entries, 0 or more.

        Raises:
            ValueError: If the kernel has no derivatives of that order.
        """
        self._refuse_order(order)
        found = jnp.diagonal(self._covariance(x, (order,)), axis1=1, axis2=2)
        return jnp.maximum(found, 0.0)[:, places(self.x.shape[1], order)]

    def leave_one_out(self) -> LeftOut:
        """Returns what every point would be predicted to be without its entries.

        All entries of a point are left out together; hyperparameters are kept, and the
        level of all values where there is no trend. Else exact, from one inverse:
        Rasmussen and Williams (2006), eqs. 5.10 to 5.12, by blocks and for the
        restricted likelihood.

        Returns:
            Means and variances of the entries that are known, NaN elsewhere.
        """
        refuse_precision(self.weights.dtype)
        hyper = self.hyperparameters
        scale = jax.vmap(self._prior(self.orders).scale)(hyper.length_scale)
        known = Known(
            self.x.shape,
            self.orders,
            rows=np.asarray(self.rows),
            targets=np.asarray(self.targets),
            known=np.asarray(self.known),
            factor=np.asarray(self.factor),
            trend=np.asarray(self.trend_rows),
            amplitude=np.asarray(hyper.amplitude),
            scale=np.asarray(scale),
            level=np.asarray(self.level),
        )
        return leave_out(known)

    def _prior(self, orders: tuple[int, ...]) -> JetPrior:
        return JetPrior(self.kernel, self.trend, self.x.shape[1], orders)

    def _place(self, x: Float[Array, " D"]) -> Float[Array, " D"]:
        return (x - self.center) / self.spread

    def _across(
        self, look: JetPrior, x: Float[Array, " D"], length_scale: Float[Array, " D"]
    ) -> Float[Array, "C n"]:
        """Returns the correlation of a jet at x with the known rows."""
        data = self._prior(self.orders)
        z = (x[None] - self.x) / length_scale[None]
        blocks = jax.vmap(lambda z: look.covariance(z, data))(z)
        flat = jnp.moveaxis(blocks, 0, 1).reshape(len(look.columns), -1)
        return flat[:, self.rows]

    def _covariance(
        self,
        x: Float[Array, " D"],
        orders: tuple[int, ...],
        other: Float[Array, " D"] | None = None,
    ) -> Float[Array, "M C C"]:
        """Returns the posterior covariance of distinct derivatives."""
        here = self.known_of(x, orders)
        there = here if other is None else self.known_of(other, orders)
        return self.between(x, here, x if other is None else other, there, orders)

    def known_of(
        self, x: Float[Array, " D"], orders: tuple[int, ...]
    ) -> Float[Array, "M k C"]:
        """Returns what the data tell of a jet: `between` needs it of both points.

        Cost: N kernels and their derivatives, and `C n^2` for the triangular systems.

        Args:
            x: The point.
            orders: Of derivative, ascending; C distinct derivatives.

        Returns:
            By output, the factor's inverse times the covariance with the n known
            entries, which lowers the variance, then what the q uncertain coefficients
            of the trend add.
        """
        refuse_precision(self.weights.dtype)
        look = self._prior(orders)

        def one(length_scale, known, factor, rows, root):
            across = self._across(look, x, length_scale) * known[None]
            half = solve_triangular(factor, across.T, lower=True)
            scale = look.scale(length_scale)
            trend = look.trend_at(self._place(x)) / look.scale(self.spread)[:, None]
            present = jnp.any(rows != 0, axis=0).astype(trend.dtype)
            trend = trend * scale[:, None] * present[None] - half.T @ rows
            more = solve_triangular(root, trend.T, lower=True)
            return jnp.concatenate([half, more])

        return jax.vmap(one)(
            self.hyperparameters.length_scale,
            self.known,
            self.factor,
            self.trend_rows,
            self.trend_root,
        )

    def between(
        self,
        x: Float[Array, " D"],
        here: Float[Array, "M k C"],
        other: Float[Array, " D"],
        there: Float[Array, "M k C"],
        orders: tuple[int, ...],
    ) -> Float[Array, "M C C"]:
        """Returns the posterior covariance of the distinct derivatives at two points.

        Args:
            x: One point, whose derivatives are the rows.
            here: `known_of` it.
            other: The other point.
            there: `known_of` it.
            orders: Of derivative, those of `known_of`.

        Returns:
            In the units of the data.
        """
        look, n = self._prior(orders), len(self.rows)

        def one(length_scale, amplitude, here, there):
            scale = look.scale(length_scale)
            prior = look.covariance((x - other) / length_scale, look)
            rest = prior - here[:n].T @ there[:n] + here[n:].T @ there[n:]
            return rest * amplitude**2 / jnp.outer(scale, scale)

        hyper = self.hyperparameters
        return jax.vmap(one)(hyper.length_scale, hyper.amplitude, here, there)

    def _refuse_order(self, order: int) -> None:
        most = self._prior(self.orders).kernel.most_asked
        if order < 0 or (most is not None and order > most):
            raise ValueError(
                f"`GaussianProcess`: order is {order}; expected 0 to {most or 'any'} "
                f"with the kernel {self.kernel!r}. Ask for less, or take "
                "'squared_exponential'."
            )


def refuse_precision(dtype: Any) -> None:
    """Refuses numbers of less than float64, and JAX where it computes with less."""
    for kind in (jnp.dtype(dtype), jnp.result_type(float)):
        if kind != np.float64:
            raise ValueError(
                f"`GaussianProcess`: its numbers are of type {kind}; expected float64."
                '\nCall jax.config.update("jax_enable_x64", True) before it is made, '
                "and keep it so where it is used."
            )
