"""Several parts looked at in one pass: the Sobolev objective as one Term."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from osculate.core import Samples, Term

from ._looks import CLASS, Look, see
from ._parts import Part


class Probe(eqx.Module):
    """What the parts of a term look at, at one point, by name."""

    looks: tuple[Look, ...]

    def __call__(
        self, model: PyTree[Any], x: Float[Array, " D"], y: PyTree[Any]
    ) -> dict[str, Float[Array, "..."]]:
        """Returns `{"value": (M,), "jacobian": (M, D), ...}` of the model at x."""
        found = see(self.looks, model, x, y)
        _check_targets(self.looks, found, y)
        return found


def _check_targets(
    looks: tuple[Look, ...], found: dict[str, Float[Array, "..."]], y: PyTree[Any]
) -> None:
    """Checks that every tensor has a target of its shape: none may broadcast."""
    wanted = {look.name: look for look in looks if look.target != "none"}
    if not wanted:
        return
    if not isinstance(y, Mapping):
        raise ValueError(
            f"`match.term`: the targets are {type(y).__name__}; expected a dictionary "
            f"by part. Pass Samples(x, {{{next(iter(wanted))!r}: ...}})."
        )
    if missing := [name for name in wanted if name not in y]:
        raise ValueError(
            f"`match.term`: no targets for the parts {missing}; got {sorted(y)}. "
            f"Pass Samples(x, {{{missing[0]!r}: ...}})."
        )
    for name, look in wanted.items():
        shape = found[name].shape
        if look.target == "alike" and jnp.shape(y[name]) != shape:
            raise ValueError(
                f"`match.term`: targets for {name!r} have the shape "
                f"{jnp.shape(y[name])} at a point, the model's are {shape}. "
                f"Pass an array of shape (N, {', '.join(map(str, shape))})."
            )


def term(*parts: Part) -> Term:
    """Joins parts into one Term that computes all its derivatives in one pass.

    With `values()` and `jacobians()` this is the Sobolev objective of order 1: the sum
    over orders j of the mean over points of the loss of the full tensors (SPEC S0.2).
    Missing entries have weight 0 in the samples (SPEC S0.6).

    Args:
        *parts: `values()`, `jacobians()`, `directional()`, `logits()`, ...; each once.

    Returns:
        A Term whose samples hold `y` and `weight` by part name.

    Raises:
        ValueError: If there is no part, one name occurs twice, or two functions of the
            model have one name.
    """
    names = [part.name for part in parts]
    if not parts or len(set(names)) < len(names):
        raise ValueError(
            f"`match.term`: got the parts {names}; expected at least one part, and "
            "each name once."
        )
    functions: dict[str, Any] = {}
    for part in parts:
        owner, of = part.look.owner, part.look.of
        if functions.setdefault(owner, of) is not of:
            raise ValueError(
                f"`match.term`: two functions of the model are called {owner!r}. Give "
                "`look_at` the same function, or another name."
            )
    return Term(
        Probe(tuple(part.look for part in parts)),
        loss={part.name: part.loss for part in parts},
        weight={part.name: part.weight for part in parts},
    )


def taught(
    term: Term, teacher: PyTree[Any], x: Float[Array, "N D"], given: Any = None
) -> Samples:
    """Returns samples whose targets are what a teacher shows where the term looks.

    The teacher is differentiated as the student will be: only products with its
    Jacobian are formed where the term wants only those (SPEC S0.4, S1.3).

    Args:
        term: Of `match.term`.
        teacher: A model that the term can look at: a function of one point, or, for
            parts of `look_at`, what their functions take.
        x: Points.
        given: What the teacher does not know, by name, with leading axis N:
            `directions`, `covectors`, `labels`, and `class`, which otherwise is the
            class that the teacher finds most likely.

    Returns:
        Samples for the term.

    Raises:
        TypeError: If the term is not one of `match.term`.
    """
    if not isinstance(term.probe, Probe):
        raise TypeError("`taught`: expected a term that `match.term` made.")
    looks, given = term.probe.looks, dict(given or {})
    for look in looks:
        name = look.qualified(CLASS)
        if look.along == CLASS and name not in given:
            value = Look("value", 0, owner=look.owner, of=look.of)
            rows = jax.vmap(lambda p, v=value: see([v], teacher, p, None)[v.name])(x)
            given[name] = jnp.argmax(rows, axis=-1)
    asked = [look for look in looks if look.target == "alike"]
    found = jax.vmap(lambda p, y: see(asked, teacher, p, y))(x, given)
    return Samples(x, {**given, **found})
