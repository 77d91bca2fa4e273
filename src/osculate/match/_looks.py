"""What can be seen of a field at one point: tensors, and products with its Jacobian."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from osculate import diff

DIRECTIONS, COVECTORS, CLASS = "directions", "covectors", "class"


class Look(eqx.Module):
    """One quantity that is seen of a field.

    Attributes:
        quantity: Its name, and that of its target.
        order: Of the derivative: the tensor of this order is seen.
        along: None, or what of `y` the Jacobian is multiplied by: `directions` `(K, D)`
            from the right, `covectors` `(K, M)` from the left, or the row `class`.
        target: `alike`: of the shape of the quantity; `free`: the loss knows; `none`.
        owner: Name of the function of the model that is looked at, or `""`.
        of: That function, `model -> field`; None for the model itself.
    """

    quantity: str = eqx.field(static=True)
    order: int = eqx.field(static=True)
    along: str | None = eqx.field(static=True, default=None)
    target: str = eqx.field(static=True, default="alike")
    owner: str = eqx.field(static=True, default="")
    of: Callable[[Any], Any] | None = None

    @property
    def name(self) -> str:
        """Of the part, and of its target in `y`."""
        return self.qualified(self.quantity)

    def qualified(self, name: str) -> str:
        """Returns a name in `y`, after that of the function looked at.

        Args:
            name: Of a quantity or of vectors.

        Returns:
            `"name"` or `"owner.name"`.
        """
        return f"{self.owner}.{name}" if self.owner else name


def see(
    looks: Sequence[Look], model: PyTree[Any], x: Float[Array, " D"], y: PyTree[Any]
) -> dict[str, Array]:
    """Returns what is seen of a model at one point, each function in one pass.

    Args:
        looks: What to look at.
        model: The model.
        x: The point.
        y: The vectors that Jacobians are multiplied by, by name.

    Returns:
        Arrays by name, in the order of the looks.
    """
    owners = dict.fromkeys(look.owner for look in looks)
    found = {}
    for owner in owners:
        own = [look for look in looks if look.owner == owner]
        of = own[0].of
        field = diff.as_vector(model if of is None else of(model))
        found |= _see_field(own, field, x, y)
    return {look.name: found[look.name] for look in looks}


def _see_field(
    looks: Sequence[Look],
    u: Callable[[Array], Array],
    x: Float[Array, " D"],
    y: PyTree[Any],
) -> dict[str, Array]:
    """Full tensors come from one jet, products from the Jacobian where that has one."""
    along = {look.along for look in looks} - {None}
    order = max((look.order for look in looks if look.along is None), default=0)
    tensors: tuple[Array, ...] = ()
    if order or not along:
        tensors = diff.jet(u, order)(x)
    right, left = _products(u, x, along, tensors)
    if not tensors:
        tensors = ((right or left)[0],)  # pyright: ignore[reportOptionalSubscript]
    found = {}
    for look in looks:
        if look.along is None:
            found[look.name] = tensors[look.order]
            continue
        vectors = _vectors(look, y)
        if look.along == DIRECTIONS:
            found[look.name] = jax.vmap(right[1])(vectors)  # pyright: ignore[reportOptionalSubscript]
        elif look.along == COVECTORS:
            found[look.name] = jax.vmap(left[1])(vectors)  # pyright: ignore[reportOptionalSubscript]
        else:
            row = jax.nn.one_hot(vectors, tensors[0].size, dtype=tensors[0].dtype)
            found[look.name] = left[1](row)  # pyright: ignore[reportOptionalSubscript]
    return found


def _products(
    u: Callable[[Array], Array],
    x: Float[Array, " D"],
    along: set[Any],
    tensors: tuple[Array, ...],
) -> tuple[Any, Any]:
    """Returns `(value, v -> J v)` and `(value, w -> J^T w)`, each where wanted."""
    right = left = None
    if len(tensors) > 1:
        value, J = tensors[:2]
        return (value, lambda v: J @ v), (value, lambda w: w @ J)
    if DIRECTIONS in along:
        right = jax.linearize(u, x)
    if along - {DIRECTIONS}:
        value, pull = jax.vjp(u, x)
        left = value, lambda w: pull(w)[0]
    return right, left


def _vectors(look: Look, y: PyTree[Any]) -> Array:
    name = look.qualified(str(look.along))
    if not isinstance(y, Mapping) or name not in y:
        got = sorted(y) if isinstance(y, Mapping) else type(y).__name__
        raise ValueError(
            f"`match.term`: no {name!r} in the targets, which the part {look.name!r} "
            f"multiplies the Jacobian by; got {got}. Pass them in Samples(x, "
            f"{{{name!r}: ...}}), or draw them with `match.Projections`."
        )
    return jnp.asarray(y[name])
