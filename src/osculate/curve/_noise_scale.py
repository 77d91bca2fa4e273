"""How noisy gradients of minibatches are, and what batch that makes worth its cost."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree, Real

from osculate.core import Objective, Samples, trainable

from ._ghost import ghost_norms
from ._rows import Rows, rows_of
from ._taps import row_shares, tap_rows

Batch = float | int | Real[Array, "*batch"]


class GradientNoise(eqx.Module):
    """The gradient G of an objective and the covariance Sigma of those of its rows.

    The gradient of row i is N times that of its share, so that G is their mean.

    Attributes:
        squared_norm: `|G|^2`, in squared units of the loss per parameter.
        trace_covariance: `tr Sigma`, in the same units.
        count: Rows that count; infinite for a population that is only sampled from.
    """

    squared_norm: Float[Array, ""]
    trace_covariance: Float[Array, ""]
    count: Float[Array, ""]

    @property
    def simple(self) -> Float[Array, ""]:
        """The simple noise scale `B_simple = tr Sigma / |G|^2`, in rows (K4.5.9)."""
        return self.trace_covariance / self.squared_norm

    def variance(self, batch: Batch, *, replace: bool = True) -> Float[Array, "*batch"]:
        """Returns `E |G_est - G|^2` of the gradient of a batch.

        It is `tr Sigma / B` (K4.5.2), a `B_simple / B`-th of `|G|^2` (K4.5.10). Without
        replacement, with `S^2 = D / (D - 1) tr Sigma` of D rows, `S^2 (1/B - 1/D)`.

        Args:
            batch: Rows per batch, B.
            replace: Whether a row may be drawn twice.

        Returns:
            The variance, summed over the parameters.
        """
        batch = _checked("variance", batch, self.count)
        if replace:
            return self.trace_covariance / batch
        left = (1 - batch / self.count) / (1 - 1 / self.count)
        return self.trace_covariance / batch * left


class NoiseScale(eqx.Module):
    """Noise of the gradient, measured by the curvature: what a batch is good for.

    In the quadratic model of the objective a step against the gradient of B rows gains
    most at the step size `optimal_step(B)`. All of it is NaN where the curvature along
    the gradient is not positive: there the model has no lowest point.

    Attributes:
        noise: Gradient and covariance.
        curvature: `G^T H G` with the Hessian H of the objective.
        trace_product: `tr(H Sigma)`.
        trace_product_error: Its standard error; 0 where it was summed up exactly.

    Reference: McCandlish, Kaplan, Amodei, An empirical model of large-batch training,
    2018, arXiv:1812.06162, eqs. 2.4-2.11.
    """

    noise: GradientNoise
    curvature: Float[Array, ""]
    trace_product: Float[Array, ""]
    trace_product_error: Float[Array, ""]

    @property
    def simple(self) -> Float[Array, ""]:
        """The simple noise scale `tr Sigma / |G|^2`, in rows (K4.5.9)."""
        return self.noise.simple

    @property
    def critical(self) -> Float[Array, ""]:
        """The noise scale `B_noise = tr(H Sigma) / G^T H G`, in rows (K4.5.8)."""
        return self.trace_product / self._positive_curvature

    @property
    def critical_error(self) -> Float[Array, ""]:
        """The standard error of `critical`."""
        return self.trace_product_error / self._positive_curvature

    @property
    def largest_step(self) -> Float[Array, ""]:
        """The step size that is best without noise, `|G|^2 / G^T H G` (K4.5.4)."""
        return self.noise.squared_norm / self._positive_curvature

    @property
    def suggested_batch(self) -> Float[Array, ""]:
        """The critical batch size as a number of rows, 1 to N.

        At `B_noise` a fit takes twice the fewest steps and twice the fewest examples.
        """
        return jnp.clip(jnp.round(self.critical), 1.0, self.noise.count)

    def optimal_step(self, batch: Batch) -> Float[Array, "*batch"]:
        """Returns the step size that gains most: `eps_max / (1 + B_noise / B)`.

        Beyond twice of it the loss rises in the mean (K4.5.6).

        Args:
            batch: Rows per batch, B.

        Returns:
            The step size, in squared parameters per unit of the loss.
        """
        return self.largest_step / self._slowdown("optimal_step", batch)

    def progress(self, batch: Batch) -> Float[Array, "*batch"]:
        """Returns what one optimal step gains: `eps_opt |G|^2 / 2` (K4.5.7).

        Args:
            batch: Rows per batch, B.

        Returns:
            The mean decrease of the objective, in its units.
        """
        most = self.largest_step * self.noise.squared_norm / 2
        return most / self._slowdown("progress", batch)

    def steps(self, batch: Batch) -> Float[Array, "*batch"]:
        """Returns steps to a given loss over the fewest: `1 + B_noise / B`.

        With `examples`, `(S/S_min - 1) (E/E_min - 1) = 1` (K4.5.11).

        Args:
            batch: Rows per batch, B.

        Returns:
            `S / S_min`.
        """
        return self._slowdown("steps", batch)

    def examples(self, batch: Batch) -> Float[Array, "*batch"]:
        """Returns examples to a given loss over the fewest: `1 + B / B_noise`.

        Args:
            batch: Rows per batch, B.

        Returns:
            `E / E_min`, where `E = B S` (K4.5.12).
        """
        return 1 + _checked("examples", batch, self.noise.count) / self.critical

    @property
    def _positive_curvature(self) -> Float[Array, ""]:
        return jnp.where(self.curvature > 0, self.curvature, jnp.nan)

    def _slowdown(self, owner: str, batch: Batch) -> Float[Array, "*batch"]:
        slower = 1 + self.critical / _checked(owner, batch, self.noise.count)
        return jnp.where(slower > 0, slower, jnp.nan)


def gradient_noise(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> GradientNoise:
    """Returns gradient and trace of the covariance of the gradients of rows.

    Rows of weight 0 do not count. Of several terms with N_t of N rows each, a batch is
    one that draws from every term in proportion to its rows: Sigma is then
    `sum_t (N / N_t) Sigma_t`, and `Sigma / B` the covariance of a batch of B in all.

    Cost: one gradient, and as much again for the norms; no gradient of a row is stored
    but by arrays that are used otherwise than in products.

    Args:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        Squared norm and trace, exact for these samples.

    Raises:
        ValueError: If a term has no rows, or nothing is trained.

    Reference: SPEC K4.5.1-3, K4.5.9.
    """
    return _measured(objective, model, samples)[0]


def noise_scale(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    *,
    key: PRNGKeyArray | None = None,
    num_probes: int = 16,
) -> NoiseScale:
    """Returns the noise scale of an objective: which batch size pays.

    `tr(H Sigma)` is the mean of `v^T H v` over `v = g_i - G`: over all rows (N
    Hessian-vector products) without a key; with one, over random signed sums of all
    rows, which have the covariance Sigma (a gradient and a product each).

    Args:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.
        key: Key of the signs; None to sum up exactly.
        num_probes: Number of signed sums, 2 or more.

    Returns:
        The noise scale, exact for these samples up to the error that it tells.

    Raises:
        ValueError: If a term has no rows, nothing is trained, or `num_probes` < 2.

    Reference: SPEC K4.5.4-8.

    Example:
        >>> scale = noise_scale(objective, model, samples)
        >>> batch, step = scale.suggested_batch, scale.optimal_step(64)
    """
    if key is not None and num_probes < 2:
        raise ValueError(
            f"`noise_scale`: num_probes={num_probes}; expected 2 or more, for an "
            "error. Pass key=None for the exact sum over the rows."
        )
    noise, totals, counts = _measured(objective, model, samples)
    G = jax.tree.map(lambda *g: sum(g), *totals)
    theta, build = trainable(model)
    loss = lambda theta: objective(build(theta), samples)[0]
    _, product = jax.linearize(jax.grad(loss), theta)
    curved = lambda v: _dot(v, product(v))
    terms = list(rows_of(objective, model, samples))
    if key is None:
        trace = jnp.zeros_like(noise.count)
        for rows, total, count in zip(terms, totals, counts, strict=True):
            mean = _exact(rows, theta, build, total, count, curved)
            trace += mean * noise.count / count
        error = jnp.zeros_like(trace)
    else:
        draw = _signed_sums(terms, theta, build, noise.count)
        found = jax.lax.map(lambda k: curved(draw(k)), jr.split(key, num_probes))
        trace = jnp.mean(found)
        error = jnp.std(found, ddof=1) / num_probes**0.5
    return NoiseScale(noise, curved(G), trace, error)


def two_batch_noise(
    small: Float[Array, ""],
    big: Float[Array, ""],
    batch_small: float | int,
    batch_big: float | int,
) -> GradientNoise:
    """Returns unbiased estimates from the gradients of batches of two sizes.

    Both numbers are unbiased, whatever the batches: `E |G_B|^2 = |G|^2 + tr Sigma / B`
    is solved for the two. Their ratio is not: average both over many steps first.

    Args:
        small: `|G_B|^2` of the small batch, or a mean of such.
        big: That of the big one.
        batch_small: Rows in the small batch.
        batch_big: Rows in the big one.

    Returns:
        Estimates for the population that the rows are drawn from.

    Raises:
        ValueError: If the sizes do not increase from 1 or more.

    Reference: McCandlish, Kaplan, Amodei, An empirical model of large-batch training,
    2018, arXiv:1812.06162, eqs. A.2-A.3.
    """
    if not 1 <= batch_small < batch_big:
        raise ValueError(
            f"`two_batch_noise`: batches of {batch_small} and {batch_big} rows; "
            "expected the second to be larger, and both at least 1. Exchange them."
        )
    squared = (batch_big * big - batch_small * small) / (batch_big - batch_small)
    trace = (small - big) / (1 / batch_small - 1 / batch_big)
    return GradientNoise(squared, trace, jnp.full_like(squared, jnp.inf))


def _measured(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> tuple[GradientNoise, list[PyTree[Array]], list[Array]]:
    """Returns the noise, and by term the gradient and the number of rows that count."""
    taps, terms = tap_rows("noise_scale", objective, model, samples, Rows.loss)
    totals, counts, traces = [], [], []
    for k, rows in enumerate(terms):
        norms = ghost_norms(taps, k, rows)
        count = jnp.sum(row_shares(rows) != 0).astype(norms.squares.dtype)
        count = eqx.error_if(
            count,
            count == 0,
            "`noise_scale`: every weight of a term is 0: there is no gradient. Pass "
            "rows that count, or leave the term out of the objective.",
        )
        spread = count * jnp.sum(norms.squares) - _dot(norms.total, norms.total)
        totals.append(norms.total)
        counts.append(count)
        traces.append(jnp.maximum(spread, 0.0))
    G = jax.tree.map(lambda *g: sum(g), *totals)
    N = sum(counts)
    trace = sum(N / n * t for n, t in zip(counts, traces, strict=True))
    return GradientNoise(_dot(G, G), trace, N), totals, counts  # pyright: ignore


def _exact(
    rows: Rows,
    theta: PyTree[Array],
    build: Callable[..., Any],
    total: PyTree[Array],
    count: Float[Array, ""],
    curved: Callable[[PyTree[Array]], Float[Array, ""]],
) -> Float[Array, ""]:
    """Returns the mean of `v^T H v` over `v = g_i - G`, of the rows that count."""

    def one(args: Any) -> Float[Array, ""]:
        row, weight = args
        slope = jax.grad(lambda t: rows.loss(build(t), row))(theta)
        v = jax.tree.map(lambda a, b: count * a - b, slope, total)
        return jnp.where(weight != 0, curved(v), 0.0)

    chunk = min(32, rows.num_rows)
    each = jax.lax.map(one, (rows.data, row_shares(rows)), batch_size=chunk)
    return jnp.sum(each) / count


def _signed_sums(
    terms: list[Rows],
    theta: PyTree[Array],
    build: Callable[..., Any],
    N: Float[Array, ""],
) -> Callable[[PRNGKeyArray], PyTree[Array]]:
    """Returns a function that draws vectors of covariance Sigma.

    With signs e_i of mean e over the rows that count, `sqrt(N) sum_i (e_i - e) ∇l_i`
    is `sum_i e_i (g_i - G) / sqrt(N_t)`, scaled by `sqrt(N / N_t)`.
    """
    counting = [(row_shares(rows) != 0).astype(N.dtype) for rows in terms]

    def draw(key: PRNGKeyArray) -> PyTree[Array]:
        signs = [
            jr.rademacher(k, (rows.num_rows,), N.dtype) * counts
            for k, rows, counts in zip(
                jr.split(key, len(terms)), terms, counting, strict=True
            )
        ]
        means = [jnp.sum(e) / jnp.sum(c) for e, c in zip(signs, counting, strict=True)]

        def mixed(theta: PyTree[Array]) -> Float[Array, ""]:
            total = jnp.zeros((), N.dtype)
            for rows, e, mean in zip(terms, signs, means, strict=True):
                losses = jax.vmap(rows.loss, (None, 0))(build(theta), rows.data)
                total += jnp.sqrt(N) * jnp.sum((e - mean) * losses)
            return total

        return jax.grad(mixed)(theta)

    return draw


def _dot(a: PyTree[Array], b: PyTree[Array]) -> Float[Array, ""]:
    return sum(jax.tree.leaves(jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)))  # pyright: ignore


def _checked(
    owner: str, batch: Batch, count: Float[Array, ""]
) -> Float[Array, "*batch"]:
    batch = jnp.asarray(batch, count.dtype)
    return eqx.error_if(
        batch,
        jnp.any((batch < 1) | (batch > count)),
        f"`{owner}`: a batch of less than one row, or of more rows than there are. "
        "Pass a size from 1 to the number of rows that count.",
    )
