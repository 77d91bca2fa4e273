"""The Jacobian of all residuals by all that is trained, and its Gram matrices."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples, flatten, trainable

from ._dense import chunked, refuse_large
from ._rows import Rows, refuse_empty, residual_vector, rows_of

UNDIVIDED = 256  # columns of a matrix that is multiplied by itself at once


def jacobian(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> lineax.FunctionLinearOperator:
    """Returns the Jacobian J of all residuals, as an operator.

    A product costs one forward pass with a tangent, one of the transpose a reverse
    pass. Half the sum of squares of the residuals is the loss, so that `J^T J` is the
    Gauss-Newton matrix.

    Args:
        objective: What is wanted; its losses have a `residual`.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        An operator from trees like `core.trainable(model)[0]` to vectors `(R,)`,
        ordered by term, row and entry.

    Raises:
        ValueError: If a loss is no sum of squares, or there is no residual.

    Example:
        >>> J = jacobian(objective, model, samples)
        >>> along, back = J.mv(v), J.T.mv(r)
    """
    _shape(objective, model, samples)
    structure = jax.eval_shape(lambda: trainable(model)[0])
    product = JacobianProduct(objective, model, samples)
    return lineax.FunctionLinearOperator(product, structure, closure_convert=False)


class JacobianProduct(eqx.Module):
    """The function v -> J v.

    Attributes:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.
    """

    objective: Objective
    model: PyTree[Any]
    samples: Mapping[str, Samples]

    def __call__(self, v: PyTree[Array]) -> Float[Array, " R"]:
        """Returns the derivative of the residuals along v."""
        theta, build = trainable(self.model)
        residuals = residual_vector(self.objective, self.samples)
        return jax.jvp(lambda t: residuals(build(t)), (theta,), (v,))[1]


def jacobian_matrix(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> Float[Array, "R P"]:
    """Returns the Jacobian of all residuals, in full.

    Reverse mode row by row, in chunks: one reverse pass of one point per residual.

    Args:
        objective: What is wanted; its losses have a `residual`.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        One row per residual, ordered by term, row and entry; one column per number that
        is trained, ordered as by `ravel_pytree`.

    Raises:
        ValueError: If a loss is no sum of squares, there is no residual, or the matrix
            does not fit into memory.
    """
    shape = _shape(objective, model, samples)
    theta, build = flatten(model)
    refuse_large("jacobian_matrix", shape, theta.dtype)
    parts = []
    for rows, size in _sized(objective, model, samples):
        pull = lambda _, chunk, present, rows=rows: (
            None,
            _chunk(rows, build, theta, chunk),
        )
        _, found = chunked(pull, None, rows.data, size * theta.size)
        parts.append(found.reshape(-1, theta.size))
    return jnp.concatenate(parts)


def jacobians_by_part(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> dict[str, dict[str, tuple[Float[Array, "N M"], Float[Array, "R P"]]]]:
    """Returns the residuals of every part and their Jacobian, in full.

    Args:
        objective: What is wanted; its losses have a `residual`.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        By label and name: residuals, one row per sample, and a matrix whose rows are
        ordered by sample and entry.
    """
    found = {}
    for label, term in objective.terms.items():
        J = jacobian_matrix(Objective({label: term}), model, samples)
        residuals = term.residuals(term.outputs(model, samples[label]), samples[label])
        residuals = {name: r.reshape(len(r), -1) for name, r in residuals.items()}
        widths = [r.shape[1] for r in residuals.values()]
        J = J.reshape(-1, sum(widths), J.shape[1])
        ends = list(itertools.accumulate(widths))[:-1]
        blocks = jnp.split(J, ends, axis=1)
        found[label] = {
            name: (r, block.reshape(-1, J.shape[2]))
            for (name, r), block in zip(residuals.items(), blocks, strict=True)
        }
    return found


def gram(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> Float[Array, "P P"]:
    """Returns `J^T J`, summed up in chunks of rows: J is never held.

    Args:
        objective: What is wanted; its losses have a `residual`.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        The Gauss-Newton matrix of the objective, symmetric and without negative
        eigenvalues; of rank R at most.

    Raises:
        ValueError: If a loss is no sum of squares, there is no residual, or the matrix
            does not fit into memory.
    """
    _shape(objective, model, samples)
    theta, build = flatten(model)
    refuse_large("gram", (theta.size, theta.size), theta.dtype)
    total = jnp.zeros((theta.size, theta.size), theta.dtype)
    for rows, size in _sized(objective, model, samples):

        def add(total: Array, chunk: Any, present: Array, rows: Rows = rows) -> Any:
            J = _chunk(rows, build, theta, chunk)
            J = jnp.where(present[:, None, None], J, 0).reshape(-1, theta.size)
            return total + _square(J), None

        total, _ = chunked(add, total, rows.data, size * theta.size)
    return total


def dual_gram(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> Float[Array, "R R"]:
    """Returns `J J^T`, the Gram matrix of the rows of the Jacobian.

    Its eigenvalues are those of `J^T J`, up to zeros: the smaller problem where there
    are fewer residuals than parameters.

    Args:
        objective: What is wanted; its losses have a `residual`.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        A symmetric matrix without negative eigenvalues; of rank P at most.

    Raises:
        ValueError: If a loss is no sum of squares, there is no residual, or the
            matrices do not fit into memory.
    """
    R, _ = _shape(objective, model, samples)
    refuse_large("dual_gram", (R, R), flatten(model)[0].dtype)
    J = jacobian_matrix(objective, model, samples)
    return _square(J.T)


def _square(A: Float[Array, "M K"]) -> Float[Array, "K K"]:
    """Returns `A' A` by the blocks below its diagonal: 3/4 of the time at K = 1,000."""
    if A.shape[1] <= UNDIVIDED:
        return A.T @ A
    left, right = jnp.split(A, [A.shape[1] // 2], axis=1)
    below = right.T @ left
    return jnp.block([[_square(left), below.T], [below, _square(right)]])


def _chunk(
    rows: Rows, build: Callable[..., Any], theta: Array, chunk: PyTree[Any]
) -> Float[Array, "chunk M P"]:
    """Returns the derivatives of the residuals of some rows."""

    def one(row: PyTree[Any]) -> Float[Array, "M P"]:
        r, pull = jax.vjp(lambda t: rows.residual(build(t), row), theta)
        return jax.vmap(pull)(jnp.eye(r.size, dtype=r.dtype))[0]

    return jax.vmap(one)(chunk)


def _sized(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> Iterator[tuple[Rows, int]]:
    """Yields the rows of every term that has some, with the residuals of one row."""
    for rows in rows_of(objective, model, samples):
        first = jax.tree.map(lambda a: a[0], rows.data)
        yield rows, eqx.filter_eval_shape(rows.residual, model, first).size


def _shape(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> tuple[int, int]:
    """Returns the shape of the Jacobian, and refuses one without rows or columns."""
    refuse_empty("jacobian", objective, samples)
    z = jax.eval_shape(lambda: objective.outputs(model, samples))
    silent = [label for label in z if not sum(a.size for a in z[label].values())]
    P = flatten(model)[0].size
    if silent or not P:
        raise ValueError(
            f"`jacobian`: {P} trained numbers, and no residuals of the terms {silent}; "
            "expected one or more of each. Look at `core.trainable(model)` and at what "
            "the probes return."
        )
    found = jax.eval_shape(lambda: objective.residuals(model, samples))
    return sum(r.size for r in found.values()), P
