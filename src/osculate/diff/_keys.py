"""Names of derivatives, and the algebra of what they are made of.

A key is the sorted tuple of the operators applied: a direction `i >= 0`, or `LAPLACE`
for the sum of second derivatives over the `summed` directions. `()` is the value,
`(0, 1, 1)` is d^3/dx0 dx1^2, `(LAPLACE, LAPLACE)` the biharmonic operator.
"""

import functools
import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

Key = tuple[int, ...]
LAPLACE = -1


def order_of(key: Key) -> int:
    """Returns the order of the derivative."""
    return sum(2 if operator == LAPLACE else 1 for operator in key)


def extended(key: Key, operator: int) -> Key:
    """Returns the key with one more operator applied."""
    return tuple(sorted((*key, operator)))


def all_keys(directions: Sequence[int], order: int) -> list[Key]:
    """Returns every partial derivative of one order."""
    return list(itertools.combinations_with_replacement(directions, order))


@functools.cache
def product(key: Key, summed: tuple[int, ...]) -> tuple[tuple[int, Key, Key], ...]:
    """Returns Leibniz's rule: `D_key (a b) = sum n * D_k a * D_l b` as `(n, k, l)`."""
    terms: Counter[tuple[Key, Key]] = Counter({((), ()): 1})
    for operator in key:
        grown: Counter[tuple[Key, Key]] = Counter()
        for (a, b), n in terms.items():
            grown[extended(a, operator), b] += n
            grown[a, extended(b, operator)] += n
            for i in summed if operator == LAPLACE else ():
                grown[extended(a, i), extended(b, i)] += 2 * n
        terms = grown
    return tuple((n, a, b) for (a, b), n in terms.items())


@functools.cache
def square(key: Key, summed: tuple[int, ...]) -> tuple[tuple[int, Key, Key], ...]:
    """Returns Leibniz's rule of `a * a`, equal terms joined."""
    terms: Counter[tuple[Key, Key]] = Counter()
    for n, a, b in product(key, summed):
        terms[min(a, b), max(a, b)] += n
    return tuple((n, a, b) for (a, b), n in terms.items())


@functools.cache
def slope(key: Key, summed: tuple[int, ...]) -> tuple[tuple[int, Key, Key], ...]:
    """Returns `D_key y = sum n * D_k g * D_l u` where `dy = g du`, as `(n, k, l)`."""
    operator = key[-1]
    inner = product(key[:-1], summed)
    terms = [(n, a, extended(b, operator)) for n, a, b in inner]
    for i in summed if operator == LAPLACE else ():
        terms += [(n, extended(a, i), extended(b, i)) for n, a, b in inner]
    return tuple(terms)


@functools.cache
def chain(key: Key, summed: tuple[int, ...]) -> tuple[tuple[int, tuple[Key, ...]], ...]:
    """Returns Faa di Bruno's formula for `D_key f(u)` as terms `(n, keys)`.

    A term stands for `n * f^(m)(u) [D_k u for k in keys]` with m the number of keys.
    """
    terms: Counter[tuple[Key, ...]] = Counter({(): 1})
    for operator in key:
        grown: Counter[tuple[Key, ...]] = Counter()
        for factors, n in terms.items():
            rule = _laplacian if operator == LAPLACE else _derivative
            for found, m in rule(factors, operator, summed):
                grown[found] += n * m
        terms = grown
    return tuple((n, factors) for factors, n in terms.items())


def closure(wanted: Collection[Key], summed: tuple[int, ...]) -> tuple[Key, ...]:
    """Returns the keys that compositions and products of these need, low orders first.

    Args:
        wanted: Keys of the derivatives.
        summed: Directions over which `LAPLACE` sums.

    Returns:
        All keys, `()` first.
    """
    found: set[Key] = {()}
    todo = list(wanted)
    while todo:
        key = todo.pop()
        if key not in found:
            found.add(key)
            todo += [k for _, factors in chain(key, summed) for k in factors]
    return tuple(sorted(found, key=lambda key: (order_of(key), key)))


def _derivative(
    factors: tuple[Key, ...], i: int, summed: tuple[int, ...]
) -> Iterator[tuple[tuple[Key, ...], int]]:
    """Yields d_i of `f^(m) prod D_k u`."""
    yield _sorted(factors, (i,)), 1
    for s, key in enumerate(factors):
        yield _sorted(_without(factors, s), extended(key, i)), 1


def _laplacian(
    factors: tuple[Key, ...], operator: int, summed: tuple[int, ...]
) -> Iterator[tuple[tuple[Key, ...], int]]:
    """Yields sum_i d_i d_i of `f^(m) prod D_k u`, sums over second derivatives kept."""
    yield _sorted(factors, (LAPLACE,)), 1
    for s, key in enumerate(factors):
        yield _sorted(_without(factors, s), extended(key, LAPLACE)), 1
    for i in summed:
        yield _sorted(factors, (i,), (i,)), 1
        for s, key in enumerate(factors):
            yield _sorted(_without(factors, s), extended(key, i), (i,)), 2
            for r in range(s + 1, len(factors)):
                rest = _without(factors, s, r)
                yield _sorted(rest, extended(key, i), extended(factors[r], i)), 2


def _sorted(factors: tuple[Key, ...], *more: Key) -> tuple[Key, ...]:
    return tuple(sorted((*factors, *more)))


def _without(factors: tuple[Key, ...], *places: int) -> tuple[Key, ...]:
    return tuple(key for s, key in enumerate(factors) if s not in places)
