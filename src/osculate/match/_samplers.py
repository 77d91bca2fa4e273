"""Samplers of fresh data: random projections of Jacobians, and noise on inputs."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, PRNGKeyArray, PyTree

from osculate import diff
from osculate.core import Objective, Samples, Term

from ._looks import COVECTORS, DIRECTIONS
from ._term import taught


class Projections(eqx.Module):
    """A Sampler of random vectors, and of what a teacher's Jacobian makes of them.

    With K vectors of random signs, divided by the root of K, the squared error of the
    products has the squared error of the full Jacobians as its expectation, whatever K
    (Czarnecki et al. 2017, stochastic Sobolev training). Full Jacobians are formed
    neither of the student nor of the teacher. Directions cost a forward pass each,
    covectors a reverse one; with one output a single covector is exact.

    Attributes:
        label: The samples to which vectors and targets are added.
        teacher: `(D,) -> (M,)`; None takes the Jacobians `y["jacobian"]` of the
            samples, of which a product counts where all that it sums is known, and
            needs none for `jacobian_norm(projected=True)`.
        directions: How many `y["directions"]`, `(D,)`, with `y["directional"]`.
        covectors: How many `y["covectors"]`, `(M,)`, with `y["adjoint"]`.
        x_scale: Factor of the directions, a number or `(D,)`.
        y_scale: Divisor of the covectors, a number or `(M,)`.
        outputs: M, where neither a teacher nor Jacobians tell.
        inner: A Sampler that is asked for the rows first, such as a minibatch.
    """

    label: str = eqx.field(static=True)
    teacher: PyTree[Any] = None
    directions: int = eqx.field(static=True, default=0)
    covectors: int = eqx.field(static=True, default=0)
    x_scale: Any = 1.0
    y_scale: Any = 1.0
    outputs: int | None = eqx.field(static=True, default=None)
    inner: Any = None

    def __check_init__(self):
        """Checks that something is drawn.

        Raises:
            ValueError: If there are no vectors, or less than none.
        """
        counts = self.directions, self.covectors
        if min(counts) < 0 or max(counts) < 1:
            raise ValueError(
                f"`Projections`: directions={self.directions}, "
                f"covectors={self.covectors}; expected one or more of one of them."
            )

    def first(
        self, samples: Mapping[str, Samples], key: PRNGKeyArray
    ) -> dict[str, Samples]:
        """Returns samples of the shapes that this draws, to start a fit with.

        Args:
            samples: The samples without vectors.
            key: Key of the vectors.

        Returns:
            The samples, with them.
        """
        return {**samples, self.label: self._drawn(samples[self.label], key)}

    def __call__(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Mapping[str, Samples],
        key: PRNGKeyArray,
    ) -> dict[str, Samples]:
        """Returns the samples with fresh vectors."""
        k_rows, k_vectors = jr.split(key)
        if self.inner is not None:
            samples = self.inner(objective, model, samples, k_rows)
        return self.first(samples, k_vectors)

    def _drawn(self, rows: Samples, key: PRNGKeyArray) -> Samples:
        x = jnp.asarray(rows.x)
        y = dict(rows.y) if isinstance(rows.y, Mapping) else {}
        signs = lambda k, count, n: jr.rademacher(k, (len(x), count, n), x.dtype)
        k_right, k_left = jr.split(key)
        if n := self.directions:
            v = signs(k_right, n, x.shape[1])
            v = v * _alike(self.x_scale, v)
            y[DIRECTIONS] = v / n**0.5
        if n := self.covectors:
            w = signs(k_left, n, self._size(x, y))
            y[COVECTORS] = w / _alike(self.y_scale, w) / n**0.5
        y |= self._products(x, y)
        weight = rows.weight
        if isinstance(weight, Mapping):
            weight = {**self._weights(weight), **weight}
        return Samples(x, y, weight)

    def _weights(self, weight: Mapping[str, Any]) -> dict[str, Any]:
        """Returns weights of products: unknown slopes do not count as zeros."""
        by_row = _by_row(weight.get("value"))
        names: list[str] = ["directional", "adjoint", "jacobian_norm"]
        found = dict.fromkeys(names, by_row)
        known = weight.get("jacobian") if self.teacher is None else None
        if known is None:
            return found
        if jnp.ndim(known) < 3:
            return {**found, "directional": known, "adjoint": known}
        each = lambda count, w: jnp.repeat(w[:, None], count, axis=1)
        return {
            **found,
            "directional": each(self.directions, jnp.min(known, axis=2)),
            "adjoint": each(self.covectors, jnp.min(known, axis=1)),
        }

    def _size(self, x: Array, y: Mapping[str, Any]) -> int:
        if self.teacher is not None:
            return jax.eval_shape(diff.as_vector(self.teacher), x[0]).size
        if "jacobian" in y:
            return y["jacobian"].shape[1]
        if self.outputs is None:
            raise ValueError(
                "`Projections`: covectors have one entry per output, and neither a "
                "teacher nor `jacobian` in the samples tells how many these are. Pass "
                "outputs=."
            )
        return self.outputs

    def _products(self, x: Array, y: Mapping[str, Any]) -> dict[str, Array]:
        found: dict[str, Array] = {}
        u = None if self.teacher is None else diff.as_vector(self.teacher)
        if DIRECTIONS in y and u is not None:
            push = lambda p, V: jax.vmap(jax.linearize(u, p)[1])(V)
            found["directional"] = jax.vmap(push)(x, y[DIRECTIONS])
        elif DIRECTIONS in y and "jacobian" in y:
            found["directional"] = jnp.einsum(
                "nmd,nkd->nkm", y["jacobian"], y[DIRECTIONS]
            )
        if COVECTORS in y and u is not None:
            pull = lambda p, W: jax.vmap(lambda w: jax.vjp(u, p)[1](w)[0])(W)
            found["adjoint"] = jax.vmap(pull)(x, y[COVECTORS])
        elif COVECTORS in y and "jacobian" in y:
            found["adjoint"] = jnp.einsum("nmd,nkm->nkd", y["jacobian"], y[COVECTORS])
        return found


def _alike(scale: Any, vectors: Array) -> Array:
    return jnp.broadcast_to(jnp.asarray(scale, vectors.dtype), vectors.shape)


def _by_row(weight: Any) -> Any:
    """Returns a weight per row from one per row or per entry."""
    if weight is None or jnp.ndim(weight) < 2:
        return weight
    return jnp.min(weight.reshape(len(weight), -1), axis=1)


class InputNoise(eqx.Module):
    """A Sampler that adds fresh Gaussian noise to points (SPEC S1.4, S1.7).

    Targets stay as they are: noise on the inputs of training data, which to second
    order adds `jacobian_norm(sigma**2)` to half a squared error. With a teacher they
    are asked for anew at the moved points, which adds a matching of Jacobians.

    Attributes:
        label: The samples whose points are moved.
        source: The points and targets without noise.
        sigma: Standard deviation, in units of x, a number or `(D,)`.
        term: What the teacher is asked for.
        teacher: A model that the term can look at, or None.
    """

    label: str = eqx.field(static=True)
    source: Samples
    sigma: Any
    term: Term | None = None
    teacher: PyTree[Any] = None

    def __call__(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Mapping[str, Samples],
        key: PRNGKeyArray,
    ) -> dict[str, Samples]:
        """Returns the samples at moved points."""
        del objective, model
        rows = self.source
        noise = jr.normal(key, rows.x.shape, rows.x.dtype)
        x = rows.x + _alike(self.sigma, noise) * noise
        y = rows.y
        if self.teacher is not None and self.term is not None:
            y = {**dict(y or {}), **taught(self.term, self.teacher, x, y).y}
        return {**samples, self.label: Samples(x, y, rows.weight)}
