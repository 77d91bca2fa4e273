"""Random projections and noise on inputs, against what they are estimates of."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from osculate import match, nets, train
from osculate.core import Objective, Samples, trainable

N, D, M = 6, 3, 4
STUDENT = nets.MLP(D, M, width=6, depth=1, key=jr.key(0))
TEACHER = nets.MLP(D, M, width=7, depth=1, key=jr.key(1))
X = jr.normal(jr.key(2), (N, D))
DRAWS = 4000
FULL = Objective({"d": match.term(match.jacobians())})
dense = lambda u: jax.vmap(jax.jacrev(u))(X)
PARTS = {"directions": match.directional, "covectors": match.adjoint}


def gradient(objective, samples, model=STUDENT):
    loss = eqx.filter_value_and_grad(lambda m: objective(m, samples)[0])(model)
    return jnp.append(ravel_pytree(trainable(loss[1])[0])[0], loss[0])


@pytest.mark.spec("S1.3")
@pytest.mark.parametrize("kind", PARTS)
@pytest.mark.parametrize("stored", [False, True], ids=["teacher", "table"])
def test_projections_are_unbiased(kind, stored):
    """Loss and gradient have those of the full Jacobians as their means."""
    objective = Objective({"d": match.term(PARTS[kind]())})
    rows = Samples(X, {"jacobian": dense(TEACHER)} if stored else None)
    sampler = match.Projections("d", None if stored else TEACHER, **{kind: 2})
    one = lambda key: gradient(objective, sampler(objective, STUDENT, {"d": rows}, key))
    found = jax.jit(jax.vmap(one))(jr.split(jr.key(3), DRAWS))
    exact = gradient(FULL, {"d": Samples(X, {"jacobian": dense(TEACHER)})})
    error = np.std(found, axis=0, ddof=1) / DRAWS**0.5
    assert (np.abs(np.mean(found, axis=0) - exact) <= 4.5 * error + 1e-12).all()
    assert error[-1] < 0.05 * exact[-1]


def test_only_products_are_computed():
    objective = Objective({"d": match.term(match.adjoint())})
    sampler = match.Projections("d", TEACHER, covectors=1)

    def step(key):
        return gradient(objective, sampler(objective, STUDENT, {"d": Samples(X)}, key))

    shapes = str(jax.make_jaxpr(step)(jr.key(0)))
    assert f"{M},{D}]" not in shapes


def test_one_output_needs_one_covector():
    student, teacher = (lambda x, u=u: u(x)[:1] for u in (STUDENT, TEACHER))
    sampler = match.Projections("d", teacher, covectors=1)
    samples = sampler.first({"d": Samples(X)}, jr.key(0))
    found, _ = Objective({"d": match.term(match.adjoint())})(student, samples)
    off = np.sum(np.square(dense(student) - dense(teacher))) / 2 / N
    np.testing.assert_allclose(found, off, rtol=1e-12)


def test_scales():
    sampler = match.Projections(
        "d",
        TEACHER,
        directions=3,
        covectors=2,
        x_scale=jnp.array([1.0, 2.0, 4.0]),
        y_scale=0.5,
    )
    y = sampler.first({"d": Samples(X)}, jr.key(0))["d"].y
    signs = np.asarray(y["directions"]) / [1.0, 2.0, 4.0] * 3**0.5
    np.testing.assert_allclose(np.abs(signs), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.abs(y["covectors"]) * 0.5 * 2**0.5, 1.0, rtol=1e-12)
    J = dense(TEACHER)
    right = jnp.einsum("nmd,nkd->nkm", J, y["directions"])
    np.testing.assert_allclose(y["directional"], right, rtol=1e-10, atol=1e-12)


def test_the_penalty_needs_no_teacher():
    objective = Objective({"d": match.term(match.jacobian_norm(projected=True))})
    sampler = match.Projections("d", covectors=1, outputs=M)
    one = lambda key: objective(STUDENT, sampler.first({"d": Samples(X)}, key))[0]
    found = jax.jit(jax.vmap(one))(jr.split(jr.key(0), DRAWS))
    exact = np.sum(np.square(dense(STUDENT))) / 2 / N
    assert abs(found.mean() - exact) < 4.5 * found.std() / DRAWS**0.5


@pytest.mark.spec("S1.3")
def test_a_fit_with_fresh_projections_of_a_minibatch():
    x = jr.normal(jr.key(5), (64, D))
    term = match.term(match.values(), match.adjoint())
    objective = Objective({"d": term})
    value = jax.vmap(TEACHER)(x)
    weight = {"value": jnp.ones((64, M))}
    rows = {"d": train.pad(Samples(x, {"value": value}, weight))}
    batch = train.Minibatch(rows, 16)
    sampler = match.Projections("d", TEACHER, covectors=1, inner=batch)
    first = sampler.first(batch.first(), jr.key(6))
    adam = train.first_order(optax.adam, 1e-2)
    done = train.fit(
        objective, STUDENT, first, adam, steps=600, sampler=sampler, key=jr.key(7)
    )
    off = lambda u: float(np.mean(np.square(dense(u) - dense(TEACHER))))
    assert off(done.value) < 0.05 * off(STUDENT)


# --- noise ----------------------------------------------------------------------------

RELU = nets.MLP(2, 3, width=12, depth=2, activation="relu", key=jr.key(4))
TARGETS = jr.normal(jr.key(6), (8, 3))


def off_the_kinks(n):
    """Points around which, to the distance 0.05, the Jacobian is constant."""
    x = jr.normal(jr.key(5), (200, 2))
    angles = np.linspace(0, 2 * np.pi, 33)
    circle = 0.05 * jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    J = jax.vmap(jax.vmap(jax.jacrev(RELU)))(x[:, None] + circle[None])
    return x[np.ptp(np.asarray(J), axis=1).max(axis=(1, 2)) < 1e-12][:n]


POINTS = off_the_kinks(8)


@functools.partial(jax.jit, static_argnames="pairs")
def noise_gradients(sigma, pairs):
    """Gradients of the noisy loss less the clean one, over sigma^2, draw by draw.

    Draws come in pairs of opposite signs: odd orders cancel in each.
    """
    objective = Objective({"d": match.term(match.values())})
    loss = lambda x: gradient(objective, {"d": Samples(x, {"value": TARGETS})}, RELU)[
        :-1
    ]

    def pair(key):
        e = sigma * jr.normal(key, POINTS.shape)
        return (loss(POINTS + e) + loss(POINTS - e) - 2 * loss(POINTS)) / 2 / sigma**2

    return jax.lax.map(pair, jr.split(jr.key(7), pairs), batch_size=256)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.spec("S1.4", "S1.P2", "K3.4/d")
def test_noise_on_inputs_is_a_penalty_of_the_jacobian():
    """As gradients by the parameters, for a ReLU network and sigma to 0.

    The points lie off the kinks: small noise does not cross one. Where it
    does, they add a term of the same order.
    """
    penalty = Objective({"d": match.term(match.jacobian_norm())})
    wanted = np.asarray(gradient(penalty, {"d": Samples(POINTS)}, RELU)[:-1])
    found = {s: np.asarray(noise_gradients(s, 1920)) for s in (0.3, 0.003)}
    means = {s: g.mean(axis=0) for s, g in found.items()}
    cosines = [cosine(means[s], wanted) for s in (0.3, 0.003)]
    assert cosines[0] < 0.9
    assert cosines[-1] > 0.999
    error = found[0.003].std(axis=0, ddof=1) / 1920**0.5
    assert (np.abs(means[0.003] - wanted) < 4.5 * error + 1e-9).all()
    # The error of the mean falls with the root of the draws.
    blocks = lambda n: (
        found[0.003].reshape(-1, n, len(wanted)).mean(axis=1) - wanted[None]
    )
    off = [np.sqrt(np.mean(np.square(blocks(n)))) for n in (10, 160)]
    assert off[0] / off[1] == pytest.approx(4, rel=0.3)


@pytest.mark.spec("S1.7")
def test_noise_asks_the_teacher_anew():
    term = match.term(match.values(), match.jacobians())
    rows = match.taught(term, TEACHER, X)
    noise = match.InputNoise("d", rows, jnp.array([0.1, 0.2, 0.0]), term, TEACHER)
    moved = noise(Objective({"d": term}), STUDENT, {"d": rows}, jr.key(0))["d"]
    np.testing.assert_allclose(moved.y["value"], jax.vmap(TEACHER)(moved.x), rtol=1e-12)
    off = np.asarray(moved.x - X)
    assert (off[:, :2] != 0).all()
    assert (off[:, 2] == 0).all()
    blind = match.InputNoise("d", rows, 0.1)
    kept = blind(Objective({"d": term}), STUDENT, {"d": rows}, jr.key(0))["d"]
    assert kept.y is rows.y


@pytest.mark.spec("S0.6")
@pytest.mark.parametrize("kind", PARTS)
def test_unknown_slopes_do_not_count(kind):
    """Those of whole rows, of an input and of an output: the teacher stays perfect."""
    J = np.array(dense(TEACHER))
    known = np.ones(J.shape)
    known[3:] = 0
    known[:, :, 1] = known[:, :, 1] if kind == "directions" else 0
    known[:, 2] = 0 if kind == "directions" else known[:, 2]
    y = {"jacobian": np.where(known, J, 0.0), "value": jax.vmap(TEACHER)(X)}
    weight = {"value": np.ones((N, M)), "jacobian": jnp.asarray(known)}
    sampler = match.Projections("d", **{kind: 3})
    rows = sampler.first({"d": Samples(X, y, weight)}, jr.key(0))
    objective = Objective({"d": match.term(PARTS[kind]())})
    assert objective(TEACHER, rows)[0] < 1e-20
    assert objective(STUDENT, rows)[0] > 1e-3


def test_errors():
    with pytest.raises(ValueError, match="directions=0, covectors=0; expected one or"):
        match.Projections("d", TEACHER)
    sampler = match.Projections("d", covectors=1)
    with pytest.raises(ValueError, match="Pass outputs="):
        sampler.first({"d": Samples(X)}, jr.key(0))
