"""One demand on a model: what to look at, and how bad it is."""

from collections.abc import Callable, Iterator, Mapping
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

    def parts(
        self, model: PyTree[Any], samples: Samples
    ) -> dict[str, Float[Array, ""]]:
        """Returns each named quantity's share of the objective.

        A part is `weight * sum_i loss(z_i, y_i, w_i / W)` with `W = sum_i w_i` over
        the rows, entry by entry, and 0/0 = 0: every entry is averaged over the rows
        that have it, then the entries add up (SPEC S0.2).

        Args:
            model: The model, any pytree the probe understands.
            samples: N points.

        Returns:
            Scalars by name; the name of a probe that returns an array is `""`.
        """
        return {
            name: _pick(self.weight, name)
            * jnp.sum(_vmap_rows(_pick(self.loss, name))(z, y, w))
            for name, z, y, w in self._rows(model, samples)
        }

    def residuals(
        self, model: PyTree[Any], samples: Samples
    ) -> dict[str, Float[Array, "N ..."]]:
        """Returns by name the residuals `(N, ...)`, half whose square is the part.

        Args:
            model: The model, any pytree the probe understands.
            samples: N points.

        Returns:
            Arrays by name, scaled by `sqrt(weight * w / W)`.

        Raises:
            ValueError: If a loss has no `residual`.
        """
        found = {}
        for name, z, y, w in self._rows(model, samples):
            loss = _pick(self.loss, name)
            if not hasattr(loss, "residual"):
                raise ValueError(
                    f"`Term`: the loss {loss!r} is no sum of squares: it has no "
                    "`residual`. Use `Gaussian()`, or a method that needs none."
                )
            r = _vmap_rows(lambda z, y, w, loss=loss: loss.residual(z, y))
            scale = jnp.sqrt(_pick(self.weight, name) * w)
            found[name] = scale.reshape(scale.shape + (1,) * (z.ndim - w.ndim)) * r(
                z, y, w
            )
        return found

    def _rows(self, model: PyTree[Any], samples: Samples) -> Iterator[tuple]:
        """Yields `(name, z, y, w / W)` with leading axis N."""
        looked = jax.vmap(lambda x, y: self.probe(model, x, y))(samples.x, samples.y)
        for name, z in (looked if isinstance(looked, dict) else {"": looked}).items():
            yield name, z, _target(samples.y, name), _share(samples.weight, name, z)


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


def _share(weight: PyTree[Any], name: str, z: Float[Array, "N ..."]) -> Array:
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


def _vmap_rows(loss: Callable[..., Any]) -> Callable[..., Any]:
    return jax.vmap(lambda z, y, w: loss(z, y, w))
