"""Fisher information of a model: exact, from drawn labels, and the empirical matrix."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from osculate.core import Objective, Samples, Term

from ._labels import has_likelihood, information, labels, unknown
from ._operators import losses_of, operator_of, sandwich

Outputs = Mapping[str, Mapping[str, Array]]


def fisher(
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    *,
    key: PRNGKeyArray | None = None,
    draws: int = 1,
) -> lineax.FunctionLinearOperator:
    """Returns the Fisher information F of the model: inputs of data, labels of its own.

    It is the covariance of the score of labels that the likelihoods themselves give at
    the predictions, averaged over the rows as the loss is; the true labels do not
    enter. It is also the Hessian of the divergence from the model here to the models
    around it. Cost of a product: about one gradient, and one more per draw.

    Args:
        objective: What is wanted. Its losses are `core.Gaussian` or of `chance`;
            weights are 0 or more.
        model: Any pytree.
        samples: Samples for every label; what `y` holds does not matter.
        key: A random key: labels are drawn, and F is estimated without bias by the mean
            of the outer products of the scores of rows. None: F is exact.
        draws: Labels per row, where they are drawn. The draws are those of the key, and
            the same in all products.

    Returns:
        A positive semidefinite operator on trees like `core.trainable(model)[0]`.

    Raises:
        TypeError: If no likelihood is known to stand behind a loss.
        ValueError: If nothing is trained, or draws is not positive.

    Reference: Martens (2020), New insights and perspectives on the natural gradient
        method, section 5; SPEC K4.6.16.

    Example:
        >>> F = fisher(objective, model, samples)
        >>> estimate = fisher(objective, model, samples, key=jr.key(0), draws=8)
    """
    for term in objective.terms.values():
        for loss in losses_of(term):
            if not has_likelihood(loss):
                raise unknown(loss)
    if key is None:
        product = FisherProduct(objective, model, samples)
        return operator_of("fisher", product, model, positive=True)
    if draws < 1:
        raise ValueError(f"`fisher`: draws is {draws}; expected 1 or more.")
    z = objective.outputs(model, samples)

    def draw(key: PRNGKeyArray) -> Outputs:
        return scores_of(objective, samples, z, _drawn(objective, z, key))

    scores = jax.vmap(draw)(jr.split(key, draws))
    scores = jax.tree.map(lambda s: s / draws**0.5, scores)
    product = ScoresProduct(objective, model, samples, scores)
    return operator_of("fisher", product, model, positive=True)


def empirical_fisher(
    objective: Objective, model: PyTree[Any], samples: Mapping[str, Samples]
) -> lineax.FunctionLinearOperator:
    """Returns the mean outer product of the gradients of rows: NOT the Fisher matrix.

    Warning:
        The labels are those of the data, where the Fisher information takes labels from
        the model: `fisher`. Both agree only where the model is right, and then only in
        the limit of many rows. Elsewhere this matrix knows nothing of the curvature:
        at a perfect fit it is 0, and far from one it is large where errors are, not
        where the loss is steep. As a preconditioner it can be worse than none.

    Cost of a product: about one gradient.

    Args:
        objective: What is wanted; weights are 0 or more.
        model: Any pytree.
        samples: Samples for every label.

    Returns:
        A positive semidefinite operator on trees like `core.trainable(model)[0]`, of
        the rank of the number of rows at most.

    Raises:
        ValueError: If nothing is trained.

    Reference: Kunstner, Balles and Hennig (2019), Limitations of the empirical Fisher
        approximation, eq. 3; SPEC K4.6.18.

    Example:
        >>> E = empirical_fisher(objective, model, samples)
    """
    z = objective.outputs(model, samples)
    given = {label: samples[label].y for label in objective.terms}
    scores = scores_of(objective, samples, z, given)
    alone = jax.tree.map(lambda s: s[None], scores)
    product = ScoresProduct(objective, model, samples, alone)
    return operator_of("empirical_fisher", product, model, positive=True)


class FisherProduct(eqx.Module):
    """The function v -> F v.

    Attributes:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.
    """

    objective: Objective
    model: PyTree[Any]
    samples: Mapping[str, Samples]

    def __call__(self, v: PyTree[Array]) -> PyTree[Array]:
        """Returns `J^T F_z J v`, F_z the information by the outputs."""

        def middle(z: Outputs, dz: Outputs) -> Outputs:
            return {
                label: _informed(term, z[label], self.samples[label], dz[label])
                for label, term in self.objective.terms.items()
            }

        return sandwich(self.objective, self.model, self.samples, middle, v)


class ScoresProduct(eqx.Module):
    """The function from v to the sum of `g (g . v)` over rows and draws.

    Attributes:
        objective: What is wanted.
        model: Any pytree.
        samples: Samples for every label.
        scores: Derivatives by the outputs, by label and name: `(draws, N, ...)`. Pulled
            back to the parameters they are the vectors g.
    """

    objective: Objective
    model: PyTree[Any]
    samples: Mapping[str, Samples]
    scores: Outputs

    def __call__(self, v: PyTree[Array]) -> PyTree[Array]:
        """Returns the product."""

        def middle(z: Outputs, dz: Outputs) -> Outputs:
            return {label: _outer(self.scores[label], dz[label]) for label in z}

        return sandwich(self.objective, self.model, self.samples, middle, v)


def scores_of(
    objective: Objective,
    samples: Mapping[str, Samples],
    z: Outputs,
    given: Mapping[str, Any],
) -> Outputs:
    """Returns the derivative of the losses by the outputs, times the root of the share.

    Args:
        objective: What is wanted.
        samples: Samples for every label: their weights count.
        z: `objective.outputs`.
        given: What is known, by label: it takes the place of `y`.

    Returns:
        Arrays like z.
    """

    def of(term: Term, z: Mapping[str, Array], known: Samples, y: Any) -> Any:
        def one(z: Mapping[str, Array], y: Any, share: Mapping[str, Array]) -> Any:
            even = jax.tree.map(jnp.ones_like, share)
            g = jax.grad(lambda z: sum(term.loss_at(z, y, even).values()))(z)
            return {
                name: spread(jnp.sqrt(share[name]), g[name]) * g[name] for name in g
            }

        return jax.vmap(one)(dict(z), y, term.shares(z, known))

    return {
        label: of(term, z[label], samples[label], given[label])
        for label, term in objective.terms.items()
    }


def spread(scale: Float[Array, "..."], z: Float[Array, "..."]) -> Float[Array, "..."]:
    """Returns a scale of the leading axes of z with as many axes as z."""
    return scale.reshape(scale.shape + (1,) * (z.ndim - scale.ndim))


def _informed(
    term: Term, z: Mapping[str, Array], known: Samples, dz: Mapping[str, Array]
) -> dict[str, Array]:
    share = term.shares(z, known)

    def part(name: str) -> Array:
        of = lambda z, dz: information(_loss(term, name), z, None, dz)
        return spread(share[name], z[name]) * jax.vmap(of)(z[name], dz[name])

    return {name: part(name) for name in z}


def _outer(
    scores: Mapping[str, Float[Array, "draws N ..."]], dz: Mapping[str, Array]
) -> dict[str, Array]:
    """Returns the sum over draws of every row's score times its product with dz."""
    inner = lambda s, dz: jnp.sum((s * dz[None]).reshape(*s.shape[:2], -1), -1)
    parts = [inner(scores[name], dz[name]) for name in dz]
    along = jnp.sum(jnp.stack(parts), 0)
    return {name: jnp.sum(spread(along, s) * s, 0) for name, s in scores.items()}


def _drawn(objective: Objective, z: Outputs, key: PRNGKeyArray) -> dict[str, Any]:
    """Returns labels of the model for all rows, by label and name."""

    def rows(loss: Any, z: Array, key: PRNGKeyArray) -> Array:
        return jax.vmap(lambda z, k: labels(loss, z, k))(z, jr.split(key, len(z)))

    return {
        label: {
            name: rows(_loss(term, name), z[label][name], jr.fold_in(fold, i))
            for i, name in enumerate(z[label])
        }
        for (label, term), fold in zip(
            objective.terms.items(), jr.split(key, len(z)), strict=True
        )
    }


def _loss(term: Term, name: str) -> Any:
    return term.loss[name] if isinstance(term.loss, Mapping) else term.loss
