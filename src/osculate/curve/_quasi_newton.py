"""Self-scaled Broyden and BFGS methods in square-root form: the method for 1e-12.

The inverse Hessian estimate is `h = z z'`, which rounding cannot make indefinite: its
condition may reach 1e32 in double precision where that of a plain h ends at 1e16.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from osculate.core import Objective

from ._dense import refuse_large
from ._descent import flat_loss, nothing_left, stalled
from ._line_search import Found, line_search
from ._precision import refuse_precision

INSTEAD = "Use `train.lbfgs()` or `newton_cg()`, which keep vectors alone."

Scalar = Float[Array, ""]
Vector = Float[Array, " P"]


class QuasiNewtonState(NamedTuple):
    """What one step leaves to the next.

    Attributes:
        loss: At the parameters.
        gradient: There.
        root: z, the square root of the inverse Hessian estimate.
        image: `z' gradient`.
        direction: `-h gradient`.
        previous: The loss one step before; NaN if there is none.
        fresh: Whether z is the identity.
        resets: How often z became the identity again.
        stalled: Steps since the loss fell by more than rounding.
        converged: Whether nothing is left to gain on these samples.
    """

    loss: Scalar
    gradient: Vector
    root: Float[Array, "P P"]
    image: Vector
    direction: Vector
    previous: Scalar
    fresh: Bool[Array, ""]
    resets: Int[Array, ""]
    stalled: Int[Array, ""]
    converged: Bool[Array, ""]


class QuasiNewton(eqx.Module):
    """Dense quasi-Newton method of the self-scaled Broyden class.

    It wants all samples at once. Memory: P^2 numbers, three times in a fit; a step
    costs little more than one value and gradient up to P = 1,000, and O(P^2) beyond.

    Attributes:
        name: Of the method, for messages.
        scaling: Function `(excess, b, hh, first, P) -> (tau, sigma)`.
        dtype: The precision that the parameters must have.
        evaluations: At most so many per line search.
    """

    name: str = eqx.field(static=True)
    scaling: Callable[..., tuple[Scalar, Scalar]] = eqx.field(static=True)
    dtype: str = eqx.field(static=True)
    evaluations: int = eqx.field(static=True)

    def init(
        self, objective: Objective, model: PyTree[Any], samples: Any
    ) -> QuasiNewtonState:
        """Returns the state with the identity as inverse Hessian."""
        theta = flat_loss(objective, model, samples).theta
        refuse_precision(self.name, theta.dtype, self.dtype)
        refuse_large(self.name, (3, theta.size, theta.size), theta.dtype, INSTEAD)
        nothing = jnp.asarray(jnp.nan, theta.dtype)
        zero = jnp.asarray(0)
        state = QuasiNewtonState(
            loss=nothing,
            gradient=jnp.zeros_like(theta),
            root=jnp.eye(theta.size, dtype=theta.dtype),
            image=jnp.zeros_like(theta),
            direction=jnp.zeros_like(theta),
            previous=nothing,
            fresh=jnp.asarray(True),
            resets=zero,
            stalled=zero,
            converged=jnp.asarray(False),
        )
        return self.moved(objective, model, samples, state)

    def moved(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Any,
        state: QuasiNewtonState,
    ) -> QuasiNewtonState:
        """Takes value and gradient anew; keeps the curvature."""
        theta, _, loss_at = flat_loss(objective, model, samples)
        loss, gradient = jax.value_and_grad(loss_at)(theta)
        image = gradient @ state.root
        return state._replace(
            loss=loss,
            gradient=gradient,
            image=image,
            direction=-(state.root @ image),
            previous=jnp.full_like(loss, jnp.nan),
            stalled=jnp.zeros_like(state.stalled),
            converged=~jnp.isfinite(loss) | ~(gradient @ gradient > 0),
        )

    def step(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: Any,
        state: QuasiNewtonState,
    ) -> tuple[PyTree[Any], QuasiNewtonState]:
        """Takes one step along `-h gradient` and updates h."""
        theta, build, loss_at = flat_loss(objective, model, samples)
        found = line_search(
            jax.value_and_grad(loss_at),
            theta,
            state.direction,
            state.loss,
            state.gradient,
            _first_trial(state),
            self.evaluations,
        )
        after = _updated(state, found, self.scaling)
        return build(theta + found.step * state.direction), after

    def notes(self, state: QuasiNewtonState) -> dict[str, Array]:
        """Returns how often the curvature was given up, and whether it is done."""
        return {"resets": state.resets, "converged": state.converged}


def ssbroyden(*, dtype: str = "float64", evaluations: int = 20) -> QuasiNewton:
    """Returns the self-scaled Broyden method of Al-Baali and Khalfan.

    It reaches machine precision where first-order methods stop at 1e-3; for networks of
    up to some thousand parameters and smooth objectives.

    Reference: Al-Baali and Khalfan, Wide interval for efficient self-scaling
    quasi-Newton algorithms, Optim. Methods Softw. 20 (2005); used for physics-informed
    networks by Urban, Stefanou and Pons, J. Comput. Phys. 523 (2025). The square-root
    form is ours.

    Args:
        dtype: Precision of the parameters; `"float32"` says that a loss which stops at
            1e-7 of its first value is enough.
        evaluations: At most so many evaluations per line search.

    Returns:
        An Optimizer for `train.fit`. Its `init` refuses parameters whose matrix has no
        room in memory.
    """
    return QuasiNewton("ssbroyden", _broyden, dtype, evaluations)


def ssbfgs(
    *, scaled: bool = True, dtype: str = "float64", evaluations: int = 20
) -> QuasiNewton:
    """Returns the (self-scaled) BFGS method in square-root form (SPEC K4.7.16-22).

    Args:
        scaled: Whether the estimate is scaled by `min(1, y's / s'Hs)` before each
            update (Oren and Luenberger 1974, as bounded by Al-Baali 1998); without it
            this is BFGS.
        dtype: As for `ssbroyden`.
        evaluations: As for `ssbroyden`.

    Returns:
        An Optimizer for `train.fit`.
    """
    scaling = _scaled_bfgs if scaled else _bfgs
    return QuasiNewton("ssbfgs", scaling, dtype, evaluations)


def _first_trial(state: QuasiNewtonState) -> Scalar:
    """Repeats the last decrease; a unit length where no scale is known."""
    slope = state.gradient @ state.direction
    guess = 2.02 * (state.loss - state.previous) / slope
    unit = 1 / jnp.linalg.norm(state.gradient)
    guess = jnp.where(state.fresh, unit, guess)
    return jnp.where(guess > 0, jnp.minimum(1.0, guess), 1.0)


class _Plane(NamedTuple):
    """The update in coordinates of z, where it acts in the plane of y and s.

    Attributes:
        e1: Unit vector along `z'y`.
        e2: Unit vector along the rest of `z^-1 s`.
        z1: `z e1`.
        z2: `z e2`.
        corner: The lower Cholesky factor `(l11, l21, l22)` of the new 2 x 2 block.
        rest: What multiplies all directions outside the plane, `tau^(-1/2)`.
    """

    e1: Vector
    e2: Vector
    z1: Vector
    z2: Vector
    corner: tuple[Scalar, Scalar, Scalar]
    rest: Scalar


def _updated(
    state: QuasiNewtonState, found: Found, scaling: Callable[..., Any]
) -> QuasiNewtonState:
    """Returns the state at the point found: the new z and the direction there."""
    s, y = found.step * state.direction, found.gradient - state.gradient
    image = found.gradient @ state.root
    hg = state.root @ image
    plane, known = _plane(state, found, s, y, image, hg, scaling)
    e1, e2, z1, z2, (l11, l21, l22), c = plane
    # z <- z (c I + E (L - c I) E'), and its products with the gradient, in O(P^2) once.
    p1, p2 = (l11 - c) * z1 + l21 * z2, (l22 - c) * z2
    t1, t2 = e1 @ image, e2 @ image
    u1, u2 = (l11 - c) * t1 + l21 * t2, (l22 - c) * t2
    image = c * image + u1 * e1 + u2 * e2
    hg = c * (c * hg + u1 * z1 + u2 * z2) + p1 * (e1 @ image) + p2 * (e2 @ image)
    reset = ~found.moved | ~(hg @ found.gradient > 0)
    root = c * state.root + p1[:, None] * e1[None] + p2[:, None] * e2[None]
    eye = jnp.arange(s.size)[:, None] == jnp.arange(s.size)[None]
    stuck = stalled(state.loss, found.loss, state.stalled)
    return QuasiNewtonState(
        loss=found.loss,
        gradient=found.gradient,
        root=jnp.where(reset, eye.astype(root.dtype), root),
        image=jnp.where(reset, found.gradient, image),
        direction=-jnp.where(reset, found.gradient, hg),
        previous=jnp.where(found.moved, state.loss, jnp.nan),
        fresh=reset | (state.fresh & ~known),
        resets=state.resets + reset.astype(int),
        stalled=stuck,
        converged=(~found.moved & state.fresh) | nothing_left(found.gradient, stuck),
    )


def _plane(
    state: QuasiNewtonState,
    found: Found,
    s: Vector,
    y: Vector,
    image: Vector,
    hg: Vector,
    scaling: Callable[..., Any],
) -> tuple[_Plane, Bool[Array, ""]]:
    """Returns the update of z; the identity where the pair carries no curvature."""
    ys = y @ s
    tiny = jnp.finfo(ys.dtype).tiny
    hy = hg + state.direction  # since h times the old gradient is minus the direction
    ey, es = image - state.image, -found.step * state.image
    yhy = ey @ ey
    e1 = ey / jnp.sqrt(yhy)
    rest = es - (es @ e1) * e1
    length = jnp.linalg.norm(rest)
    excess = jnp.maximum(yhy * length**2 / ys**2, tiny)  # b hh - 1, not cancelled
    b, hh = (es @ es) / ys, yhy / ys
    tau, sigma = scaling(excess, b, hh, state.fresh, s.size)
    sound = jnp.isfinite(tau) & (tau > 0) & (sigma > 0) & jnp.isfinite(yhy)
    known = found.moved & (ys > tiny) & sound
    keep = lambda value, without: jnp.where(known, value, without)
    in_plane = lambda value: keep(jnp.where(length > 0, value, 0.0), 0.0)
    plane = _Plane(
        e1=keep(e1, 0.0),
        e2=in_plane(rest / length),
        z1=keep(hy / jnp.sqrt(yhy), 0.0),
        z2=in_plane((s - (ys / yhy) * hy) / length),
        corner=(
            keep(jnp.sqrt(ys / yhy), 0.0),
            keep(length / jnp.sqrt(ys), 0.0),
            keep(jnp.sqrt((1 + excess) / (sigma * tau)), 0.0),
        ),
        rest=keep(tau**-0.5, 1.0),
    )
    return plane, known


def _broyden(
    excess: Scalar, b: Scalar, hh: Scalar, first: Bool[Array, ""], size: int
) -> tuple[Scalar, Scalar]:
    """Scaling tau and `sigma = 1 + excess theta` of the self-scaled Broyden update.

    With `b = s'h^-1 s / y's`, `hh = y'h y / y's` and `excess = b hh - 1`.
    """
    c = jnp.sqrt(excess / (1 + excess))
    rho = jnp.minimum(1.0, hh * (1 - c))
    theta = jnp.maximum((rho - 1) / excess, jnp.minimum(1 / rho, (1 - b) / b))
    sigma = 1 + excess * theta
    power = jnp.abs(sigma) ** (1 / (1 - max(size, 2)))
    bound = jnp.minimum(1.0, 1 / b)
    convex = bound * jnp.minimum(power, 1 / theta)
    tau = jnp.where(theta <= 0, jnp.minimum(bound * power, sigma), convex)
    return jnp.where(first, hh / sigma, tau), sigma


def _scaled_bfgs(
    excess: Scalar, b: Scalar, hh: Scalar, first: Bool[Array, ""], size: int
) -> tuple[Scalar, Scalar]:
    one = jnp.ones_like(b)
    return jnp.where(first, hh, jnp.minimum(one, 1 / b)), one


def _bfgs(
    excess: Scalar, b: Scalar, hh: Scalar, first: Bool[Array, ""], size: int
) -> tuple[Scalar, Scalar]:
    return jnp.ones_like(b), jnp.ones_like(b)
