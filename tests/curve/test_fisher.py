"""Fisher information by every route, and how the empirical matrix differs."""

from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from curvature import NAMES, PROBLEMS, X, dense_gauss_newton, flat, net, tree, value
from osculate import chance, curve
from osculate.core import Gaussian, Objective, Samples, Term
from osculate.curve._labels import information, labels

RNG = np.random.default_rng(3)
close = lambda a, b, atol=1e-10: np.testing.assert_allclose(a, b, rtol=0, atol=atol)
vector = lambda v: ravel_pytree(v)[0]
relative = lambda a, b: float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b))

LOSSES = {
    "gaussian": (Gaussian(0.6), (2,)),
    "gaussian by entry": (Gaussian(jnp.asarray([0.5, 2.0])), (2,)),
    "bernoulli": (chance.BernoulliLoss(), (2,)),
    "categorical": (chance.CategoricalLoss(), (3,)),
    "smoothed": (chance.CategoricalLoss(0.2), (3,)),
    "cauchy": (chance.CauchyLoss(0.6), (2,)),
    "heteroscedastic": (chance.HeteroscedasticLoss(), (2,)),
    "huber": (chance.HuberLoss(0.8, 1.5), (2,)),
    "laplace": (chance.LaplaceLoss(0.6), (2,)),
    "ordinal": (chance.OrdinalLoss(jnp.asarray([-0.7, 0.2, 1.5])), (2,)),
    "poisson": (chance.PoissonLoss(), (2,)),
    "student": (chance.StudentTLoss(3.0, 0.6), (2,)),
    "power": (chance.PowerLoss(3.0, 1.5), (2,)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_covariance_of_the_score_of_drawn_labels(name):
    """The labels follow the law whose information is told, for every likelihood."""
    loss, shape = LOSSES[name]
    z = jnp.asarray(RNG.normal(size=shape))
    draw = lambda key: jax.grad(loss)(z, labels(loss, z, key))
    if name == "smoothed":  # the law is that of the logits, whatever the targets
        draw = lambda key: jax.grad(chance.CategoricalLoss())(z, labels(loss, z, key))
    g = jax.jit(jax.vmap(draw))(jr.split(jr.key(0), 20_000))
    exact = jax.vmap(lambda e: information(loss, z, None, e))(jnp.eye(z.size))
    outer = g[:, :, None] * g[:, None, :]
    error = np.std(outer, 0) / len(g) ** 0.5
    assert np.all(np.abs(np.mean(outer, 0) - exact) < 4.5 * error + 1e-12)
    assert np.all(np.abs(np.mean(g, 0)) < 4.5 * np.std(g, 0) / len(g) ** 0.5 + 1e-12)


@pytest.mark.spec("K4.6.16")
@pytest.mark.parametrize("name", NAMES)
def test_exact_fisher_is_gauss_newton_of_exponential_families(name):
    F = curve.fisher(*PROBLEMS[name])
    close(curve.dense(F), dense_gauss_newton(name))
    assert lineax.is_positive_semidefinite(F)


def softmax_regression(rows, key=0, scale=1.0):
    """A linear softmax model, with labels that have nothing to do with it."""
    first, second, third = jr.split(jr.key(key), 3)
    probe = lambda W, x, y: W @ x
    W = scale * jr.normal(first, (3, 4))
    x = jr.normal(second, (rows, 4))
    objective = Objective({"": Term(probe, chance.CategoricalLoss())})
    return objective, W, {"": Samples(x, jr.randint(third, (rows,), 0, 3))}


@pytest.mark.spec("K4.6.16")
def test_fisher_of_a_linear_softmax_is_its_hessian():
    problem = softmax_regression(12)
    F, H = curve.dense(curve.fisher(*problem)), curve.dense(curve.hessian(*problem))
    close(F, H, 1e-15)
    # Sampled from the data, as the source has it (E32), it is another matrix.
    assert relative(curve.dense(curve.empirical_fisher(*problem)), H) > 0.5


@pytest.mark.spec("K4.6.18")
def test_the_empirical_matrix_is_not_the_fisher_matrix():
    problem = softmax_regression(12, scale=2.0)
    F, E = (curve.dense(f(*problem)) for f in (curve.fisher, curve.empirical_fisher))
    _, W, samples = problem
    one = lambda x, y: vector(jax.grad(lambda W: chance.CategoricalLoss()(W @ x, y))(W))
    g = jax.vmap(one)(samples[""].x, samples[""].y)
    close(E, g.T @ g / len(g), 1e-14)
    assert np.linalg.eigvalsh(E)[0] > -1e-14
    assert relative(E, F) > 1.0


@pytest.mark.spec("K4.6.18")
def test_they_agree_where_the_model_is_right():
    gaps = []
    for rows in (100, 10_000):
        objective, W, samples = softmax_regression(rows)
        x = samples[""].x
        y = jr.categorical(jr.key(9), x @ W.T)
        problem = objective, W, {"": Samples(x, y)}
        F, E = (
            curve.dense(f(*problem)) for f in (curve.fisher, curve.empirical_fisher)
        )
        gaps.append(relative(E, F))
    assert gaps[1] < 0.05 < gaps[0]
    assert gaps[1] < gaps[0] / 4  # a tenth is expected of 100 times the rows


def test_at_a_perfect_fit_the_empirical_matrix_is_zero():
    model = net(1)
    samples = {"": Samples(X, jax.vmap(model)(X))}
    objective = Objective({"": Term(value)})
    v = tree(curve.fisher(objective, model, samples))
    close(vector(curve.empirical_fisher(objective, model, samples).mv(v)), 0.0, 1e-14)
    F = vector(curve.fisher(objective, model, samples).mv(v))
    assert jnp.linalg.norm(F) > 0.1


def test_true_labels_do_not_enter():
    objective, model, samples = PROBLEMS["poisson"]
    other = {"count": eqx.tree_at(lambda s: s.y, samples["count"], replace_fn=jnp.flip)}
    for key in (None, jr.key(0)):
        F, G = (curve.fisher(objective, model, s, key=key) for s in (samples, other))
        close(vector(F.mv(tree(F))), vector(G.mv(tree(F))), 0.0)
    E, D = (curve.empirical_fisher(objective, model, s) for s in (samples, other))
    assert jnp.max(jnp.abs(vector(E.mv(tree(E))) - vector(D.mv(tree(E))))) > 1e-2


def test_a_loss_without_curvature_has_information():
    objective = Objective({"": Term(value, chance.LaplaceLoss(0.5))})
    problem = objective, net(1), {"": Samples(X, jnp.zeros((len(X), 1)))}
    F, G = curve.fisher(*problem), curve.gauss_newton(*problem)
    close(vector(G.mv(tree(F))), 0.0, 0.0)
    squares = Objective({"": Term(value, Gaussian(0.5))})
    expected = curve.fisher(squares, *problem[1:])
    close(vector(F.mv(tree(F))), vector(expected.mv(tree(F))), 1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_drawn_labels_estimate_it_without_bias(name):
    F = curve.fisher(*PROBLEMS[name])
    v = tree(F)

    @jax.jit
    @jax.vmap
    def square(key):
        drawn = curve.fisher(*PROBLEMS[name], key=key, draws=2)
        return jnp.vdot(vector(v), vector(drawn.mv(v)))

    found = square(jr.split(jr.key(5), 2000))
    exact = jnp.vdot(vector(v), vector(F.mv(v)))
    assert abs(np.mean(found) - exact) < 4.5 * np.std(found) / 2000**0.5
    assert np.min(found) >= 0
    assert np.std(found) > 1e-3 * exact


def test_more_draws_come_closer_and_one_key_is_one_operator():
    problem = PROBLEMS["categorical"]
    exact = dense_gauss_newton("categorical")
    few, many = (
        curve.dense(curve.fisher(*problem, key=jr.key(1), draws=n)) for n in (1, 400)
    )
    assert relative(many, exact) < relative(few, exact) / 8  # 20 is expected
    assert relative(many, exact) < 0.2
    assert np.linalg.matrix_rank(few, tol=1e-12) <= len(X)
    again = curve.fisher(*problem, key=jr.key(1))
    close(curve.dense(again), few, 0.0)


def likelihood(W, x):
    """Log-probabilities of all classes for all rows."""
    return jax.nn.log_softmax(x @ W.reshape(3, 4).T)


@pytest.mark.spec("K2.3.7")
def test_three_routes_to_the_fisher_matrix():
    objective, W, samples = softmax_regression(6)
    x, theta = samples[""].x, W.ravel()
    p = jnp.exp(likelihood(theta, x))

    def divergence(t):
        gap = likelihood(theta, x) - likelihood(t, x)
        return jnp.mean(jnp.sum(p * gap, 1))

    scores = jax.jacobian(likelihood)(theta, x)
    curved = jax.hessian(likelihood)(theta, x)
    routes = {
        "Hessian of the divergence": jax.hessian(divergence)(theta),
        "covariance of the score": jnp.einsum("nc,nci,ncj", p, scores, scores) / 6,
        "minus mean Hessian": -jnp.einsum("nc,ncij", p, curved) / 6,
    }
    F = curve.dense(curve.fisher(objective, W, samples))
    for found in routes.values():
        close(found, F)
    # Positive semidefinite only: a shift of all logits changes nothing (E13) ...
    shift = jnp.tile(jnp.ones(4), 3)
    close(F @ shift, 0.0, 1e-15)
    assert np.linalg.eigvalsh(F)[0] > -1e-15
    # ... and only here: elsewhere the divergence has another Hessian (E13).
    there = theta + 0.5 * jnp.sin(jnp.arange(12.0))
    assert relative(jax.hessian(divergence)(there), F) > 0.05


@pytest.mark.spec("K2.3.7")
def test_fisher_matrix_of_the_softmax_itself():
    z = jnp.asarray([0.3, -1.0, 0.8, 0.1])
    objective = Objective({"": Term(lambda z, x, y: z, chance.CategoricalLoss())})
    F = curve.dense(curve.fisher(objective, z, {"": Samples(jnp.zeros((1, 1)))}))
    p = jax.nn.softmax(z)
    close(F, jnp.diag(p) - jnp.outer(p, p), 1e-15)
    close(F, chance.fisher_metric(jax.nn.log_softmax, z), 1e-15)


@pytest.mark.spec("K4.6.14-15")
def test_divergence_to_a_neighbour_is_half_the_square_of_the_step():
    objective, model, samples = PROBLEMS["categorical"]
    samples = {"class": Samples(samples["class"].x)}
    theta, build = flat(model)
    log_p = jax.jit(lambda t: jax.nn.log_softmax(jax.vmap(build(t))(X)))
    F = curve.fisher(objective, model, samples)
    d = tree(F)
    d = jax.tree.map(lambda a: a / jnp.linalg.norm(vector(d)), d)
    quadratic = 0.5 * jnp.vdot(vector(d), vector(F.mv(d)))

    def remainder(s):
        moved, here = log_p(theta + s * vector(d)), log_p(theta)
        kl = jnp.mean(jnp.sum(jnp.exp(moved) * (moved - here), 1))
        assert abs(kl / (s**2 * quadratic) - 1) < 20 * s
        return kl - s**2 * quadratic

    found = [float(remainder(s)) for s in (4e-2, 2e-2, 1e-2)]
    for larger, smaller in pairwise(found):
        np.testing.assert_allclose(larger / smaller, 8, rtol=0.1)  # cubic


def test_jit_vmap_and_grad():
    objective, model, samples = PROBLEMS["categorical"]
    theta, build = flat(model)
    v = tree(curve.fisher(objective, model, samples))

    def square(s):
        moved = build(theta + s * vector(v))
        F = curve.fisher(objective, moved, samples)
        return jnp.vdot(vector(v), vector(F.mv(v)))

    points = jnp.asarray([-1e-4, 0.0, 1e-4])
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(square)))(points)
    # Central differences of step 1e-4.
    np.testing.assert_allclose(slopes[1], (values[2] - values[0]) / 2e-4, rtol=1e-4)


def test_losses_without_a_likelihood_are_refused():
    square = lambda z, y, w=1.0: jnp.sum(w * (z - y) ** 4)
    objective = Objective({"": Term(value, square)})
    problem = objective, net(1), {"": Samples(X, jnp.zeros((len(X), 1)))}
    for key in (None, jr.key(0)):
        with pytest.raises(TypeError, match="no likelihood is known behind the loss"):
            curve.fisher(*problem, key=key)
    E = curve.empirical_fisher(*problem)
    assert jnp.all(jnp.isfinite(vector(E.mv(tree(E)))))
    with pytest.raises(ValueError, match="draws is 0; expected 1 or more"):
        curve.fisher(*PROBLEMS["poisson"], key=jr.key(0), draws=0)
