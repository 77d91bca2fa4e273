"""The blocks of an operator on the diagonal, as an operator on the whole tree."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
from jaxtyping import Array, Bool, PyTree

from ._operators import linearized, tags_of


def block_diagonal(
    operator: lineax.AbstractLinearOperator, *blocks: Callable[[PyTree], PyTree]
) -> lineax.FunctionLinearOperator:
    """Returns a square operator without what it holds between different blocks.

    Cost of a product: as many products with the whole as there are blocks, one pass
    through the model shared by all. For one block alone take `restrict`, for cheap
    approximations `kfac` and `ekfac`.

    Args:
        operator: A square operator on trees like `core.trainable(model)[0]`.
        *blocks: From such a tree to the arrays that make up one block, as in
            `restrict`. Arrays that are in none of them are blocks of their own.

    Returns:
        An operator on the same trees, with the tags of the whole.

    Raises:
        ValueError: If the operator is not square, a block has no arrays, or an array is
            in two of them.

    Example:
        >>> parts = block_diagonal(G)
        >>> layers = block_diagonal(G, lambda m: (m.weights[0], m.biases[0]))
    """
    structure = operator.in_structure()
    if structure != operator.out_structure():
        raise ValueError(
            f"`block_diagonal`: the operator is {operator.out_size()} x "
            f"{operator.in_size()}; expected a square one, such as `gauss_newton`."
        )
    members = jnp.asarray(_members(structure, blocks))
    product = BlockDiagonalProduct(operator, members)
    return lineax.FunctionLinearOperator(
        product, structure, tags_of(operator), closure_convert=False
    )


class BlockDiagonalProduct(eqx.Module):
    """The function v -> sum over blocks of `mask * A (mask * v)`.

    Attributes:
        operator: A.
        members: Which arrays are in which block.
    """

    operator: lineax.AbstractLinearOperator
    members: Bool[Array, "blocks arrays"]

    def __call__(self, v: PyTree[Array]) -> PyTree[Array]:
        """Returns the product, block after block."""
        whole = linearized(self.operator)

        def masked(tree: PyTree[Array], present: Bool[Array, " arrays"]) -> Any:
            leaves, form = jax.tree.flatten(tree)
            kept = [jnp.where(present[k], a, 0) for k, a in enumerate(leaves)]
            return jax.tree.unflatten(form, kept)

        def add(total: PyTree[Array], present: Bool[Array, " arrays"]) -> Any:
            part = masked(whole.mv(masked(v, present)), present)
            return jax.tree.map(jnp.add, total, part), None

        return jax.lax.scan(add, jax.tree.map(jnp.zeros_like, v), self.members)[0]


def _members(
    structure: PyTree[Any], blocks: tuple[Callable[[PyTree], PyTree], ...]
) -> list[list[bool]]:
    """Returns which arrays are in which block; those in none have one of their own."""
    leaves, form = jax.tree.flatten(structure)
    index = jax.tree.unflatten(form, range(len(leaves)))
    groups = [jax.tree.leaves(where(index)) for where in blocks]
    taken = [k for group in groups for k in group]
    if len(set(taken)) < len(taken) or not all(groups):
        raise ValueError(
            f"`block_diagonal`: the blocks hold the arrays {groups}, of {len(leaves)}; "
            "expected one or more for each, and none in two. Numbers count the arrays "
            "of `core.trainable(model)[0]` in order."
        )
    groups += [[k] for k in range(len(leaves)) if k not in taken]
    return [[k in group for k in range(len(leaves))] for group in groups]
