"""The Fisher metric: how far apart distributions are, in standard errors."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._distribution import require

Metric = Callable[[Float[Array, " P"]], Float[Array, "P P"]]


def fisher_metric(
    log_probabilities: Callable[[Float[Array, " P"]], Float[Array, "..."]],
    theta: Float[Array, " P"],
) -> Float[Array, "P P"]:
    """Returns the covariance of the score of a distribution over finitely many values.

    It is the Hessian of the divergence from the distribution at `theta` to those around
    it, and minus the mean Hessian of the log-probabilities.

    Args:
        log_probabilities: From parameters to the logarithms of all probabilities; minus
            infinity of what cannot happen.
        theta: Parameters.

    Returns:
        A symmetric matrix without negative eigenvalues, in nats.

    Raises:
        ValueError: If the probabilities do not sum to 1.

    Reference: Amari (1998), Natural gradient works efficiently in learning, eq. 3.

    Example:
        >>> print(fisher_metric(jax.nn.log_softmax, jnp.zeros(2)))
        [[ 0.25 -0.25]
         [-0.25  0.25]]
    """
    log_p = jnp.ravel(log_probabilities(theta))
    p = jnp.exp(log_p)
    off, slack = jnp.abs(jnp.sum(p) - 1), jnp.sqrt(jnp.finfo(p.dtype).eps)
    require(
        off <= slack,
        "fisher_metric",
        "log_probabilities are not those of a sum of 1; expected normalized ones",
    )
    scores = jax.jacfwd(lambda t: jnp.ravel(log_probabilities(t)))(theta)
    scores = jnp.where(p[:, None] > 0, scores, 0.0)
    return scores.T @ (p[:, None] * scores)


def volume_element(metric: Float[Array, "rows columns"]) -> Float[Array, ""]:
    """Returns the square root of the determinant of a metric.

    As a density of the parameters it is the prior of Jeffreys, up to its integral.

    Args:
        metric: A symmetric matrix without negative eigenvalues.

    Returns:
        Volume per volume of parameters; 0 where a direction changes nothing, with
        derivative 0.

    Raises:
        ValueError: If the metric is not square.

    Example:
        >>> float(volume_element(jnp.diag(jnp.array([4.0, 9.0]))))
        6.0
    """
    if metric.shape[0] != metric.shape[1]:
        raise ValueError(
            f"`volume_element`: metric has shape {metric.shape}; expected (P, P)."
        )
    # In logarithms: the determinant overflows long before its root does.
    regular = jnp.linalg.slogdet(metric)[0] > 0
    inside = jnp.where(regular, metric, jnp.eye(len(metric), dtype=metric.dtype))
    root = jnp.exp(0.5 * jnp.linalg.slogdet(inside)[1])
    return jnp.where(regular, root, 0.0)


def fisher_rao_length(
    metric: Metric,
    path: Callable[[Float[Array, ""]], Float[Array, " P"]],
    num_points: int = 32,
) -> Float[Array, ""]:
    """Returns the length of a path of parameters, by the quadrature of Gauss.

    It does not depend on how the parameters are chosen, nor on the speed of the path.

    Args:
        metric: From parameters to a metric, such as
            `lambda theta: fisher_metric(log_probabilities, theta)`.
        path: From 0 to 1 to parameters, differentiable.
        num_points: Points of the quadrature.

    Returns:
        The integral of `sqrt(velocity @ metric @ velocity)`.

    Raises:
        ValueError: If there is no point.

    Reference: Rao (1945), Information and accuracy attainable in estimation.

    Example:
        >>> flat = lambda theta: jnp.eye(2)
        >>> line = lambda t: t * jnp.array([3.0, 4.0])
        >>> round(float(fisher_rao_length(flat, line)), 3)
        5.0
    """
    if num_points < 1:
        raise ValueError(
            f"`fisher_rao_length`: num_points is {num_points}; expected 1 or more."
        )
    nodes, weights = np.polynomial.legendre.leggauss(num_points)
    dtype = jnp.result_type(float)

    def speed(t: Float[Array, ""]) -> Float[Array, ""]:
        theta, velocity = jax.jvp(path, (t,), (jnp.ones_like(t),))
        square = velocity @ metric(theta) @ velocity
        moving = square > 0
        return jnp.where(moving, jnp.sqrt(jnp.where(moving, square, 1.0)), 0.0)

    speeds = jax.vmap(speed)(jnp.asarray(0.5 * (1 + nodes), dtype))
    return 0.5 * jnp.sum(jnp.asarray(weights, dtype) * speeds)
