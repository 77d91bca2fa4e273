"""The streams that travel together: how they multiply, compose and fall back."""

import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ._keys import (
    LAPLACE,
    Key,
    chain,
    closure,
    order_of,
    product,
    slope,
    square,
)

Bundle = dict[Key, Any]
"""A value `()` and its derivatives by key, each of the value's shape; absent is 0."""


class Space:
    """The keys that a request needs, and the arithmetic of their bundles.

    Attributes:
        summed: Directions over which `LAPLACE` sums.
        axis: Name of a mapped axis, over which it sums too, or None.
        keys: The keys carried beside the value, low orders first.
        order: Highest order among them.
    """

    def __init__(
        self,
        wanted: Collection[Key],
        summed: tuple[int, ...],
        axis: str | None = None,
    ):
        """Closes the request.

        Args:
            wanted: Keys asked for.
            summed: Directions over which `LAPLACE` sums.
            axis: Name of a mapped axis, over which it sums too: every place on it has
                directions of its own, and all share what has none. To second order.
        """
        self.axis = axis
        self.summed = summed
        keys = closure(wanted, summed)
        # Where all second derivatives travel, their sum needs no stream of its own.
        self._spelled = (LAPLACE,) in keys and all((i, i) in keys for i in summed)
        self.keys = tuple(
            k for k in keys if k and not (self._spelled and k == (LAPLACE,))
        )
        self.order = max(map(order_of, self.keys), default=0)

    def get(self, bundle: Bundle, key: Key) -> Array | None:
        """Returns one derivative, None where it is 0."""
        if self._spelled and key == (LAPLACE,):
            squares = [(i, i) for i in self.summed if (i, i) in bundle]
            known = [bundle[key] for key in squares]
            return functools.reduce(jnp.add, known) if known else None
        return bundle.get(key)

    def multiply(
        self, times: Callable[[Array, Array], Array], a: Bundle, b: Bundle
    ) -> Bundle:
        """Returns the bundle of a product, by Leibniz.

        Args:
            times: Any bilinear function.
            a: First factor.
            b: Second factor.

        Returns:
            The bundle of `times(a, b)`.
        """
        if len(b) == 1:
            return {key: times(x, b[()]) for key, x in a.items()}
        if len(a) == 1:
            return {key: times(a[()], y) for key, y in b.items()}
        found: Bundle = {(): times(a[()], b[()])}
        for key in self.keys:
            terms = self._terms(product(key, self.summed), a, b, times)
            if terms:
                found[key] = functools.reduce(jnp.add, terms)
        return found

    def divide(self, a: Bundle, b: Bundle) -> Bundle:
        """Returns the bundle of `a / b`, from `a = (a / b) b` by Leibniz.

        Args:
            a: Numerator.
            b: Denominator.

        Returns:
            The bundle of the quotient.
        """
        found: Bundle = {(): a[()] / b[()]}
        for key in self.keys:
            rule = [(n, k, l) for n, k, l in product(key, self.summed) if l]
            terms = [scaled(-1, t) for t in self._terms(rule, found, b)]
            if key in a:
                terms.append(a[key])
            if terms:
                found[key] = functools.reduce(jnp.add, terms) / b[()]
        return found

    def compose(self, tower: Sequence[Any], u: Bundle) -> Bundle:
        """Returns the bundle of f(u) for an elementwise f, by Faa di Bruno.

        Args:
            tower: f, f', f'', ... at the value of u; None is 0.
            u: The inner function.

        Returns:
            The bundle of f(u).
        """
        found: Bundle = {(): jnp.asarray(tower[0])}
        for key in self.keys:
            inner: dict[int, list[Any]] = {}
            for n, factors in chain(key, self.summed):
                streams = [s for k in factors if (s := self.get(u, k)) is not None]
                if tower[len(factors)] is not None and len(streams) == len(factors):
                    term = scaled(n, functools.reduce(jnp.multiply, streams))
                    inner.setdefault(len(factors), []).append(term)
            parts = [
                tower[m] * self._total(terms, m) for m, terms in sorted(inner.items())
            ]
            if parts:
                found[key] = functools.reduce(jnp.add, parts)
        return found

    def integrate(
        self, y: Array, rate: tuple[float, float, float], u: Bundle
    ) -> Bundle:
        """Returns the bundle of y = f(u) for an f with f' = p(f), p a quadratic.

        Each derivative follows from those below it, with far fewer products than the
        formula of Faa di Bruno has from order 3 on.

        Args:
            y: The value.
            rate: Coefficients of p, ascending: `(1, 0, -1)` for tanh.
            u: The inner function.

        Returns:
            The bundle of f(u).
        """
        constant, linear, quadratic = rate
        found: Bundle = {(): y}
        rates: Bundle = {(): constant + y * (linear + quadratic * y)}

        def rate_of(key: Key) -> Array | None:
            if key not in rates:
                squares = self._terms(square(key, self.summed), found, found)
                parts = [scaled(quadratic, t) for t in squares if quadratic]
                own = self.get(found, key)
                parts += [scaled(linear, own)] if linear and own is not None else []
                if not parts:
                    return None
                rates[key] = functools.reduce(jnp.add, parts)
            return rates[key]

        for key in self.keys:
            terms = [
                scaled(n, g * v)
                for n, a, b in slope(key, self.summed)
                if (v := self.get(u, b)) is not None and (g := rate_of(a)) is not None
            ]
            if terms:
                found[key] = functools.reduce(jnp.add, terms)
        return found

    def _terms(
        self,
        rule: Sequence[tuple[int, Key, Key]],
        a: Bundle,
        b: Bundle,
        times: Callable[[Array, Array], Array] = jnp.multiply,
    ) -> list[Any]:
        """Returns the products of a Leibniz rule that are not 0."""
        shared, own = [], []
        for n, k, l in rule:
            x, y = self.get(a, k), self.get(b, l)
            if x is not None and y is not None:
                terms = own if _directions(k, l) == 2 else shared
                terms.append(scaled(n, times(x, y)))
        return [*shared, self._total(own, 2)] if own else shared

    def _total(self, terms: Sequence[Any], directions: int) -> Any:
        """Returns the sum of terms; of two directions each, over the axis too."""
        total = functools.reduce(jnp.add, terms)
        over_axis = self.axis is not None and directions == 2
        return lax.psum(total, self.axis) if over_axis else total

    def fall_back(
        self, f: Callable[..., list[Any]], args: Sequence[Bundle]
    ) -> list[Bundle]:
        """Returns the bundles of any f by nested forward differentiation.

        Args:
            f: Arrays to a list of arrays.
            args: Its arguments.

        Returns:
            One bundle per array that f returns.
        """
        moving = [i for i, arg in enumerate(args) if len(arg) > 1]
        values = [arg[()] for arg in args]

        def g(*moved: Any) -> list[Any]:
            full = dict(enumerate(values)) | dict(zip(moving, moved, strict=True))
            return f(*full.values())

        at = [values[i] for i in moving]
        found: list[Bundle] = [{(): out} for out in g(*at)]
        for key in self.keys:
            for n, factors in chain(key, self.summed):
                along = [[self.get(args[i], k) for i in moving] for k in factors]
                if any(all(v is None for v in v_) for v_ in along):
                    continue
                for bundle, out in zip(found, _derived(g, at, along), strict=True):
                    if jnp.issubdtype(bundle[()].dtype, jnp.inexact):
                        term = self._total([scaled(n, out)], len(factors))
                        bundle[key] = bundle[key] + term if key in bundle else term
        return found


def _derived(
    g: Callable[..., list[Any]], at: list[Any], along: list[list[Any]]
) -> list[Any]:
    """Returns `D^n g(at) [v_1, ..., v_n]`, one list of arrays for every v."""
    for v in along:
        tangents = tuple(
            jnp.zeros_like(x) if a is None else a for x, a in zip(at, v, strict=True)
        )
        g = functools.partial(_pushed, g, tangents)
    return g(*at)


def _pushed(
    g: Callable[..., list[Any]], tangents: tuple[Any, ...], *at: Any
) -> list[Any]:
    return jax.jvp(lambda *x: g(*x), at, tangents)[1]


def _directions(*factors: Key) -> int:
    """Returns how often the factors are differentiated along single directions."""
    return sum(i != LAPLACE for key in factors for i in key)


def scaled(n: int | float, a: Any) -> Any:
    """Returns n times a, and a itself where n is 1."""
    return a if n == 1 else n * a
