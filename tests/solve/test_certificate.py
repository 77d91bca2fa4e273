"""What is known of a solution without the answer."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import core, curve, solve, train
from osculate.core import trainable
from osculate.solve import _estimate

PI = jnp.pi


def line(**changes):
    """-u'' = pi^2 sin(pi x) with u = 0 at both ends: u = sin(pi x)."""
    choices = {
        "domain": solve.interval(x=(0, 1)),
        "equation": lambda u_xx, x: u_xx + PI**2 * jnp.sin(PI * x),
        "boundary": {"x": 0.0},
    }
    return solve.problem(**{**choices, **changes})


def fitted(problem, key, *, points=60, steps=60, width=8):
    model = solve.model_of(problem, width=width, depth=1, key=key)
    objective = solve.objective_of(problem)
    samples = solve.samples_of(problem, solve.Counts(points, 1), key)
    return train.fit(objective, model, samples, curve.ssbroyden(), steps=steps)


def error_of(result):
    x = np.linspace(0, 1, 200)[:, None]
    u = jax.vmap(lambda p: solve.fields_of(result.value)(p)["u"])(jnp.asarray(x))
    truth = np.sin(np.pi * x[:, 0])
    return float(np.linalg.norm(u - truth) / np.linalg.norm(truth))


@pytest.mark.spec("S2.11")
def test_estimate_is_near_the_true_error(key):
    problem = line()
    for steps in (5, 60):
        result = fitted(problem, key, steps=steps)
        found = solve.certify(
            problem, result.objective, result.value, result.samples, key
        )
        truth = error_of(result)
        assert truth / 3 < found.relative < 3 * truth
        assert found.explained > 0.5
        assert list(found.residual) == ["equation"]
        low, _, _, high = found.residual["equation"]
        assert 0 <= low <= high


def test_the_error_of_a_large_network_is_sought_beside_it(key, monkeypatch):
    monkeypatch.setattr(_estimate, "MOST_WEIGHTS", 10)
    result = fitted(line(), key, steps=30, width=9)
    sought = trainable(_estimate.enlarged.__wrapped__(result.value, key)["net"])[0]
    assert sum(a.size for a in jax.tree.leaves(sought)) == _estimate.MORE_RIDGES
    larger = solve.certify(line(), result.objective, result.value, result.samples, key)
    truth = error_of(result)
    assert truth / 3 < larger.relative < 3 * truth


def test_what_hardly_matters_takes_no_step(key):
    """A column of rounding errors, and what is left of a residual, ask for 1e16."""
    J, noise = jr.normal(key, (50, 5)), 1e-16 * jr.normal(jr.fold_in(key, 1), (50, 1))
    J = jnp.concatenate([J, noise], axis=1)
    truth, rough = jnp.array([1.0, -2.0, 0.5, 3.0, 1.0, 0.0]), jr.normal(key, (50,))
    gradient = J.T @ (J @ truth + 0.01 * rough)
    step = _estimate._step(J.T @ J, gradient, jnp.asarray(1e-11))
    np.testing.assert_allclose(step[:5], -truth[:5], atol=0.05)
    assert abs(step[5]) < 1e8  # of which 1e-16 counts; 1e14 without a floor


def test_too_few_points_are_noticed(key):
    problem = line(
        equation=lambda u_xx, x: u_xx + 900 * jnp.sin(30 * x),
        boundary={"x=lower": 0.0, "x=upper": jnp.sin(30.0)},
    )
    result = fitted(problem, key, points=6, steps=200)
    found = solve.certify(problem, result.objective, result.value, result.samples, key)
    assert found.gap > 10
    assert "between the points of the fit" in " ".join(found.doubts)
    assert found.verdict.startswith("doubtful")


def test_kink_at_a_periodic_seam_is_noticed(key):
    problem = solve.problem(
        solve.interval(x=(-1, 1)) * solve.time(t=(0, 1)),
        lambda u_t, u_xx: u_t - u_xx,
        initial=lambda x: x**2,
        boundary={"x": solve.periodic()},
    )
    model = solve.model_of(problem, width=3, depth=1, key=key)
    objective = solve.objective_of(problem)
    samples = solve.samples_of(problem, solve.Counts(20, 1), key)
    found = solve.certify(problem, objective, model, samples, key)
    assert list(found.jumps) == ["u_x"]
    assert found.jumps["u_x"] > 0.1
    assert "u_x jumps" in found.doubts[0]


def test_linear_equations_are_told_from_others():
    assert solve.is_linear(line())
    assert not solve.is_linear(line(equation=lambda u, u_xx: u_xx + u**3))
    term = core.Term(lambda u, x, y: u(x)["u"])
    assert not solve.is_linear(line(equation=term))


def test_adaptive_points_gather_where_the_residual_is_large(key):
    problem = line(equation=lambda u, u_xx, x: u_xx * 0 + jnp.exp(-50 * x))
    model = solve.model_of(problem, width=3, depth=1, key=key)
    objective = solve.objective_of(problem)
    samples = solve.samples_of(problem, solve.Counts(400, 1), key)
    sampler = solve.residual_adaptive(problem)
    drawn = sampler(objective, model, samples, jr.fold_in(key, 1))["equation"]
    x, weight = np.asarray(drawn.x)[:, 0], np.asarray(drawn.weight)
    assert np.mean(x < 0.1) > 0.4
    # Weighted by the inverse of the density the mean is that over the domain.
    for power in (1, 2):
        mean = np.sum(weight * x**power) / np.sum(weight)
        assert mean == pytest.approx(1 / (power + 1), abs=5e-3)
    square = np.sum(weight * np.exp(-100 * x)) / np.sum(weight)
    assert square == pytest.approx(0.01, rel=0.02)


def test_weights_make_traces_equal(key):
    tied = lambda u, u_n: u_n + u**3 + 1.0
    problem = line(boundary={"x=lower": tied, "x=upper": 0.0})
    model = solve.model_of(problem, width=4, depth=1, key=key)
    samples = solve.samples_of(problem, solve.Counts(30, 1), key)
    plain = solve.objective_of(problem)
    found = solve.balanced(plain, model, samples, key)
    assert found["equation"] == 1.0
    trace = {}
    for label, term in plain.terms.items():
        alone = core.Objective({label: term})
        J = curve.jacobian_matrix(alone, model, {label: samples[label]})
        trace[label] = float(jnp.sum(J**2))
    exact = trace["equation"] / trace["x=lower"]
    assert found["x=lower"] == pytest.approx(exact, rel=0.8)
