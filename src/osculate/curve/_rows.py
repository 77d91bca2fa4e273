"""The samples of an objective one row at a time: residuals and losses of a point."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples, Term, is_square


class Rows(NamedTuple):
    """What one term knows of its rows.

    Attributes:
        term: The term.
        data: `(x, y, share)` with leading axis N: row by row what `residual` and `loss`
            take.
        num_rows: N.
    """

    term: Term
    data: PyTree[Any]
    num_rows: int

    def residual(self, model: PyTree[Any], row: PyTree[Any]) -> Float[Array, " M"]:
        """Returns the residuals of one row as one vector."""
        x, y, share = row
        found = self.term.residual_at(self.term.at(model, x, y), y, share)
        return jnp.concatenate([jnp.ravel(r) for r in found.values()])

    def loss(self, model: PyTree[Any], row: PyTree[Any]) -> Float[Array, ""]:
        """Returns what one row adds to the objective."""
        x, y, share = row
        return sum(self.term.loss_at(self.term.at(model, x, y), y, share).values())  # pyright: ignore[reportReturnType]


def rows_of(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> Iterator[Rows]:
    """Yields the rows of every term.

    Args:
        objective: What is wanted.
        model: The model, for the shapes of its outputs alone.
        samples: Samples for every label.

    Yields:
        The rows, term by term.
    """
    shapes = jax.eval_shape(lambda: objective.outputs(model, samples))
    for label, term in objective.terms.items():
        known = samples[label]
        share = term.shares(shapes[label], known)
        count = len(jax.tree.leaves(known.x)[0])
        yield Rows(term, (known.x, known.y, share), count)


def residual_vector(
    objective: Objective, samples: Mapping[str, Samples]
) -> Callable[[PyTree[Any]], Float[Array, " R"]]:
    """Returns a function from a model to all residuals, half whose square is the loss.

    Args:
        objective: What is wanted.
        samples: Samples for every label.

    Returns:
        The function. Its entries are ordered by term, row and entry, as the rows of
        `jacobian`.
    """

    def residuals(model: PyTree[Any]) -> Float[Array, " R"]:
        found = [
            jnp.ravel(jax.vmap(rows.residual, (None, 0))(model, rows.data))
            for rows in rows_of(objective, model, samples)
        ]
        return jnp.concatenate(found)

    return residuals


def refuse_empty(
    owner: str, objective: Objective, samples: Mapping[str, Samples]
) -> None:
    """Checks that every term has rows.

    Args:
        owner: Who needs that.
        objective: What is wanted.
        samples: Samples by label.

    Raises:
        ValueError: If the samples of a term have no rows.
    """
    empty = [
        label
        for label in objective.terms
        if label in samples and not len(jax.tree.leaves(samples[label].x)[0])
    ]
    if empty:
        raise ValueError(
            f"`{owner}`: the samples of {empty} have no rows; expected one or more. "
            "Leave the term out of the objective."
        )


def refuse_losses(owner: str, objective: Objective) -> None:
    """Checks that every loss is a sum of squares.

    Args:
        owner: Who needs that.
        objective: What is wanted.

    Raises:
        ValueError: If a loss has no `residual`; the message names its term.
    """
    for label, term in objective.terms.items():
        several = isinstance(term.loss, Mapping)
        for name, loss in (term.loss if several else {"": term.loss}).items():
            if not is_square(loss):
                part = f"{label}.{name}" if name else label
                raise ValueError(
                    f"`{owner}`: the loss of {part!r}, {type(loss).__name__}, is no "
                    "sum of squares: it has no `residual`.\nUse a Gaussian loss, or "
                    "what needs none: `ssbroyden()` for a fit."
                )
