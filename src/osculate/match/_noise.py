"""What Gaussian noise on the input adds to a loss, in powers of its size.

For `g` with six bounded derivatives and `e ~ N(0, sigma^2 I)`,

    E g(x + e) = g(x) + sigma^2 Lap g(x) / 2 + sigma^4 Lap^2 g(x) / 8 + O(sigma^6).

Here `g` is a loss between a target T and a student S. Written in gradients and
Laplacians of the two, the coefficient of sigma^2 is a matching of Jacobians and a rest,
which Srinivas and Fleuret (2018), Knowledge transfer with Jacobian matching, leave out.
Noise that the target does not follow is noise on the input of training data: `target`
is then an array.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy
from jaxtyping import Array, Float

from osculate import diff
from osculate.diff import Estimate

Loss = Callable[[Array, Array], Array]
Expansion = Callable[[Float[Array, " D"]], tuple[Float[Array, ""], ...]]


class Seen(NamedTuple):
    """A vector field at one point: `(M,)`, its Jacobian `(M, D)`, Laplacian `(M,)`."""

    value: Float[Array, " M"]
    slope: Float[Array, "M D"]
    laplacian: Float[Array, " M"]


class Probabilities(NamedTuple):
    """Probabilities p at one point, `log p`, `grad log p` and `Lap p / p`."""

    p: Float[Array, " C"]
    log: Float[Array, " C"]
    slope: Float[Array, "C D"]
    bend: Float[Array, " C"]


def noise_squares(
    target: Any, student: Any, *, piecewise_linear: bool = False, order: int = 2
) -> Expansion:
    """Returns x -> the expansion of `E |T(x + e) - S(x + e)|^2` in the size of e.

    With `d = T - S` the coefficient of sigma^2 is
    `sum_i |grad d_i|^2 + sum_i d_i Lap d_i`; with labels y for T it is
    `sum_i |grad S_i|^2 - sum_i (y_i - S_i) Lap S_i`.

    Args:
        target: The teacher, `(D,) -> (M,)`, or labels `(M,)` that the noise leaves as
            they are.
        student: `(D,) -> (M,)`.
        piecewise_linear: Take the Laplacians for 0, which they are off the kinks of
            ReLU networks: Jacobians alone then give the coefficient, at this point.
            On average over points the kinks add a term of the same order.
        order: 2, or 4 for one more coefficient.

    Returns:
        A function of one point to `(c0, c2)` with the expectation
        `c0 + c2 sigma^2 + O(sigma^4)`, or to `(c0, c2, c4)` with the rest
        `O(sigma^6)`. It is exact for affine T and S.

    Raises:
        ValueError: If the order is neither 2 nor 4.

    Example:
        >>> c0, c2 = noise_squares(jnp.zeros(1), lambda x: x[:1])(jnp.ones(3))
        >>> float(c2)
        1.0
    """

    def second(x: Float[Array, " D"]) -> Float[Array, ""]:
        linear = lambda seen: jnp.zeros_like(seen.value)
        S = _see(diff.as_vector(student), x, linear if piecewise_linear else None)
        T = _target(target, x, diff.as_vector, linear if piecewise_linear else None, S)
        d = T.value - S.value
        rest = jnp.sum(d * (T.laplacian - S.laplacian))
        return jnp.sum((T.slope - S.slope) ** 2) + rest

    def whole(x: Float[Array, " D"]) -> Float[Array, ""]:
        S = diff.as_vector(student)(x)
        T = diff.as_vector(target)(x) if callable(target) else _labels(target, S)
        return squares(T, S)

    return _expansion(whole, second, order)


def noise_cross_entropy(
    target: Any, student: Any, *, piecewise_linear: bool = False, order: int = 2
) -> Expansion:
    """Returns x -> the expansion of `E[-sum_i T_i log S_i]` in the size of the noise.

    T and S are the probabilities softmax gives the logits. The coefficient of sigma^2
    is, with everything at x,

        - sum_i grad T_i . grad S_i / S_i  +  sum_i T_i |grad S_i|^2 / S_i^2 / 2
        - sum_i (Lap T_i log S_i + T_i Lap S_i / S_i) / 2,

    and with labels y for T `sum_i y_i (|grad S_i|^2 / S_i^2 - Lap S_i / S_i) / 2`.

    Args:
        target: The teacher, `(D,) -> (C,)` logits, or labels: probabilities `(C,)` that
            the noise leaves as they are.
        student: `(D,) -> (C,)`, logits.
        piecewise_linear: Take the logits for piecewise linear, as those of ReLU
            networks, and x for a point off the kinks. Then
            `-Lap log S_i = F = sum_j S_j |grad log S_j|^2` for every class i: Jacobians
            alone give the coefficient, and with labels it is F / 2, whatever they are.
        order: 2, or 4 for one more coefficient.

    Returns:
        As `noise_squares`. The rest is `O(sigma^4)`, or `O(sigma^6)`.

    Raises:
        ValueError: If the order is neither 2 nor 4.

    Example:
        >>> logits = lambda x: jnp.array([2.0, 0.0]) * x[0]
        >>> c0, c2 = noise_cross_entropy(jnp.array([0.0, 1.0]), logits)(jnp.zeros(1))
        >>> float(c2)
        0.5
    """

    def second(x: Float[Array, " D"]) -> Float[Array, ""]:
        T, S = _probabilities(target, student, x, piecewise_linear)
        crossed = jnp.sum(T.p[:, None] * T.slope * S.slope)
        square = jnp.sum(T.p[:, None] * S.slope**2)
        rest = jnp.sum(T.p * (T.bend * S.log + S.bend))
        return 0.5 * (square - rest) - crossed

    return _expansion(lambda x: _divergence(target, student, x)[0], second, order)


def noise_kl(
    target: Any, student: Any, *, piecewise_linear: bool = False, order: int = 2
) -> Expansion:
    """Returns x -> the expansion of `E[sum_i T_i log(T_i / S_i)]` in the noise.

    The coefficient of sigma^2 is a square and a rest that vanishes where S = T:

        sum_i T_i |grad log T_i - grad log S_i|^2 / 2
        + sum_i (Lap T_i log(T_i / S_i) + Lap S_i (1 - T_i / S_i)) / 2.

    Args:
        target: As for `noise_cross_entropy`.
        student: As for `noise_cross_entropy`.
        piecewise_linear: As for `noise_cross_entropy`.
        order: 2, or 4 for one more coefficient.

    Returns:
        As `noise_squares`. The rest is `O(sigma^4)`, or `O(sigma^6)`.

    Raises:
        ValueError: If the order is neither 2 nor 4.

    Example:
        >>> logits = lambda x: jnp.array([2.0, 0.0]) * x[0]
        >>> c0, c2 = noise_kl(logits, logits)(jnp.ones(1))
        >>> float(c2)
        0.0
    """

    def second(x: Float[Array, " D"]) -> Float[Array, ""]:
        T, S = _probabilities(target, student, x, piecewise_linear)
        square = jnp.sum(T.p[:, None] * (T.slope - S.slope) ** 2)
        rest = jnp.sum(T.p * T.bend * (T.log - S.log) + (S.p - T.p) * S.bend)
        return 0.5 * (square + rest)

    return _expansion(
        lambda x: jnp.add(*_divergence(target, student, x)), second, order
    )


def noisy(
    loss: Loss, target: Any, student: Any, *, sigma: float, draws: int
) -> Callable[[Float[Array, " D"], Array], Estimate]:
    """Returns (x, key) -> the mean loss over draws of Gaussian noise on the input.

    It is what the expansions are of, without their rest and with an error of the order
    `draws^-1/2` (SPEC S1.7).

    Args:
        loss: `(T, S) -> scalar`: `squares`, or `cross_entropy` or `kl` of two vectors
            of probabilities, or another.
        target: `(D,) -> (M,)`, or an array that the noise leaves as it is.
        student: `(D,) -> (M,)`.
        sigma: Standard deviation of the noise, in the units of x.
        draws: How many, 2 or more.

    Returns:
        The estimator: mean and standard error.

    Raises:
        ValueError: If there are fewer than 2 draws.

    Example:
        >>> estimate = noisy(squares, jnp.zeros(2), lambda x: x, sigma=1.0, draws=4000)
        >>> bool(abs(estimate(jnp.zeros(2), jax.random.key(0)).value - 2.0) < 0.2)
        True
    """
    if draws < 2:
        raise ValueError(f"`noisy`: draws is {draws}; expected 2 or more.")

    def at(x: Float[Array, " D"], key: Array) -> Estimate:
        points = x[None] + sigma * jax.random.normal(key, (draws, *x.shape), x.dtype)
        T: Any = target if callable(target) else lambda p: jnp.asarray(target)
        found = jax.vmap(lambda p: loss(T(p), student(p)))(points)
        return Estimate(jnp.mean(found), jnp.std(found, ddof=1) / draws**0.5)

    return at


def squares(T: Float[Array, " M"], S: Float[Array, " M"]) -> Float[Array, ""]:
    """Returns `sum_i (T_i - S_i)^2`."""
    return jnp.sum((T - S) ** 2)


def cross_entropy(T: Float[Array, " C"], S: Float[Array, " C"]) -> Float[Array, ""]:
    """Returns `-sum_i T_i log S_i` of two vectors of probabilities, in nats."""
    return -jnp.sum(xlogy(T, S))


def kl(T: Float[Array, " C"], S: Float[Array, " C"]) -> Float[Array, ""]:
    """Returns `sum_i T_i log(T_i / S_i)` of two vectors of probabilities, in nats."""
    return jnp.sum(xlogy(T, T) - xlogy(T, S))


def _expansion(
    whole: Callable[[Array], Array], second: Callable[[Array], Array], order: int
) -> Expansion:
    if order not in (2, 4):
        raise ValueError(
            f"`match`: a noise expansion of order {order}; expected 2 or 4."
        )

    def at(x: Float[Array, " D"]) -> tuple[Float[Array, ""], ...]:
        found = whole(x), second(x)
        return found if order == 2 else (*found, diff.biharmonic(whole)(x) / 8)

    return at


def _divergence(
    target: Any, student: Any, x: Float[Array, " D"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns the cross-entropy at x, and what the entropy of T takes from it."""
    log_S = _log_softmax(student)(x)
    if callable(target):
        log_T = _log_softmax(target)(x)
        T = jnp.exp(log_T)
        return -jnp.sum(T * log_S), jnp.sum(T * log_T)
    T = _labels(target, log_S)
    return -jnp.sum(T * log_S), jnp.sum(xlogy(T, T))


def _log_softmax(logits: Any) -> Any:
    return lambda x: jax.nn.log_softmax(diff.as_vector(logits)(x))


def _see(
    u: Any, x: Float[Array, " D"], laplacian: Callable[[Any], Array] | None
) -> Seen:
    """Looks at a field; its Laplacian is computed, or told from value and Jacobian."""
    value, slope = diff.jet(u, 1)(x)
    seen = Seen(value, slope, jnp.zeros_like(value))
    lap = diff.laplacian(u)(x) if laplacian is None else laplacian(seen)
    return seen._replace(laplacian=lap)


def _target(
    target: Any,
    x: Float[Array, " D"],
    link: Callable[[Any], Any],
    laplacian: Callable[[Any], Array] | None,
    like: Seen,
) -> Seen:
    if callable(target):
        return _see(link(target), x, laplacian)
    flat = Seen(*map(jnp.zeros_like, like))
    return flat._replace(value=_labels(target, like.value))


def _labels(target: Any, like: Float[Array, " M"]) -> Float[Array, " M"]:
    if jnp.shape(target) != like.shape:
        raise ValueError(
            f"`match`: labels of shape {jnp.shape(target)}, the student returns "
            f"{like.shape}; expected one number per output. Pass probabilities of "
            "classes, not an index: jax.nn.one_hot(index, C)."
        )
    return jnp.asarray(target, like.dtype)


def _probabilities(
    target: Any, student: Any, x: Float[Array, " D"], piecewise_linear: bool
) -> tuple[Probabilities, Probabilities]:
    """Looks at the probabilities of both at x."""
    S = _probability(student, x, piecewise_linear)
    if callable(target):
        return _probability(target, x, piecewise_linear), S
    T = _labels(target, S.p)
    log = jnp.log(jnp.where(T > 0, T, 1.0))  # of no weight where T is 0
    return Probabilities(T, log, 0 * S.slope, 0 * S.bend), S


def _probability(
    logits: Any, x: Float[Array, " D"], piecewise_linear: bool
) -> Probabilities:
    """Looks at `log p`, which does not underflow: `Lap p / p = Lap log p + |slope|^2`.

    Of piecewise linear logits all classes have the same `Lap log p`.
    """
    fisher = lambda log: jnp.full_like(
        log.value, -jnp.sum(jnp.exp(log.value)[:, None] * log.slope**2)
    )
    log = _see(_log_softmax(logits), x, fisher if piecewise_linear else None)
    bend = log.laplacian + jnp.sum(log.slope**2, axis=1)
    return Probabilities(jnp.exp(log.value), log.value, log.slope, bend)
