"""The covariance of the gradients of rows: the noise of stochastic gradients."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples, Term, trainable

from ._fisher import ScoresProduct, spread
from ._operators import operator_of


def gradient_covariance(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> lineax.FunctionLinearOperator:
    """Returns the covariance C of the gradient of one row, around that of the loss.

    A row is drawn with the probability that its weight gives it; one of every term,
    independently. The gradient of a minibatch of B such rows has the covariance
    `C / B`. Where weights differ by name or entry, the probability is the mean of their
    shares. Cost of a product: about one gradient.

    Args:
        objective: What is wanted; weights are 0 or more.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        A positive semidefinite operator on trees like `core.trainable(model)[0]`.

    Raises:
        ValueError: If nothing is trained.

    Example:
        >>> C = gradient_covariance(objective, model, samples)
        >>> noise = trace(C, key).value / batch_size
    """
    theta, build = trainable(model)
    z = objective.outputs(model, samples)
    scores, means = {}, []
    for label, term in objective.terms.items():
        known = samples[label]
        scores[label] = _scores(term, z[label], known)
        loss = lambda t, term=term, known=known: _loss(term, build(t), known)
        means.append(jax.grad(loss)(theta))
    second = ScoresProduct(objective, model, samples, scores)
    product = CovarianceProduct(second, means)
    return operator_of("gradient_covariance", product, model, positive=True)


class CovarianceProduct(eqx.Module):
    """The function from v to `M v` less that of the mean gradient of every term.

    Attributes:
        second: The second moment M.
        means: Gradients, one of every term.
    """

    second: ScoresProduct
    means: list[PyTree[Array]]

    def __call__(self, v: PyTree[Array]) -> PyTree[Array]:
        """Returns the product."""
        found = self.second(v)
        for mean in self.means:
            along = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, mean, v)))
            found = jax.tree.map(lambda f, m, a=along: f - a * m, found, mean)
        return found


def probabilities(
    term: Term, z: Mapping[str, Array], known: Samples
) -> Float[Array, " N"]:
    """Returns how likely each row is drawn: its mean share of the weights.

    Args:
        term: What is wanted.
        z: `term.outputs`.
        known: N points.

    Returns:
        Numbers of sum 1; 0 of rows that are absent altogether.
    """
    shares = Term(term.probe, term.loss).shares(z, known)
    rows = sum(jnp.sum(s.reshape(len(s), -1), 1) for s in shares.values())
    total = jnp.sum(rows)
    return rows / jnp.where(total > 0, total, 1)


def _scores(
    term: Term, z: Mapping[str, Array], known: Samples
) -> dict[str, Float[Array, "1 N ..."]]:
    """Returns the derivatives of rows' losses by z, over the root of probabilities."""
    of = lambda z, y, share: sum(term.loss_at(z, y, share).values())
    found = jax.vmap(jax.grad(of))(dict(z), known.y, term.shares(z, known))
    q = probabilities(term, z, known)
    scale = jnp.where(q > 0, 1 / jnp.sqrt(jnp.where(q > 0, q, 1)), 0)
    return {name: (spread(scale, g) * g)[None] for name, g in found.items()}


def _loss(term: Term, model: PyTree[Any], known: Samples) -> Float[Array, ""]:
    return sum(term.parts(term.outputs(model, known), known).values())  # pyright: ignore[reportReturnType]
