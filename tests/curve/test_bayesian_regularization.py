"""Levels found by their evidence: closed forms of linear models, noise, few rows."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import core, curve, match, nets, train
from osculate.curve._bayesian_regularization import _posterior, evidence

LABEL = "fit"
STEPS = 1200


def linear(model, x):
    return jnp.stack([x[0] * model["a"] @ x, jnp.sum(model["b"] * x**3)])


class Linear(dict):
    def __call__(self, x):
        return linear(self, x)


jax.tree_util.register_pytree_node(
    Linear, lambda m: ((m["a"], m["b"]), None), lambda _, ab: Linear(a=ab[0], b=ab[1])
)


@pytest.fixture(scope="module")
def problem():
    """A model linear in its weights, with noise of two sizes: values and slopes."""
    key = jr.split(jr.key(1), 3)
    model = Linear(a=jnp.array([0.5, -1.0, 2.0]), b=jnp.array([0.3, 0.1, -0.2]))
    x = jr.normal(key[0], (25, 3))
    value, slopes = jax.vmap(lambda p: (model(p), jax.jacfwd(model)(p)))(x)
    y = {
        "value": value + 0.3 * jr.normal(key[1], value.shape),
        "jacobian": slopes + 0.05 * jr.normal(key[2], slopes.shape),
    }
    objective = core.Objective({LABEL: match.term(match.values(), match.jacobians())})
    return objective, model, {LABEL: core.Samples(x, y)}


def marginal(samples, sigma, precision):
    """Log density of the data with the weights integrated out, by dense algebra."""
    x, y = samples[LABEL].x, samples[LABEL].y
    zero = Linear(a=jnp.zeros(3), b=jnp.zeros(3))
    theta, build = core.flatten(zero)
    parts = lambda t: jax.vmap(lambda p: (build(t)(p), jax.jacfwd(build(t))(p)))(x)
    Phi = [J.reshape(-1, theta.size) for J in jax.jacfwd(parts)(theta)]
    Phi = jnp.concatenate(Phi)
    noise = jnp.concatenate(
        [
            jnp.full(y["value"].size, sigma["value"] ** 2),
            jnp.full(y["jacobian"].size, sigma["jacobian"] ** 2),
        ]
    )
    prior = jnp.repeat(1 / precision, 3)
    cov = jnp.diag(noise) + (Phi * prior[None]) @ Phi.T
    data = jnp.concatenate([y["value"].ravel(), y["jacobian"].ravel()])
    logdet = jnp.linalg.slogdet(cov)[1]
    return -0.5 * (data @ jnp.linalg.solve(cov, data) + logdet)


def best_weights(problem, sigma, precision):
    objective, model, samples = problem
    posterior, known = _posterior(objective, model, samples, {LABEL: sigma}, precision)
    return train.fit(
        posterior, model, known, curve.levenberg_marquardt(), steps=60
    ).value


def test_the_evidence_of_a_linear_model_is_its_marginal_likelihood(problem):
    objective, _, samples = problem
    found, exact = [], []
    for value, slope, a, b in [(0.3, 0.05, 1.0, 3.0), (0.6, 0.02, 0.1, 8.0)]:
        sigma = {"value": jnp.array(value), "jacobian": jnp.array(slope)}
        precision = jnp.array([a, b])
        model = best_weights(problem, sigma, precision)
        levels = {LABEL: sigma}
        got = evidence(objective, model, samples, levels, precision)
        found.append(float(got.log_evidence))
        exact.append(float(marginal(samples, sigma, precision)))
    assert found[1] - found[0] == pytest.approx(exact[1] - exact[0], rel=1e-9)
    assert found[0] == pytest.approx(exact[0], rel=1e-9)


@pytest.mark.slow
def test_levels_end_where_the_marginal_likelihood_is_largest(problem):
    objective, model, samples = problem
    optimizer = curve.bayesian_regularization(every=5, least=1e-8)
    result = train.fit(objective, model, samples, optimizer, steps=1000, every=20)
    assert result.status is core.Status.CONVERGED
    last = {name: column[-1] for name, column in result.history.items()}
    sigma = {n: last[f"sigma {LABEL}.{n}"] for n in ("value", "jacobian")}
    # Two thirds of the noise are known to 10 %: 50 values, 150 slopes.
    assert sigma["value"] == pytest.approx(0.3, rel=0.25)
    assert sigma["jacobian"] == pytest.approx(0.05, rel=0.15)
    assert last["effective"] == pytest.approx(6, abs=0.1)
    theta = result.value
    # With all weights determined, the precision is their number over their square.
    precision = jnp.array([3 / jnp.sum(theta["a"] ** 2), 3 / jnp.sum(theta["b"] ** 2)])
    at = lambda v: marginal(
        samples, {"value": jnp.exp(v[0]), "jacobian": jnp.exp(v[1])}, jnp.exp(v[2:])
    )
    levels = jnp.log(jnp.array([sigma["value"], sigma["jacobian"], *precision]))
    slope = jax.grad(at)(levels)
    scale = jnp.abs(jnp.diag(jax.hessian(at)(levels)))
    assert np.abs(slope / scale).max() < 0.03


@pytest.mark.slow
def test_missing_entries_and_factors_of_parts_have_no_say(problem):
    objective, model, samples = problem
    rows = samples[LABEL]
    optimizer = curve.bayesian_regularization(every=5)
    weight = {
        "value": jnp.ones((25, 2)).at[20:].set(0.0),
        "jacobian": jnp.ones((25, 2, 3)).at[20:].set(0.0),
    }
    junk = {n: a.at[20:].set(7.0) for n, a in rows.y.items()}
    masked = {LABEL: core.Samples(rows.x, junk, weight)}
    few = {LABEL: core.Samples(rows.x[:20], {n: a[:20] for n, a in rows.y.items()})}
    parts = match.values(), match.jacobians(weight=0.1)
    factor = core.Objective({LABEL: match.term(*parts)})
    fit = lambda o, s: core.flatten(
        train.fit(o, model, s, optimizer, steps=100, every=100).value
    )[0]
    wanted = fit(objective, few)
    np.testing.assert_allclose(fit(objective, masked), wanted, rtol=1e-8)
    np.testing.assert_allclose(fit(factor, few), wanted, rtol=1e-8)


def parabola(levels, noise=0.0):
    ends = jnp.linspace(-1.0, 1.0, levels)
    x = jnp.stack(jnp.meshgrid(ends, ends), -1).reshape(-1, 2)
    slopes = x + noise * jr.normal(jr.key(5), x.shape)
    y = {"value": 0.5 * jnp.sum(x**2, 1, keepdims=True), "jacobian": slopes[:, None]}
    return {LABEL: core.Samples(x, y)}


def off(model):
    x = jr.uniform(jr.key(9), (200, 2), minval=-1.0, maxval=1.0)
    error = jax.vmap(model)(x)[:, 0] - 0.5 * jnp.sum(x**2, 1)
    return float(jnp.sqrt(jnp.mean(error**2)))


def test_nine_points_of_a_parabola_are_enough():
    samples = parabola(3)
    objective = core.Objective({LABEL: match.term(match.values(), match.jacobians())})
    net = nets.MLP(2, 1, width=8, depth=2, key=jr.key(0))
    fit = lambda optimizer: train.fit(
        objective, net, samples, optimizer, steps=STEPS, every=STEPS
    )
    found = off(fit(curve.bayesian_regularization()).value)
    assert found < 2e-4
    assert found < 0.1 * off(fit(curve.levenberg_marquardt()).value)


@pytest.mark.slow
def test_noisy_slopes_are_found_out():
    samples = parabola(6, noise=0.2)
    objective = core.Objective({LABEL: match.term(match.values(), match.jacobians())})
    net = nets.MLP(2, 1, width=8, depth=2, key=jr.key(0))
    optimizer = curve.bayesian_regularization()
    result = train.fit(objective, net, samples, optimizer, steps=STEPS, every=STEPS)
    last = {name: column[-1] for name, column in result.history.items()}
    assert last[f"sigma {LABEL}.jacobian"] == pytest.approx(0.2, rel=0.3)
    assert last[f"sigma {LABEL}.value"] < 5e-3
    assert off(result.value) < 5e-3


def test_a_resumed_fit_ends_with_the_same_bits(problem):
    objective, model, samples = problem
    optimizer = curve.bayesian_regularization(every=7)
    run = lambda **options: train.fit(
        objective, model, samples, optimizer, every=10, **options
    )
    kept = []
    run(steps=20, watch=[lambda now: kept.append((now.carry, now.history))])
    whole, again = run(steps=40), run(steps=40, resume=kept[-1])
    np.testing.assert_array_equal(
        core.flatten(whole.value)[0], core.flatten(again.value)[0]
    )


def test_messages(problem):
    objective, model, samples = problem
    with pytest.raises(ValueError, match="expected every >= 1"):
        curve.bayesian_regularization(every=0)
    with pytest.raises(ValueError, match="0 < least <= first"):
        curve.bayesian_regularization(least=1.0)
    few = curve.bayesian_regularization(first={"jacobian": 1.0})
    with pytest.raises(ValueError, match="no level for the part 'value'"):
        train.fit(objective, model, samples, few, steps=1)
    taken = core.Objective({"prior": objective.terms[LABEL]})
    with pytest.raises(ValueError, match="a term is called 'prior'"):
        train.fit(
            taken,
            model,
            {"prior": samples[LABEL]},
            curve.bayesian_regularization(),
            steps=1,
        )


def test_a_part_of_which_nothing_is_known_keeps_its_level(problem):
    objective, model, samples = problem
    rows = samples[LABEL]
    weight = {"value": jnp.ones((25, 2)), "jacobian": jnp.zeros((25, 2, 3))}
    blind = {LABEL: core.Samples(rows.x, rows.y, weight)}
    optimizer = curve.bayesian_regularization(every=5)
    result = train.fit(objective, model, blind, optimizer, steps=20, every=20)
    last = {name: column[-1] for name, column in result.history.items()}
    assert last[f"sigma {LABEL}.jacobian"] == 0.3
    assert np.isfinite(last["log_evidence"])
    assert last[f"sigma {LABEL}.value"] < 0.3 * 1.5


def test_rounding_leaves_the_evidence_finite():
    x = jnp.linspace(-1.0, 1.0, 300)[:, None]
    y = {"value": jnp.sin(6 * x), "jacobian": 6 * jnp.cos(6 * x)[..., None]}
    objective = core.Objective({LABEL: match.term(match.values(), match.jacobians())})
    net = nets.MLP(1, 1, width=12, depth=2, key=jr.key(0))
    net = jax.tree.map(lambda a: 10 * a if isinstance(a, jax.Array) else a, net)
    sigma = {LABEL: {name: jnp.array(1e-4) for name in y}}
    precision = jnp.full(len(jax.tree.leaves(net)), 1e-4)
    found = evidence(objective, net, {LABEL: core.Samples(x, y)}, sigma, precision)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))
