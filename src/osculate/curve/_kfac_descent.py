"""Descent with Kronecker-factored curvature, whose steps an exact product measures."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PyTree

from osculate.core import Objective, trainable

from ._descent import flat_loss, nothing_left, stalled
from ._kfac import kfac
from ._operators import flat_product, gauss_newton, linearized
from ._precision import refuse_precision

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]

EASE = 0.77  # (19/20)^5: Martens and Grosse change the damping by it every 5 steps
WORSE = 4.0  # factor of the damping after a step that was not taken
LEAST, MOST = 1e-12, 1e6  # of the damping, in units of the mean curvature


class KfacState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        update: The last step, `(P,)`; 0 where it was not taken.
        damping: In units of the mean eigenvalue of the curvature.
        step_size: Multiple of the preconditioned gradient in the last step.
        momentum: Multiple of the step before it.
        stalled: Steps since the loss fell by more than rounding.
        converged: Whether nothing is left to gain on these samples.
    """

    update: Vector
    damping: Scalar
    step_size: Scalar
    momentum: Scalar
    stalled: Int[Array, ""]
    converged: Bool[Array, ""]


class KfacDescent(eqx.Module):
    """Steps in the plane of a preconditioned gradient and the last step.

    Attributes:
        damping: The first one, in units of the mean eigenvalue of the curvature.
        dtype: The precision that the parameters must have.
    """

    damping: Scalar
    dtype: str = eqx.field(static=True)

    def init(self, objective: Objective, model: PyTree[Any], samples: Any) -> KfacState:
        """Returns the state before the first step."""
        theta = flat_loss(objective, model, samples).theta
        refuse_precision("kfac_descent", theta.dtype, self.dtype)
        zero = jnp.zeros((), theta.dtype)
        return KfacState(
            update=jnp.zeros_like(theta),
            damping=self.damping.astype(theta.dtype),
            step_size=zero,
            momentum=zero,
            stalled=jnp.asarray(0),
            converged=jnp.asarray(False),
        )

    def moved(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: KfacState
    ) -> KfacState:
        """Keeps damping and momentum, which hold no values at the old points."""
        return state._replace(
            stalled=jnp.zeros_like(state.stalled),
            converged=jnp.zeros_like(state.converged),
        )

    def step(
        self, objective: Objective, model: PyTree[Any], samples: Any, state: KfacState
    ) -> tuple[PyTree[Any], KfacState]:
        """Tries one step; where the loss rises, only the damping changes."""
        theta, build, loss_at = flat_loss(objective, model, samples)
        loss, gradient = jax.value_and_grad(loss_at)(theta)
        factored = kfac(objective, model, samples)
        damping = state.damping * factored.trace() / factored.in_size()
        _, unravel = ravel_pytree(trainable(model)[0])
        natural = factored.inverse(damping).mv(unravel(gradient))
        directions = jnp.stack([-ravel_pytree(natural)[0], state.update])
        mv, _, _ = flat_product(linearized(gauss_newton(objective, model, samples)))
        share, promised = _best(
            directions, gradient, jax.vmap(mv)(directions) + damping * directions
        )
        update = share @ directions
        after = loss_at(theta + update)
        accepted = (after < loss) & (promised > 0) & jnp.isfinite(after)
        taken = jnp.where(accepted, update, 0.0)
        stuck = stalled(loss, jnp.where(accepted, after, loss), state.stalled)
        gain = jnp.where(accepted, (loss - after) / promised, 0.0)
        following = KfacState(
            update=taken,
            damping=jnp.clip(state.damping * _factor(gain, accepted), LEAST, MOST),
            step_size=share[0],
            momentum=share[1],
            stalled=stuck,
            converged=nothing_left(gradient, stuck),
        )
        return build(theta + taken), following

    def notes(self, state: KfacState) -> dict[str, Array]:
        """Returns the damping, both multiples of the last step, and whether it ends."""
        return {
            "damping": state.damping,
            "step_size": state.step_size,
            "momentum": state.momentum,
            "converged": state.converged,
        }


def _best(
    directions: Float[Array, "2 P"], gradient: Vector, images: Float[Array, "2 P"]
) -> tuple[Float[Array, " 2"], Scalar]:
    """Returns the minimum of the quadratic model in a plane, and how far down it is.

    Martens and Grosse, section 7. Without a last step, or with one along the new
    direction, the plane is a line; without positive curvature the step is the first
    direction itself.
    """
    A, b = directions @ images.T, directions @ gradient
    A = (A + A.T) / 2
    across = A[0, 1]
    determinant = A[0, 0] * A[1, 1] - across**2
    epsilon = jnp.finfo(b.dtype).eps
    plane = determinant > 1e3 * epsilon * A[0, 0] * A[1, 1]
    safe = jnp.where(plane, determinant, 1.0)
    both = jnp.stack([across * b[1] - A[1, 1] * b[0], across * b[0] - A[0, 0] * b[1]])
    bent = A[0, 0] > 0
    line = jnp.where(bent, -b[0] / jnp.where(bent, A[0, 0], 1.0), 1.0)
    alone = jnp.stack([line, jnp.zeros_like(line)])
    share = jnp.where(plane & bent & (A[1, 1] > 0), both / safe, alone)
    return share, -(b @ share) - 0.5 * share @ A @ share


def _factor(gain: Scalar, accepted: Bool[Array, ""]) -> Scalar:
    """Changes the damping by how much of the promised decrease came (section 6.5)."""
    eased = jnp.where(gain > 0.75, EASE, jnp.where(gain < 0.25, 1 / EASE, 1.0))
    return jnp.where(accepted, eased, WORSE)


def kfac_descent(damping: float = 0.1, *, dtype: str = "float64") -> KfacDescent:
    """Returns descent preconditioned by the Kronecker-factored curvature of layers.

    The gradient is multiplied by `kfac(...).inverse(damping)`, in whose metric a step
    is a natural gradient one where the losses are likelihoods (SPEC K4.6/a). How far to
    go along it, and how far along the last step, is asked of the quadratic model with
    exact products; the damping then rises or falls by how well that model foretold the
    loss. For networks whose matrices by P or R are too large, on all samples or on
    minibatches, and for losses of any kind.

    Cost of a step: the factors and their inverses (one evaluation, as many reverse
    passes as a row has outputs, a cubic of each layer's width), one gradient, two
    products with the Gauss-Newton matrix and one value.

    Reference: Martens and Grosse, Optimizing neural networks with Kronecker-factored
    approximate curvature, 2015, arXiv:1503.05671, sections 6.4, 6.5 and 7; the rejected
    steps and the units of the damping are ours.

    Args:
        damping: The first one, in units of the mean eigenvalue of the curvature.
        dtype: Precision of the parameters; `"float32"` says that a loss which stops at
            1e-7 of its first value is enough.

    Returns:
        An Optimizer for `train.fit`.

    Raises:
        ValueError: If the damping is not positive.

    Example:
        >>> method = kfac_descent(dtype="float32")
        >>> found = osculate.train.fit(objective, model, samples, method, steps=3)
        >>> first, *_, last = found.history["loss"]
        >>> bool(last < first)
        True
    """
    if not damping > 0:
        raise ValueError(
            f"`kfac_descent`: damping={damping}; expected a positive number. Begin "
            "with 0.1; it adapts."
        )
    return KfacDescent(jnp.asarray(float(damping)), dtype)
