"""Derivatives as functions: each operator takes a field and returns a field."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._assemble import tensor_of
from ._choose import cheapest
from ._keys import all_keys
from ._streams import MOST_STREAMS, streams
from ._types import Field


def gradient(u: Field) -> Field:
    """Returns x -> ∇u(x), for a scalar u or a dictionary of scalars.

    Cost: the cheaper of one reverse pass and one forward pass per coordinate; forward
    for a dictionary, and where a `while` loop cannot be reversed.

    Args:
        u: `(D,) -> ()`, or `(D,) -> {name: ()}`.

    Returns:
        `(D,) -> (D,)`, or a dictionary of them, in units of u per unit of x.

    Raises:
        ValueError: When called, if u is not scalar-valued.

    Example:
        >>> gradient(lambda x: jnp.sum(x**2))(jnp.ones(2))
        Array([2., 2.], dtype=float32)
    """

    def at(x: Float[Array, " D"]):
        shapes = jax.eval_shape(u, x)
        wide = {leaf.shape for leaf in jax.tree.leaves(shapes)} - {()}
        if wide:
            raise ValueError(
                f"`gradient`: u returns an array of shape {wide.pop()}; expected a "
                "scalar. Use `jacobian`, or return one component."
            )
        if isinstance(shapes, dict):
            return jax.jacfwd(u)(x)
        return cheapest({"reverse": jax.grad(u), "forward": jax.jacfwd(u)}, x)

    return at


def jacobian(u: Field) -> Field:
    """Returns x -> J(x), rows outputs and columns coordinates.

    Cost: the cheaper of one forward pass carrying D tangents and M reverse passes.

    Args:
        u: `(D,) -> (M,)`, any other shape, or a dictionary of arrays.

    Returns:
        `(D,) -> (M, D)`: the shape of u with one trailing axis of length D.

    Example:
        >>> jacobian(lambda x: x[:2] * x[2])(jnp.ones(3)).shape
        (2, 3)
    """

    def at(x: Float[Array, " D"]):
        return cheapest({"forward": jax.jacfwd(u), "reverse": jax.jacrev(u)}, x)

    return at


def hessian(u: Field) -> Field:
    """Returns x -> H(x), the second derivatives of each output.

    Cost: the cheaper of one pass with 1 + D + D(D+1)/2 streams and, for a scalar,
    forward over reverse, D + 1 times two passes.

    Args:
        u: `(D,) -> ()`, `(D,) -> (M,)`, or a dictionary of these.

    Returns:
        `(D,) -> (D, D)`, or `(M, D, D)`.

    Example:
        >>> hessian(lambda x: x[0] * x[1])(jnp.ones(2))
        Array([[0., 1.],
               [1., 0.]], dtype=float32)
    """

    def at(x: Float[Array, " D"]):
        if _too_many(x.size, 2):
            return _stacked_jet(u, 2)(x)[2]
        found = streams(u, all_keys(range(x.size), 2))(x)
        leaves, tree = jax.tree.flatten(found[()])
        fields = {key: tree.flatten_up_to(y) for key, y in found.items()}
        tensors = [
            tensor_of({key: f[n] for key, f in fields.items()}, 2, range(x.size))
            for n in range(len(leaves))
        ]
        return jax.tree.unflatten(tree, tensors)

    return at


def jet(u: Field, order: int) -> Callable[[Float[Array, " D"]], tuple]:
    """Returns x -> (u, D u, ..., D^order u) at x, from one pass.

    The tensors are those of the Sobolev objective (SPEC S0.2): D^j has the shape of u
    followed by j axes of length D. Equal mixed derivatives are computed once.

    Args:
        u: `(D,) -> (...)`, any shape; `as_vector` makes an array of named fields.
        order: Highest order, 0 or more.

    Returns:
        A function of one point to a tuple of `order + 1` tensors.

    Raises:
        ValueError: If the order is negative, or u returns a dictionary.

    Example:
        >>> value, J = jet(lambda x: x**2, 1)(jnp.ones(2))
        >>> J
        Array([[2., 0.],
               [0., 2.]], dtype=float32)
    """
    if order < 0:
        raise ValueError(f"`jet`: order is {order}; expected 0 or more.")

    u = _array_valued(u)

    def at(x: Float[Array, " D"]) -> tuple:
        if _too_many(x.size, order):
            return _stacked_jet(u, order)(x)
        keys = [k for n in range(order + 1) for k in all_keys(range(x.size), n)]
        found = streams(u, keys)(x)
        return tuple(tensor_of(found, n, range(x.size)) for n in range(order + 1))

    return at


def _too_many(size: int, order: int) -> bool:
    """Whether that many separate derivatives would take too long to compile."""
    return math.comb(size + order, order) - 1 > MOST_STREAMS


def _array_valued(u: Field) -> Field:
    def at(x: Float[Array, " D"]) -> Array:
        y = u(x)
        if isinstance(y, dict | list | tuple):
            what = f"dictionary of {list(y)}" if isinstance(y, dict) else "tuple"
            raise ValueError(
                f"`jet`: u returns a {what}; expected an array. Use "
                "jet(as_vector(u), order)."
            )
        return y

    return at


def _stacked_jet(u: Field, order: int) -> Callable:
    """The jet in many coordinates: one array per order, whatever the compile time."""
    lower = lambda x: (u(x),)
    for _ in range(order):
        lower = _one_order_more(lower)
    return lower


def _one_order_more(lower: Callable) -> Callable:
    """Differentiates the last of the tensors and keeps the others from that pass."""

    def last_and_all(x):
        tensors = lower(x)
        return tensors[-1], tensors

    def higher(x):
        ways = {"forward": jax.jacfwd, "reverse": jax.jacrev}
        derive = lambda mode: ways[mode](last_and_all, has_aux=True)
        top, tensors = cheapest({mode: derive(mode) for mode in ways}, x)
        return (*tensors, top)

    return higher


def as_vector(u: Field) -> Field:
    """Returns x -> all outputs of u in one vector, named fields in their order.

    The order is that in which u makes its dictionary; JAX sorts the names of one that
    has come through `jit` or `vmap`, so those belong outside.

    Args:
        u: A field to a scalar, an array or a dictionary of arrays.

    Returns:
        `(D,) -> (M,)`.

    Example:
        >>> as_vector(lambda x: {"u": x[0], "w": x})(jnp.ones(3)).shape
        (4,)
    """

    def at(x: Float[Array, " D"]) -> Float[Array, " M"]:
        y = u(x)
        fields = y.values() if isinstance(y, dict) else jax.tree.leaves(y)
        return jnp.concatenate([jnp.ravel(f) for f in fields])

    return at
