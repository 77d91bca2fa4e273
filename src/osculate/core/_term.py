"""One demand on a model: what to look at, and how bad it is."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ._gaussian import Gaussian
from ._samples import Samples


class Term(eqx.Module):
    """Quantities looked at together, at one point, and the loss of each.

    Attributes:
        probe: `(model, x, y) -> z` or `-> {name: z}`, at one point. Everything that is
            known at the same points belongs in one probe, which computes it once.
        loss: `(z, y, w=1.0) -> scalar`, linear in the entry weights `w`; one for all
            names or a dictionary by name. It may offer `residual(z, y)`, half of whose
            weighted square it is.
        weight: Factor in the objective, one for all names or a dictionary by name.
    """

    probe: Callable[..., Any]
    loss: Any = Gaussian()
    weight: Any = 1.0

    def at(
        self, model: PyTree[Any], x: PyTree[Any], y: PyTree[Any]
    ) -> dict[str, Array]:
        """Returns what the probe finds at one point, by name.

        Args:
            model: The model, any pytree the probe understands.
            x: One point.
            y: What is known there.

        Returns:
            Arrays by name; that of a probe that returns an array is `""`.
        """
        z = self.probe(model, x, y)
        return z if isinstance(z, dict) else {"": z}

    def outputs(self, model: PyTree[Any], samples: Samples) -> dict[str, Array]:
        """Returns what the probe finds at all points.

        Args:
            model: The model, any pytree the probe understands.
            samples: N points.

        Returns:
            Arrays by name, with leading axis N.
        """
        return jax.vmap(lambda x, y: self.at(model, x, y))(samples.x, samples.y)

    def shares(self, z: Mapping[str, Any], samples: Samples) -> dict[str, Array]:
        """Returns how much each row or entry counts: `weight * w / W` of the part.

        Args:
            z: `outputs`, or arrays of no values with their shapes.
            samples: N points.

        Returns:
            Arrays by name: `(N,)`, or of the shape of the output.
        """
        return {
            name: _pick(self.weight, name) * _share(samples.weight, name, z[name])
            for name in z
        }

    def loss_at(
        self, z: Mapping[str, Array], y: PyTree[Any], share: Mapping[str, Array]
    ) -> dict[str, Float[Array, ""]]:
        """Returns one point's contribution to each part.

        Args:
            z: What `at` found.
            y: What is known there.
            share: The point's `shares`.

        Returns:
            Scalars by name.
        """
        return {
            name: _pick(self.loss, name)(z[name], _target(y, name), share[name])
            for name in z
        }

    def residual_at(
        self, z: Mapping[str, Array], y: PyTree[Any], share: Mapping[str, Array]
    ) -> dict[str, Array]:
        """Returns one point's residuals, half whose sum of squares is `loss_at`.

        Args:
            z: What `at` found.
            y: What is known there.
            share: The point's `shares`.

        Returns:
            Arrays by name, scaled by the square root of the share.

        Raises:
            ValueError: If a loss has no `residual`.
        """
        return {
            name: _spread(jnp.sqrt(share[name]), z[name])
            * _residual(_pick(self.loss, name))(z[name], _target(y, name))
            for name in z
        }

    def parts(
        self, z: Mapping[str, Array], samples: Samples
    ) -> dict[str, Float[Array, ""]]:
        """Returns each named quantity's share of the objective.

        A part is `weight * sum_i loss(z_i, y_i, w_i / W)` with `W = sum_i w_i` over
        the rows, entry by entry, and 0/0 = 0: every entry is averaged over the rows
        that have it, then the entries add up (SPEC S0.2).

        Args:
            z: `outputs`, with leading axis N.
            samples: N points.

        Returns:
            Scalars by name.
        """
        losses = jax.vmap(self.loss_at)(dict(z), samples.y, self.shares(z, samples))
        return {name: jnp.sum(losses[name]) for name in z}

    def residuals(
        self, z: Mapping[str, Array], samples: Samples
    ) -> dict[str, Float[Array, "N ..."]]:
        """Returns by name the residuals `(N, ...)`, half whose square is the part.

        Args:
            z: `outputs`, with leading axis N.
            samples: N points.

        Returns:
            Arrays by name, scaled by `sqrt(weight * w / W)`.

        Raises:
            ValueError: If a loss has no `residual`.
        """
        found = jax.vmap(self.residual_at)(dict(z), samples.y, self.shares(z, samples))
        return {name: found[name] for name in z}


def is_square(loss: Any) -> bool:
    """Tells whether a loss is half the square of a residual that it offers.

    Args:
        loss: Of a term; one, not a dictionary.

    Returns:
        Whether it has a `residual`.
    """
    return getattr(loss, "residual", None) is not None


def _pick(choice: Any, name: str) -> Any:
    if not isinstance(choice, Mapping):
        return choice
    if name not in choice:
        raise ValueError(
            f"`Term`: no loss or weight for {name!r}, which the probe returns; got "
            f"{list(choice)}. Add it to the dictionary."
        )
    return choice[name]


def _target(y: PyTree[Any], name: str) -> Any:
    return y.get(name) if isinstance(y, Mapping) else y


def _share(weight: PyTree[Any], name: str, z: Array | jax.ShapeDtypeStruct) -> Array:
    """Returns each row's or entry's weight divided by the sum over the rows."""
    if name and isinstance(weight, Mapping) and name not in weight:
        raise ValueError(
            f"`Term`: no weight for {name!r}, which the probe returns; got weights for "
            f"{sorted(weight)}. Add {name!r}: None where all rows count alike."
        )
    w = _target(weight, name)
    if w is None:
        return jnp.full(z.shape[:1], 1.0 / z.shape[0], z.dtype)
    w = jnp.asarray(w, z.dtype)
    if w.shape not in (z.shape, z.shape[:1]):
        raise ValueError(
            f"`Term`: the weight of {name!r} has shape {w.shape}; expected one number "
            f"per row {z.shape[:1]} or per entry {z.shape}."
        )
    total = jnp.sum(w, axis=0)
    return w / jnp.where(total > 0, total, 1.0)[None]


def _residual(loss: Any) -> Callable[..., Any]:
    if not is_square(loss):
        raise ValueError(
            f"`Term`: the loss {loss!r} is no sum of squares: it has no "
            "`residual`. Use `Gaussian()`, or a method that needs none."
        )
    return loss.residual


def _spread(scale: Array, z: Array) -> Array:
    """Gives a scale of the leading axes of z its number of axes."""
    return scale.reshape(scale.shape + (1,) * (z.ndim - scale.ndim))
