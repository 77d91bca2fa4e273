"""The Hessian and the Gauss-Newton matrix of an objective, and parts of operators."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

from osculate.chance import (
    BernoulliLoss,
    CategoricalLoss,
    HuberLoss,
    LaplaceLoss,
    OrdinalLoss,
    PoissonLoss,
    PowerLoss,
)
from osculate.core import Gaussian, Objective, Samples, Term, trainable

from ._dense import chunked, refuse_large

CONVEX = (
    BernoulliLoss,
    CategoricalLoss,
    Gaussian,
    HuberLoss,
    LaplaceLoss,
    OrdinalLoss,
    PoissonLoss,
    PowerLoss,
)


def hessian(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> lineax.FunctionLinearOperator:
    """Returns the second derivative H of the loss by all that is trained.

    Cost of a product: about two gradients, forward over reverse.

    Args:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        A symmetric operator on trees like `core.trainable(model)[0]`.

    Raises:
        ValueError: If nothing is trained.

    Reference: Pearlmutter (1994), Fast exact multiplication by the Hessian.

    Example:
        >>> H = hessian(objective, model, samples)
        >>> product = H.mv(v)
    """
    product = HessianProduct(objective, model, samples)
    return operator_of("hessian", product, model, positive=False)


def gauss_newton(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> lineax.FunctionLinearOperator:
    """Returns the generalized Gauss-Newton matrix `G = J^T L J` of the loss.

    J is the Jacobian of everything the probes return, and L the second derivative of
    the losses by it: the Hessian without the curvature of the probes. For sums of
    squares it is `J^T J` of the residuals. Cost of a product: about one gradient.

    Args:
        objective: What is wanted. Weights are taken to be 0 or more.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        A symmetric operator on trees like `core.trainable(model)[0]`, tagged positive
        semidefinite where all losses are known to be convex.

    Raises:
        ValueError: If nothing is trained.

    Reference: Schraudolph (2002), Fast curvature matrix-vector products, section 3.

    Example:
        >>> G = gauss_newton(objective, model, samples)
        >>> damped = G + 1e-3 * lineax.IdentityLinearOperator(G.in_structure())
        >>> positive = lineax.positive_semidefinite_tag  # Lineax does not see it
        >>> damped = lineax.TaggedLinearOperator(damped, positive)
        >>> step = lineax.linear_solve(damped, gradient, lineax.CG(1e-3, 1e-3)).value
    """
    product = GaussNewtonProduct(objective, model, samples)
    return operator_of("gauss_newton", product, model, positive=_is_convex(objective))


def restrict(
    operator: lineax.AbstractLinearOperator, where: Callable[[PyTree], PyTree]
) -> lineax.FunctionLinearOperator:
    """Returns the part of an operator that acts on some of the parameters.

    Of a square operator these are rows and columns: the block of a layer, or of several
    together. Of the Jacobian they are columns. Cost of a product: that of the whole.

    Args:
        operator: An operator on trees like `core.trainable(model)[0]`.
        where: From such a tree to what is kept of it, as in `equinox.tree_at`.

    Returns:
        An operator on what `where` returns, with the tags of the whole.

    Raises:
        ValueError: If `where` finds nothing that is trained.

    Example:
        >>> first = restrict(hessian(objective, model, samples), lambda m: m.weights[0])
        >>> several = restrict(G, lambda m: (m.weights[0], m.biases[0]))
    """
    structure = where(operator.in_structure())
    if not jax.tree.leaves(structure):
        raise ValueError(
            "`restrict`: `where` finds nothing that is trained; expected arrays of the "
            "model. `Fixed` and integer arrays are no parameters."
        )
    square = operator.in_structure() == operator.out_structure()
    tags = tags_of(operator) if square else []
    product = RestrictedProduct(operator, where, square)
    return lineax.FunctionLinearOperator(
        product, structure, tags, closure_convert=False
    )


def linearized(
    operator: lineax.AbstractLinearOperator,
) -> lineax.FunctionLinearOperator:
    """Returns the same operator with all computed beforehand that no vector changes.

    Worth it where many products are taken: the pass through the model at the point of
    linearization is kept, at the price of its memory, and not repeated.

    Args:
        operator: An operator of this room.

    Returns:
        An operator of the same tags. Two of them share no compilation: take its
        products in one compiled function.

    Example:
        >>> G = linearized(gauss_newton(objective, model, samples))
    """
    structure = operator.in_structure()
    zero = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), structure)
    product = jax.linearize(operator.mv, zero)[1]
    return lineax.FunctionLinearOperator(
        product, structure, tags_of(operator), closure_convert=False
    )


def dense(operator: lineax.AbstractLinearOperator) -> Float[Array, "rows columns"]:
    """Returns the matrix of an operator, from products with unit vectors in chunks.

    Args:
        operator: Any operator.

    Returns:
        The matrix, ordered as by `ravel_pytree`.

    Raises:
        ValueError: If it does not fit into memory.
    """
    _, size, dtype = flat_product(operator)
    refuse_large("dense", (operator.out_size(), size), dtype)
    return _columns(operator).T


class HessianProduct(eqx.Module):
    """The function v -> H v.

    Attributes:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.
    """

    objective: Objective
    model: PyTree[Any]
    samples: Mapping[str, Samples]

    def __call__(self, v: PyTree[Array]) -> PyTree[Array]:
        """Returns the derivative of the gradient along v."""
        theta, build = trainable(self.model)
        loss = lambda t: self.objective(build(t), self.samples)[0]
        return jax.jvp(jax.grad(loss), (theta,), (v,))[1]


class GaussNewtonProduct(eqx.Module):
    """The function v -> G v.

    Attributes:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.
    """

    objective: Objective
    model: PyTree[Any]
    samples: Mapping[str, Samples]

    def __call__(self, v: PyTree[Array]) -> PyTree[Array]:
        """Returns `J^T L J v`."""
        loss = lambda z: self.objective.loss(z, self.samples)[0]
        curve = lambda z, dz: jax.jvp(jax.grad(loss), (z,), (dz,))[1]
        return sandwich(self.objective, self.model, self.samples, curve, v)


class RestrictedProduct(eqx.Module):
    """The function of a part of v to that part of A v, or to A v.

    Attributes:
        operator: A.
        where: Which part.
        square: Whether rows are left out, too.
    """

    operator: lineax.AbstractLinearOperator
    where: Callable[[PyTree], PyTree]
    square: bool = eqx.field(static=True)

    def __call__(self, part: PyTree[Array]) -> PyTree[Array]:
        """Returns the product with a vector that is 0 elsewhere."""
        zero = lambda s: jnp.zeros(s.shape, s.dtype)
        whole = jax.tree.map(zero, self.operator.in_structure())
        found = self.operator.mv(eqx.tree_at(self.where, whole, part))
        return self.where(found) if self.square else found


def sandwich(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    middle: Callable[[PyTree, PyTree], PyTree],
    v: PyTree[Array],
) -> PyTree[Array]:
    """Returns `J^T middle(z, J v)`, J the derivative of the outputs z.

    Args:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.
        middle: `(z, dz) -> dz`, linear in dz.
        v: A tree like `core.trainable(model)[0]`.

    Returns:
        A tree like v.
    """
    theta, build = trainable(model)
    z, push = jax.linearize(lambda t: objective.outputs(build(t), samples), theta)
    return jax.linear_transpose(push, theta)(middle(z, push(v)))[0]


def operator_of(
    owner: str, product: Any, model: PyTree[Any], *, positive: bool
) -> lineax.FunctionLinearOperator:
    """Returns a symmetric operator on what is trained.

    Args:
        owner: Who asks.
        product: The function from v to the product with v.
        model: Any pytree.
        positive: Whether no eigenvalue is negative.

    Returns:
        An operator.

    Raises:
        ValueError: If nothing is trained.
    """
    structure = jax.eval_shape(lambda: trainable(model)[0])
    if not jax.tree.leaves(structure):
        raise ValueError(
            f"`{owner}`: the model has nothing that is trained; expected arrays of "
            "real numbers outside of `Fixed`. Look at `core.trainable(model)`."
        )
    tags = [lineax.symmetric_tag, *[lineax.positive_semidefinite_tag] * positive]
    return lineax.FunctionLinearOperator(
        product, structure, tags, closure_convert=False
    )


def tags_of(operator: lineax.AbstractLinearOperator) -> list[object]:
    """Returns what is known of an operator."""
    known = (
        (lineax.symmetric_tag, lineax.is_symmetric),
        (lineax.positive_semidefinite_tag, lineax.is_positive_semidefinite),
    )
    return [tag for tag, has in known if has(operator)]


def flat_product(
    operator: lineax.AbstractLinearOperator,
) -> tuple[Callable[[Float[Array, " P"]], Float[Array, " rows"]], int, Any]:
    """Returns an operator as a function of vectors, their size and type.

    Args:
        operator: Any operator.

    Returns:
        `(product, P, dtype)`.
    """
    zero = lambda s: jnp.zeros(s.shape, s.dtype)
    flat, unravel = ravel_pytree(jax.tree.map(zero, operator.in_structure()))
    product = lambda v: ravel_pytree(operator.mv(unravel(v)))[0]
    return product, flat.size, flat.dtype


@eqx.filter_jit
def _columns(operator: lineax.AbstractLinearOperator) -> Float[Array, "columns rows"]:
    product, size, dtype = flat_product(operator)

    def some(_: None, index: Array, present: Array) -> Any:
        unit = lambda i: jnp.zeros(size, dtype).at[i].set(1)
        return None, jax.vmap(lambda i: product(unit(i)))(index)

    return chunked(some, None, jnp.arange(size), size + operator.out_size())[1]


def losses_of(term: Term) -> list[Any]:
    """Returns the losses of a term: one for all, or one by name."""
    return list(term.loss.values()) if isinstance(term.loss, Mapping) else [term.loss]


def _is_convex(objective: Objective) -> bool:
    """Returns whether every loss is known to be convex in the prediction."""
    terms = objective.terms.values()
    return all(isinstance(loss, CONVEX) for term in terms for loss in losses_of(term))
