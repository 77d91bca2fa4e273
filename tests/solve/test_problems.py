"""Reference problems: their answers satisfy what they declare."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import diff, solve
from osculate.core import InputError
from osculate.solve import problems
from osculate.solve.problems import (
    PROBLEMS,
    _allen_cahn,
    _burgers,
    _cavity,
    _lorenz,
    _lotka_volterra,
)
from osculate.solve.problems._trajectory import trajectory

pytestmark = pytest.mark.slow  # a compilation for each of many functions

TABLES = ("cavity", "cavity-400")
COMPUTED = ("allen-cahn", "lotka-volterra", "lorenz")
SLOW = ("beltrami", "heat-4d", "poisson-5d", "poisson-100d")
N = 40


def each(*but):
    """Names of problems; those of many dimensions take long to compile."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW))
        for name in PROBLEMS
        if name not in but
    ]


CLOSED = each(*COMPUTED, *TABLES)


@functools.cache
def made(name):
    return PROBLEMS[name].make()


def fields_of(problem):
    """The reference as named fields of a point."""

    def fields(p):
        found = problem.reference(**dict(zip(problem.domain.names, p, strict=True)))
        return found if isinstance(found, dict) else {problem.fields[0][0]: found}

    return fields


def largest(values):
    return max(float(jnp.max(jnp.abs(v))) for v in jax.tree.leaves(values))


def on_grid(entry, shape=None):
    """Coordinates of the grid, or of points where there is none, by name, flat."""
    domain = made(entry.name).domain
    if not entry.grid:
        return dict(zip(domain.names, domain.interior(N, jr.key(5)).T, strict=True))
    lines = [
        np.linspace(low, high, (shape or entry.grid)[name])
        for name, low, high in zip(domain.names, domain.low, domain.high, strict=True)
    ]
    mesh = np.meshgrid(*lines, indexing="ij")
    return dict(zip(domain.names, (each.reshape(-1) for each in mesh), strict=True))


def derivative(f, place, order):
    """The derivative of a function of a point by one coordinate."""
    if not order:
        return f
    lower = derivative(f, place, order - 1)
    return lambda p: jax.jvp(lower, (p,), (jnp.eye(len(p))[place],))[1]


@pytest.mark.parametrize("name", CLOSED)
def test_the_reference_satisfies_the_equation(name):
    problem = made(name)
    u, equation = fields_of(problem), problem.equation
    constants = jax.tree.map(jnp.asarray, problem.constants)
    x = jnp.asarray(problem.domain.interior(N, jr.key(1)))
    names = [field for field, _ in problem.fields]
    over = {"fields": names, "time": problem.domain.time}
    asks = diff.partials(u, equation.derivatives, problem.domain.names, **over)
    both = lambda p: (equation(u, p, **constants), (u(p), asks(p)._asdict()))
    left, terms = jax.jit(jax.vmap(both))(x)
    assert largest(left) < 1e-9 * largest(terms)


def pairs(problem, x, samples):
    """What conditions ask for, by where, beside what the reference is there."""
    u, found = fields_of(problem), {}
    for field, hard in problem.hard:
        one = lambda p, field=field: u(p)[field]
        rim = zip(hard.rim.sides, hard.rim.values, strict=True) if hard.rim else ()
        for side, value in rim:
            face = problem.domain.points_on(side, N, jr.key(4))
            told = jax.vmap(lambda p, v=value: v(p, problem.constants))(face)
            found[field, side.name] = jax.vmap(one)(face), told
        for axis in hard.axes:
            for end in axis.ends:
                face = x.at[:, axis.place].set(end.at)
                for order, value in zip(end.orders, end.values, strict=True):
                    told = jax.vmap(lambda p, v=value: v(p, problem.constants))(face)
                    came = jax.vmap(derivative(one, axis.place, order))(face)
                    found[field, axis.place, end.at, order] = came, told
    for place in problem.periodic:
        ends = [
            x.at[:, place].set(v[place])
            for v in (problem.domain.low, problem.domain.high)
        ]
        for order in range(3):
            low, high = map(jax.vmap(derivative(u, place, order)), ends)
            found |= {(field, place, order): (low[field], high[field]) for field in low}
    model = {"net": lambda p, unknowns: u(p), "unknowns": {}}
    for label, term in solve.objective_of(problem).terms.items():
        if label != "equation":
            y, there = samples[label].y, samples[label].x
            left = jax.vmap(lambda p, t=term: t.probe(model, p, None))(there)
            for key, came in left.items():
                found[label, key] = came, jnp.zeros_like(came) if y is None else y[key]
    return found


@pytest.mark.parametrize("name", CLOSED)
def test_the_reference_satisfies_every_condition(name):
    problem = made(name)
    x = jnp.asarray(problem.domain.interior(N, jr.key(2)))
    samples = solve.samples_of(problem, solve.Counts(N, N), jr.key(3))
    whole = []

    def values(x, samples):
        found = pairs(problem, x, samples)
        whole.extend(found)
        return list(found.values())

    found = jax.jit(values)(x, samples)
    assert found
    for where, (came, told) in zip(whole, found, strict=True):
        message = f"{name}: {where}"
        np.testing.assert_allclose(came, told, rtol=1e-9, atol=1e-9, err_msg=message)


@pytest.mark.parametrize("name", each(*TABLES))
def test_the_reference_is_known_on_the_grid(name):
    entry = PROBLEMS[name]
    shape = dict.fromkeys(entry.grid, 3)
    at = on_grid(entry, shape)
    found = made(name).reference(**at)
    found = found if isinstance(found, dict) else {"u": found}
    assert set(found) == {field for field, _ in made(name).fields}
    for value in found.values():
        assert value.shape == (3 ** len(shape) if shape else N,)
        assert np.isfinite(value).all()


@pytest.mark.parametrize("name", each())
def test_a_network_can_be_made(name):
    entry = PROBLEMS[name]
    problem = made(name)
    x = jnp.asarray(problem.domain.low)
    model = lambda key: solve.model_of(problem, **entry.network, key=key)
    found = jax.eval_shape(lambda key: solve.fields_of(model(key))(x), jr.key(0))
    assert set(found) == {field for field, _ in problem.fields}
    assert set(entry.grid) in (set(problem.domain.names), set())
    assert set(entry.truth) == set(problem.unknowns)
    assert entry.name == name
    assert entry.title
    assert entry.source
    assert 0 < entry.floor < 1e-2


def test_burgers_converges_with_the_nodes():
    at = on_grid(PROBLEMS["burgers"], {"x": 64, "t": 17})
    coarse = _burgers.exact(**at)
    fine = _burgers.cole_hopf(**at, nodes=2 * _burgers.NODES - 1)
    gap = jnp.linalg.norm(coarse - fine) / jnp.linalg.norm(fine)
    assert gap < PROBLEMS["burgers"].floor
    start = at["t"] == 0
    np.testing.assert_allclose(
        coarse[start], -np.sin(np.pi * at["x"][start]), atol=1e-14
    )


def test_allen_cahn_converges_to_what_is_shipped():
    shipped = _allen_cahn.table()
    off = lambda u: np.linalg.norm(u - shipped) / np.linalg.norm(shipped)
    coarse, fine = _allen_cahn.computed(512, 5), _allen_cahn.computed(1024, 20)
    assert off(fine) < PROBLEMS["allen-cahn"].floor
    assert off(fine) < off(coarse) / 16


def test_allen_cahn_starts_as_declared():
    """Cosines and the table agree with the initial state and its symmetry."""
    x = np.arange(257) / 256
    u0 = x**2 * np.cos(np.pi * x)
    np.testing.assert_allclose(_allen_cahn.tabulated(-x, 0.0), u0, atol=1e-15)
    modes = _allen_cahn.initial_modes(4000)
    inside = x[:-20]
    series = np.cos(np.pi * np.outer(inside, np.arange(4001))) @ modes
    np.testing.assert_allclose(series, u0[:-20], atol=1e-6)


def test_allen_cahn_warns_of_no_kink_of_its_own():
    drawn = solve.samples_of(made("allen-cahn"), solve.Counts(8, 4), jr.key(0))
    lifted = drawn["equation"].x.lift
    assert all(np.isfinite(value).all() for value in lifted.values())


def test_allen_cahn_is_not_known_between_the_points():
    with pytest.raises(InputError, match=r"between the points.*\n.*k/256 and t = k"):
        _allen_cahn.tabulated(0.001, 0.5)


@pytest.mark.parametrize("name", ["lotka-volterra", "lorenz"])
def test_trajectories_satisfy_the_equation(name):
    """Slopes by differences of fourth order, h = 1e-3."""
    entry = PROBLEMS[name]
    problem, h = made(name), 1e-3
    t = np.linspace(0.1, 2.9, 5)
    u = problem.reference(t)
    near = {k: problem.reference(t + k * h) for k in (-2, -1, 1, 2)}
    for i in range(len(t)):
        slope = {
            f: (8 * (near[1][f] - near[-1][f]) - near[2][f] + near[-2][f])[i] / 12 / h
            for f in u
        }
        line = lambda p, i=i, slope=slope: {
            f: u[f][i] + slope[f] * (p[0] - t[i]) for f in u
        }
        left = problem.equation(line, jnp.asarray(t[i : i + 1]), **entry.truth)
        assert largest(left) < 1e-7 * (1 + largest(slope))


@pytest.mark.parametrize("module", [_lotka_volterra, _lorenz])
def test_trajectories_converge(module, monkeypatch):
    t = np.linspace(0, module.END, 7)
    fine = module.solution(t)
    loose = lambda *given: trajectory(*given, rtol=1e-12)
    monkeypatch.setattr(module, "trajectory", loose)
    coarse = module.solution(t)
    gap = max(float(jnp.abs(fine[f] - coarse[f]).max()) for f in fine)
    assert 0 < gap < 10 * module.ENTRY.floor * largest(fine)


def test_predators_and_prey_keep_their_invariant():
    """Volterra's `delta x - gamma log x + beta y - alpha log y`."""
    t = np.random.default_rng(0).uniform(0, 6, (2, 4))
    found = _lotka_volterra.solution(t)
    a, b, c, d = _lotka_volterra.TRUTH.values()
    x, y = found["prey"], found["predator"]
    held = d * x - c * jnp.log(x) + b * y - a * jnp.log(y)
    np.testing.assert_allclose(held, b + d, rtol=1e-11)


def test_measurements_are_values_of_the_reference():
    for name in ("lotka-volterra", "lorenz", "elliptic-inverse"):
        problem = made(name)
        x = problem.observed.x
        known = problem.reference(**dict(zip(problem.domain.names, x.T, strict=True)))
        for field, y in problem.observed.y.items():
            np.testing.assert_allclose(y, known[field], rtol=1e-13)
        with jax.enable_x64(False):
            single = PROBLEMS[name].make().observed.y
        for field, y in problem.observed.y.items():
            np.testing.assert_array_equal(single[field], y)


def test_the_flow_through_the_centre_lines_of_the_cavity_is_zero():
    """What passes a line from wall to wall vanishes; Simpson's parts do not."""
    for line, values in (
        (_cavity.LINE_Y, _cavity.LINE_U),
        (_cavity.LINE_X, _cavity.LINE_V),
    ):
        for across in values.values():
            assert len(across) == len(line) == 17
            assert abs(np.trapezoid(across, line)) < 0.02
            assert np.trapezoid(np.abs(across), line) > 0.1
    assert _cavity.LINE_U[100][-1] == 1.0


def test_one_equation_may_tell_of_two_fields_where_one_was_measured():
    x = np.linspace(0, 1, 5)
    domain = solve.interval(x=(0, 1))
    equation = lambda u, u_x, k, k_x: k * u_x + k_x * u
    data = {"x": x, "u": x}
    found = solve.problem(domain, equation, fields="u k", data=data)
    assert found.residuals == ("",)
    with pytest.raises(InputError, match="1 residuals for 2 differentiated fields"):
        solve.problem(domain, equation, fields="u k")


def test_problems_are_found_by_name():
    assert problems.named("heat") is PROBLEMS["heat"]
    with pytest.raises(InputError, match=r"no problem 'burger'.*mean 'burgers'\?\nCh"):
        problems.named("burger")
