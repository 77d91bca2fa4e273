"""Elementwise functions with their derivatives, from few evaluations.

A tower is `(x, order, *fixed) -> [f(x), f'(x), ..., f^(order)(x)]`; None stands for 0.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array
from numpy.polynomial import polynomial

from ._space import scaled

Values = list[Any]
"""Arrays; None is 0."""
Tower = Callable[..., Values]
RATES = {"exp": (0.0, 1.0, 0.0), "logistic": (0.0, 1.0, -1.0), "tanh": (1.0, 0.0, -1.0)}
"""Functions with f' = a + b f + c f^2."""


def tower_of(primitive: Any, params: dict[str, Any]) -> Tower | None:
    """Returns the tower of a primitive with these parameters, or None without one."""
    name = primitive.name
    if name == "integer_pow":
        return lambda x, order: integer_power(x, params["y"], order)
    if name in _NESTED:
        return lambda x, order: _nested(lambda v: primitive.bind(v, **params), x, order)
    return _TOWERS.get(name)


def integer_power(x: Array, p: int, order: int) -> Values:
    """Returns x^p, p x^(p-1), ... for an integer p."""
    found, factor = [], 1
    for n in range(order + 1):
        found.append(scaled(factor, lax.integer_pow(x, p - n)) if factor else None)
        factor *= p - n
    return found


def logistic(x: Array, order: int) -> Values:
    """Returns the logistic function and its derivatives, polynomials in its value."""
    s = lax.logistic(x)
    return [s, *_in_terms_of_value(s, s * (1 - s), RATES["logistic"], order)]


def relu(x: Array, order: int) -> Values:
    """Returns max(x, 0) with slope 0 at 0, as `jax.nn.relu`."""
    slope = (x > 0).astype(x.dtype)
    return [jnp.maximum(x, 0), slope, *[None] * (order - 1)][: order + 1]


def _tanh(x: Array, order: int) -> Values:
    t = jnp.tanh(x)
    return [t, *_in_terms_of_value(t, 1 - t * t, RATES["tanh"], order)]


def _in_terms_of_value(
    y: Array, slope: Array, d: tuple[float, ...], order: int
) -> Values:
    """Returns f', f'', ... of an f with f' = d(f), a polynomial, from its value y."""
    return [_times(slope, _horner(q, y)) for q in _cofactors(d, order)]


@functools.cache
def _cofactors(d: tuple[float, ...], order: int) -> list[list[float]]:
    """Returns polynomials q_n in y with f^(n) = d(y) q_n(y)."""
    q, found = np.ones(1), []
    for _ in range(order):
        found.append(q.tolist())
        grown = polynomial.polymul(polynomial.polyder(q), d)
        q = polynomial.polyadd(grown, polynomial.polymul(q, polynomial.polyder(d)))
    return found


def _exp(x: Array, order: int) -> Values:
    return [lax.exp(x)] * (order + 1)


def _exp2(x: Array, order: int) -> Values:
    y = lax.exp2(x)
    return [scaled(math.log(2) ** n, y) for n in range(order + 1)]


def _expm1(x: Array, order: int) -> Values:
    return [lax.expm1(x), *_exp(x, order)[1:]]


def _cycle(*functions: Callable[[Array], Array]) -> Tower:
    """Returns the tower of a function whose derivatives repeat."""

    def tower(x: Array, order: int) -> Values:
        return [functions[n % len(functions)](x) for n in range(order + 1)]

    return tower


def _log(x: Array, order: int) -> Values:
    return [lax.log(x), *integer_power(x, -1, order - 1)]


def _log1p(x: Array, order: int) -> Values:
    return [lax.log1p(x), *integer_power(1 + x, -1, order - 1)]


def _root(f: Callable[[Array], Array], p: float) -> Tower:
    """Returns the tower of x^p for 1/p an integer: x^(p-1) is a power of x^p."""

    def tower(x: Array, order: int) -> Values:
        y, factor = f(x), p
        found, power = [y], lax.integer_pow(y, round((p - 1) / p))
        for n in range(1, order + 1):
            found.append(scaled(factor, power))
            factor *= p - n
            power = power / x
        return found

    return tower


def _pow(x: Array, order: int, p: Array) -> Values:
    """Returns x^p and its derivatives; a factor 0 leaves no infinite power at 0."""
    p = jnp.asarray(p, x.dtype)
    found, factor = [lax.pow(x, p)], jnp.ones_like(p)
    for n in range(order):
        factor = factor * (p - n)
        gone = (factor == 0) & (x == 0)
        power = lax.pow(jnp.where(gone, 1, x), p - n - 1)
        found.append(jnp.where(gone, 0, factor * power))
    return found


def _erf(x: Array, order: int) -> Values:
    """Returns erf and Hermite functions."""
    bell = (2 / math.sqrt(math.pi)) * jnp.exp(-x * x)
    q: Any = np.ones(1)
    found: Values = [lax.erf(x)]
    for _ in range(order):
        found.append(_times(bell, _horner(q.tolist(), x)))
        q = polynomial.polysub(polynomial.polyder(q), polynomial.polymul([0, 2.0], q))
    return found


def _erfc(x: Array, order: int) -> Values:
    return [lax.erfc(x), *(None if a is None else -a for a in _erf(x, order)[1:])]


def _abs(x: Array, order: int) -> Values:
    slope = jnp.where(x >= 0, jnp.ones_like(x), -jnp.ones_like(x))
    return [jnp.abs(x), slope, *[None] * (order - 1)][: order + 1]


def _nested(f: Callable[[Array], Array], x: Array, order: int) -> Values:
    """Differentiates an elementwise function along ones, again and again."""
    found = [f(x)]
    for _ in range(order):
        f = functools.partial(_slope, f)
        found.append(f(x))
    return found


def _slope(f: Callable[[Array], Array], x: Array) -> Array:
    return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


def _horner(coefficients: list[float], y: Array) -> Array | float | None:
    """Returns the polynomial, ascending coefficients; a constant stays a number."""
    kept = np.trim_zeros(np.asarray(coefficients, float), "b").tolist()
    if not kept:
        return None
    value: Any = kept[-1]
    for c in reversed(kept[:-1]):
        value = value * y + c if c else value * y
    return value


def _times(a: Array, b: Array | float | None) -> Array | None:
    return None if b is None else scaled(b, a) if isinstance(b, float) else a * b


_negative = lambda f: lambda x: -f(x)
_TOWERS: dict[str, Tower] = {
    "abs": _abs,
    "cbrt": _root(lax.cbrt, 1 / 3),
    "cos": _cycle(jnp.cos, _negative(jnp.sin), _negative(jnp.cos), jnp.sin),
    "cosh": _cycle(jnp.cosh, jnp.sinh),
    "erf": _erf,
    "erfc": _erfc,
    "exp": _exp,
    "exp2": _exp2,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "logistic": logistic,
    "pow": _pow,
    "rsqrt": _root(lax.rsqrt, -0.5),
    "sin": _cycle(jnp.sin, jnp.cos, _negative(jnp.sin), _negative(jnp.cos)),
    "sinh": _cycle(jnp.sinh, jnp.cosh),
    "sqrt": _root(lax.sqrt, 0.5),
    "square": lambda x, order: integer_power(x, 2, order),
    "tanh": _tanh,
}
_NESTED = {
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "digamma",
    "erf_inv",
    "lgamma",
    "tan",
}
