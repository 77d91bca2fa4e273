"""Ways to compute a set of derivatives with JAX: the engine's and others.

A way takes a field and a point and returns its numbers in a list of arrays, those of
one operator in the same order. Ours is "engine"; folx is left out where it is not
installed.
"""

import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.jet import jet as taylor

from osculate import diff

try:
    import folx
except ImportError:
    folx = None

Field = Callable[[jax.Array], jax.Array]
Way = Callable[[Field, jax.Array], list[jax.Array]]


def along(u: Field, axis: int) -> Field:
    """Returns the derivative along a coordinate, forward."""

    def at(x):
        e = jnp.zeros_like(x).at[axis].set(1)
        return jax.jvp(u, (x,), (e,))[1]

    return at


def back(u: Field, axis: int) -> Field:
    """Returns the derivative along a coordinate, reverse."""
    return lambda x: jax.grad(u)(x)[axis]


def forward(*axes: int) -> Way:
    """Nested forward differentiation."""
    return lambda u, x: [functools.reduce(along, axes, u)(x)]


def reverse(*axes: int) -> Way:
    """Nested reverse differentiation, as with `torch.autograd.grad`."""
    return lambda u, x: [functools.reduce(back, axes, u)(x)]


def mixed(first: int, *axes: int) -> Way:
    """Forward differentiation of one reverse pass."""
    return lambda u, x: [functools.reduce(along, axes, back(u, first))(x)]


def value_and_jacfwd(u: Field, x: jax.Array) -> list[jax.Array]:
    """Value and gradient, forward."""
    gradient, value = jax.jacfwd(lambda y: (u(y),) * 2, has_aux=True)(x)
    return [value, gradient]


def burgers_forward(u: Field, x: jax.Array) -> list[jax.Array]:
    """Value, gradient and second derivative, all forward."""
    return [u(x), along(u, 0)(x), along(u, 1)(x), along(along(u, 1), 1)(x)]


def burgers_nested(u: Field, x: jax.Array) -> list[jax.Array]:
    """Value and gradient in reverse, the second derivative forward over forward."""
    value, gradient = jax.value_and_grad(u)(x)
    return [value, *gradient, along(along(u, 1), 1)(x)]


def burgers_mixed(u: Field, x: jax.Array) -> list[jax.Array]:
    """Forward along x through value and gradient: one product with the Hessian."""
    e = jnp.zeros_like(x).at[1].set(1)
    (value, gradient), (_, row) = jax.jvp(jax.value_and_grad(u), (x,), (e,))
    return [value, *gradient, row[1]]


def burgers_reverse(u: Field, x: jax.Array) -> list[jax.Array]:
    """Everything in reverse."""
    value, gradient = jax.value_and_grad(u)(x)
    return [value, *gradient, back(back(u, 1), 1)(x)]


def burgers_jet(u: Field, x: jax.Array) -> list[jax.Array]:
    """`jax.experimental.jet` along x, the derivative along t forward."""
    e = jnp.zeros_like(x).at[1].set(1)
    value, (u_x, u_xx) = taylor(u, (x,), ([e, jnp.zeros_like(e)],))
    return [value, along(u, 0)(x), u_x, u_xx]


def trace_of_hessian(u: Field, x: jax.Array) -> list[jax.Array]:
    """The Laplacian from the full Hessian."""
    return [jnp.trace(jax.hessian(u)(x))]


def forward_over_forward(u: Field, x: jax.Array) -> list[jax.Array]:
    """The Laplacian from second derivatives along every coordinate."""
    second = lambda e: jax.jvp(lambda y: jax.jvp(u, (y,), (e,))[1], (x,), (e,))[1]
    return [jnp.sum(jax.vmap(second)(jnp.eye(x.size, dtype=x.dtype)))]


def forward_over_reverse(u: Field, x: jax.Array) -> list[jax.Array]:
    """The Laplacian from products with the Hessian."""
    row = lambda e: jax.jvp(jax.grad(u), (x,), (e,))[1] @ e
    return [jnp.sum(jax.vmap(row)(jnp.eye(x.size, dtype=x.dtype)))]


def forward_laplacian(u: Field, x: jax.Array) -> list[jax.Array]:
    """The forward Laplacian of folx."""
    return [folx.forward_laplacian(u)(x).laplacian]


def twice(laplacian: Way) -> Way:
    """The biharmonic operator as the Laplacian of the Laplacian."""
    return lambda u, x: laplacian(lambda y: laplacian(u, y)[0], x)


def along_x(_: int) -> tuple[np.ndarray, np.ndarray]:
    """The direction x of a point (t, x)."""
    return np.eye(2)[1:], np.ones(1)


def all_axes(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Every coordinate, for the Laplacian."""
    return np.eye(size), np.ones(size)


def two_axes(_: int) -> tuple[np.ndarray, np.ndarray]:
    """Polarization: 12 u_ttxx = u_++++ + u_---- - 2 u_tttt - 2 u_xxxx."""
    directions = np.array([[1, 1], [1, -1], [1, 0], [0, 1]])
    return directions, np.array([1, 1, -2, -2]) / 12


def all_pairs(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Polarization of every mixed term of the biharmonic operator."""
    eye = np.eye(size)
    pairs = itertools.combinations(eye, 2)
    both = [e for a, b in pairs for e in (a + b, a - b)]
    weights = [1 - (size - 1) / 3] * size + [1 / 6] * len(both)
    return np.array([*eye, *both]), np.array(weights)


def jets(order: int, combination: Callable) -> Way:
    """`jax.experimental.jet`: derivatives of one order along directions, weighted."""

    def at(u, x):
        zeros = [jnp.zeros_like(x)] * (order - 1)
        last = lambda e: taylor(u, (x,), ([e, *zeros],))[1][-1]
        directions, weights = combination(x.size)
        directions = jnp.asarray(directions, x.dtype)
        if len(weights) == 1:
            return [last(directions[0])]
        return [jnp.asarray(weights, x.dtype) @ jax.vmap(last)(directions)]

    return at


WAYS: dict[str, dict[str, Way]] = {
    "value, gradient": {
        "engine": lambda u, x: list(diff.jet(u, 1)(x)),
        "value_and_grad": lambda u, x: list(jax.value_and_grad(u)(x)),
        "jacfwd": value_and_jacfwd,
    },
    "u u_t u_x u_xx": {
        "engine": lambda u, x: list(diff.partials(u, "u u_t u_x u_xx", over="t x")(x)),
        "forward": burgers_forward,
        "reverse and forward": burgers_nested,
        "forward over reverse": burgers_mixed,
        "reverse": burgers_reverse,
        "jet": burgers_jet,
    },
    "laplacian": {
        "engine": lambda u, x: [diff.laplacian(u)(x)],
        "hessian": trace_of_hessian,
        "forward over forward": forward_over_forward,
        "forward over reverse": forward_over_reverse,
        "jet": jets(2, all_axes),
    },
    "u_xxxx": {
        "engine": lambda u, x: [diff.partial(u, "u_xxxx", over="t x")(x)],
        "forward": forward(1, 1, 1, 1),
        "forward over reverse": mixed(1, 1, 1, 1),
        "reverse": reverse(1, 1, 1, 1),
        "jet": jets(4, along_x),
    },
    "u_ttxx": {
        "engine": lambda u, x: [diff.partial(u, "u_ttxx", over="t x")(x)],
        "forward": forward(0, 0, 1, 1),
        "forward over reverse": mixed(0, 0, 1, 1),
        "reverse": reverse(0, 0, 1, 1),
        "jet": jets(4, two_axes),
    },
    "biharmonic": {
        "engine": lambda u, x: [diff.biharmonic(u)(x)],
        "forward": twice(forward_over_forward),
        "forward over reverse": twice(forward_over_reverse),
        "jet": jets(4, all_pairs),
    },
}
if folx:
    WAYS["laplacian"]["folx"] = forward_laplacian
    WAYS["biharmonic"]["folx"] = twice(forward_laplacian)
