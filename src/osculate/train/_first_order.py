"""Any Optax method as an Optimizer, as a recipe so that fits share compilations."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, relaxed, trainable


class Recipe(eqx.Module):
    """A function and its arguments, applied when traced.

    Functions, integers and strings are part of the compiled program; floating-point
    numbers are data, so that recipes that differ only in them share one compilation.
    Arguments may be recipes themselves, as schedules are.
    """

    make: Callable[..., Any] = eqx.field(static=True)
    args: tuple
    kwargs: dict[str, Any]

    def __init__(self, make: Callable[..., Any], *args: Any, **kwargs: Any):
        """Keeps the function and its arguments; floats become arrays."""
        self.make = make
        self.args = tuple(map(_as_data, args))
        self.kwargs = {name: _as_data(value) for name, value in kwargs.items()}

    def build(self) -> Any:
        """Calls the function, nested recipes first.

        Returns:
            What the function returns.

        Raises:
            TypeError: If the function decides by the value of a float.
        """
        kwargs = {name: _built(value) for name, value in self.kwargs.items()}
        args = [_built(value) for value in self.args]
        try:
            return self.make(*args, **kwargs)
        except jax.errors.TracerBoolConversionError as error:
            name = getattr(self.make, "__name__", repr(self.make))
            raise TypeError(
                f"`Recipe`: {name} decides by the value of a floating-point number, "
                "which is data here.\nPass a function of your own that holds the "
                f"numbers: `def mine(): return {name}(...)`, then `Recipe(mine)`."
            ) from error


def _as_data(value: Any) -> Any:
    # Weakly typed, so that float32 parameters stay float32.
    return jnp.asarray(float(value)) if isinstance(value, float) else value


def _built(value: Any) -> Any:
    return value.build() if isinstance(value, Recipe) else value


class FirstOrderState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        inner: The state of the Optax method.
        scale: Factor of its steps; 1 unless a fit has asked for shorter ones.
    """

    inner: PyTree[Any]
    scale: Float[Array, ""]


class FirstOrder(eqx.Module):
    """An Optax gradient transformation as an Optimizer.

    Attributes:
        recipe: Makes the transformation.
    """

    recipe: Recipe

    def init(
        self, objective: Objective, model: PyTree[Any], samples: Any
    ) -> FirstOrderState:
        """Returns the state before the first step."""
        theta, _ = trainable(model)
        dtype = jnp.result_type(*jax.tree.leaves(theta))
        return FirstOrderState(self.recipe.build().init(theta), jnp.ones((), dtype))

    def step(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Any,
        state: FirstOrderState,
    ) -> tuple[PyTree[Any], FirstOrderState]:
        """Takes one step along the transformed gradient."""
        theta, build = trainable(model)
        gradient = jax.grad(lambda theta: objective(build(theta), samples)[0])(theta)
        with relaxed():
            updates, inner = self.recipe.build().update(gradient, state.inner, theta)
            updates = jax.tree.map(lambda u: state.scale.astype(u.dtype) * u, updates)
            theta = optax.apply_updates(theta, updates)
        return build(theta), FirstOrderState(inner, state.scale)

    def shorter(self, state: FirstOrderState) -> FirstOrderState:
        """Halves this step and all that follow."""
        return state._replace(scale=state.scale / 2)

    def notes(self, state: FirstOrderState) -> dict[str, Any]:
        """Returns nothing: there is nothing to tell."""
        return {}

    def moved(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Any,
        state: FirstOrderState,
    ) -> FirstOrderState:
        """Returns the state unchanged: it holds nothing of the old points' values."""
        return state


def first_order(make: Callable[..., Any], *args: Any, **kwargs: Any) -> FirstOrder:
    """Returns an Optimizer from an Optax method and its arguments.

    `first_order(optax.adam, 1e-3)` rather than `optax.adam(1e-3)`: the latter is fresh
    functions at every call, hence one compilation per fit.

    Args:
        make: A function that returns an `optax.GradientTransformation`.
        *args: Its arguments; floats are data, everything else is compiled in. A
            schedule is a `Recipe(optax.cosine_decay_schedule, 1e-2, 1000)`.
        **kwargs: Its keyword arguments.

    Returns:
        An Optimizer for `fit`.
    """
    return FirstOrder(Recipe(make, *args, **kwargs))
