"""Trial functions satisfy their conditions whatever the weights are."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import diff, solve

PI = jnp.pi


def trial(problem, key):
    model = solve.model_of(problem, width=5, depth=1, key=key)
    return lambda x: solve.fields_of(model)(x)["u"]


def partial(u, name, names):
    return diff.partial(u, name, names)


def heat(**changes):
    choices = {
        "initial": lambda x: jnp.sin(PI * x) + x,
        "boundary": {"x=lower": 0.0, "x=upper": lambda t: jnp.exp(t)},
    }
    return solve.problem(
        solve.interval(x=(0, 1)) * solve.time(t=(0, 2)),
        lambda u_t, u_xx: u_t - u_xx,
        **{**choices, **changes},
    )


@pytest.mark.spec("S2.2")
def test_value_at_one_end_is_met_to_the_last_bit(key):
    problem = solve.problem(
        solve.interval(x=(0, 3)), lambda u_x, x: u_x - 2 * x, boundary={"x=lower": 1.7}
    )
    for k in range(5):
        u = trial(problem, jr.fold_in(key, k))
        assert float(u(jnp.zeros(1))) == 1.7
    assert float(u(jnp.ones(1))) != 1.7


def test_value_and_velocity_at_the_beginning(key):
    problem = solve.problem(
        solve.interval(x=(0, 1)) * solve.time(t=(0, 1)),
        lambda u_tt, u_xx: u_tt - u_xx,
        initial={"u": lambda x: jnp.sin(PI * x), "u_t": lambda x: x * (1 - x)},
        boundary={"x": 0.0},
    )
    u = trial(problem, key)
    for x in (0.1, 0.5, 0.93):
        p = jnp.array([x, 0.0])
        assert float(u(p)) == pytest.approx(np.sin(np.pi * x), abs=1e-15)
        slope = partial(u, "u_t", "x t")(p)
        assert float(slope) == pytest.approx(x * (1 - x), abs=1e-15)
        for end in (0.0, 1.0):
            assert float(u(jnp.array([end, x]))) == pytest.approx(0.0, abs=1e-15)


def test_values_that_differ_between_faces_are_blended(key):
    u = trial(heat(), key)
    for s in np.linspace(0, 1, 7):
        exact = np.sin(np.pi * s) + s
        assert float(u(jnp.array([s, 0.0]))) == pytest.approx(exact, abs=1e-15)
        t = 2 * s
        assert float(u(jnp.array([1.0, t]))) == pytest.approx(np.exp(t), rel=4e-16)
        assert float(u(jnp.array([0.0, t]))) == pytest.approx(0.0, abs=1e-15)


def test_slope_beside_value_at_both_ends(key):
    problem = solve.problem(
        solve.interval(x=(1, 3)),
        lambda u_xxxx: u_xxxx - 1.0,
        boundary={
            "x=lower": {"u": 0.5, "u_x": -1.0},
            "x=upper": {"u": 2.0, "u_x": 3.0},
        },
    )
    u = trial(problem, key)
    for at, value, slope in ((1.0, 0.5, -1.0), (3.0, 2.0, 3.0)):
        p = jnp.array([at])
        assert float(u(p)) == pytest.approx(value, abs=1e-14)
        assert float(partial(u, "u_x", "x")(p)) == pytest.approx(slope, abs=1e-13)


def test_values_on_all_faces_of_a_square(key):
    exact = lambda x, y: jnp.sin(x) * jnp.exp(y) + x * y
    problem = solve.problem(
        solve.box(x=(0, 1), y=(-1, 2)), lambda lap_u: lap_u, boundary=exact
    )
    u = trial(problem, key)
    with_weights = trial(problem, jr.fold_in(key, 1))
    for side in problem.domain.sides.values():
        points = problem.domain.points_on(side, 20, key)
        truth = exact(points[:, 0], points[:, 1])
        assert jnp.allclose(jax.vmap(u)(points), truth, rtol=0, atol=3e-15)
    inside = jnp.array([0.5, 0.5])
    assert not jnp.allclose(u(inside), with_weights(inside), atol=1e-3)


def test_periodic_fields_close_with_all_derivatives(key):
    problem = solve.problem(
        solve.interval(x=(-1, 1)) * solve.time(t=(0, 1)),
        lambda u_t, u_x: u_t + u_x,
        initial=lambda x: jnp.sin(PI * x),
        boundary={"x": solve.periodic()},
    )
    u = trial(problem, key)
    for name in ("u", "u_x", "u_xx", "u_tx"):
        at = partial(u, name, "x t")
        low, high = at(jnp.array([-1.0, 0.3])), at(jnp.array([1.0, 0.3]))
        assert float(low) == pytest.approx(float(high), abs=1e-12)


def test_an_unknown_in_a_condition_moves_the_trial_function(key):
    problem = heat(
        boundary={"x=lower": lambda t, a: a * t, "x=upper": lambda t: jnp.exp(t)},
        unknowns={"a": 2.0},
    )
    model = solve.model_of(problem, width=3, depth=1, key=key)
    at = jnp.array([0.0, 0.5])
    assert float(solve.fields_of(model)(at)["u"]) == pytest.approx(1.0)
    model = {**model, "unknowns": {"a": jnp.asarray(4.0)}}
    assert float(solve.fields_of(model)(at)["u"]) == pytest.approx(2.0)


def test_conditions_that_cannot_be_built_in_stay_soft(key):
    for tied in (
        lambda u, u_n: u_n + u**2,
        lambda u, u_n: 0.6 * u_n + 5.67e-8 * u**4 - 1e6,
        lambda u, u_n: 1e-14 * u_n + 1e-13 * jnp.sinh(u),
        lambda u, u_n: u_n + 5 * jnp.maximum(u - 2, 0),
        lambda u, u_n: u_n + jnp.clip(u, -3, 3) - 9,
        lambda u, u_n: {"flux": u_n + u},
        lambda u, u_n, t: u_n + t * u,
        lambda u, u_n, t: u_n + u - jnp.where(t > 0.5, 1.0, 0.0),
        lambda u, u_n, t: u_n + u - jnp.maximum(t - 0.5, 0.0),
        lambda u, u_x, u_t: u_x + u_t,
        lambda u, u_n, h: u_n + h * u,
    ):
        some = {"x=lower": 0.0, "x=upper": tied}
        problem = heat(boundary=some, unknowns={"h": 1.0}, corners="allow")
        assert [c.words for c in problem.soft] == ["residual at x=upper"]
    torn = heat(boundary={"x=lower": 0.0, "x=upper": {"u_x": 0.0}})
    assert [c.words for c in torn.soft] == ["u_x at x=upper"]  # not that of `initial`
    assert "hard       u: t=lower (value)" in torn.explain()
    one_of_two = solve.problem(
        solve.interval(x=(0, 1)),
        lambda u_xx, v_xx: (u_xx, v_xx),
        fields="u v",
        boundary={"x=lower": {"u": 0.0, "v_x": 0.0}, "x=upper": {"u": 1.0, "v": 1.0}},
    )
    assert not one_of_two.soft
    u = solve.fields_of(solve.model_of(one_of_two, width=5, depth=1, key=key))
    (end,), slope = slope_of(
        lambda x: u(x)["v"], "u_x", one_of_two.domain, "x=lower", key, 1
    )
    assert abs(slope[0]) < 1e-14
    assert [float(u(x)["u"]) for x in (end, end + 1)] == [0.0, 1.0]


def slope_of(u, name, domain, side, key, N=12):
    points = domain.points_on(domain.sides[side], N, key)
    return points, jax.vmap(partial(u, name, " ".join(domain.names)))(points)


@pytest.mark.parametrize(
    ("order", "boundary", "slopes"),
    [
        (2, {"x=lower": {"u_x": 2.0}, "x=upper": 1.0}, {"x=lower": 2.0}),
        (2, {"x=lower": 1.0, "x=upper": {"u_n": 3.0}}, {"x=upper": 3.0}),
        (2, {"x=lower": {"u_n": 3.0}, "x=upper": 1.0}, {"x=lower": -3.0}),
        (2, {"x": {"u_x": lambda x: 2 * x}}, {"x=lower": 2.0, "x=upper": 6.0}),
        (
            3,
            {"x=lower": {"u_n": lambda x: -x}, "x=upper": {"u": 1.0, "u_x": 4.0}},
            {"x=lower": 1.0, "x=upper": 4.0},
        ),
    ],
)
def test_slopes_alone_are_built_in(key, order, boundary, slopes):
    equation = (lambda u_xx: u_xx) if order == 2 else (lambda u_xxx: u_xxx)
    line = solve.interval(x=(1, 3))
    problem = solve.problem(line, equation, boundary=boundary)
    assert not problem.soft
    u = trial(problem, key)
    for side, slope in slopes.items():
        _, found = slope_of(u, "u_x", line, side, key, 1)
        assert float(found[0]) == pytest.approx(slope, abs=1e-14)
    for end, side in ((1.0, "x=lower"), (3.0, "x=upper")):
        if side not in slopes or (order == 3 and side == "x=upper"):
            assert float(u(jnp.array([end]))) == pytest.approx(1.0, abs=1e-14)


def test_slopes_beside_values_on_other_faces_and_in_time(key):
    exact = lambda x, y, t: jnp.cos(jnp.pi * x) * (1 + y) * jnp.exp(-t)
    domain = solve.box(x=(0, 1), y=(0, 2)) * solve.time(t=(0, 1))
    problem = solve.problem(
        domain,
        lambda u_t, lap_u: u_t - lap_u,
        initial=lambda x, y: exact(x, y, 0.0),
        boundary={
            "x": {"u_x": 0.0},
            "y=lower": exact,
            "y=upper": {"u_y": lambda x, t: jnp.cos(jnp.pi * x) * jnp.exp(-t)},
        },
    )
    assert not problem.soft
    assert "hard       u: y=upper (slope)" in problem.explain()
    u = trial(problem, key)
    for side in ("x=lower", "x=upper"):
        points, found = slope_of(u, "u_x", domain, side, key)
        assert jnp.allclose(found, 0.0, atol=1e-13)
    points, found = slope_of(u, "u_y", domain, "y=upper", key)
    want = jnp.cos(jnp.pi * points[:, 0]) * jnp.exp(-points[:, 2])
    assert jnp.allclose(found, want, atol=1e-13)
    for side in ("y=lower", "t=lower"):
        points = domain.points_on(domain.sides[side], 12, key)
        assert jnp.allclose(jax.vmap(u)(points), exact(*points.T), atol=1e-13)


H = 1.5


@pytest.mark.parametrize(
    ("rate", "other"),
    [(2.0, "free"), (-3.0, "value"), (0.0, "mixed"), (1e4, "slope"), (2.0, "mixed")],
)
def test_a_value_and_a_slope_that_are_tied_are_built_in(key, rate, other):
    line = solve.interval(x=(1, 3))
    tied = lambda u, u_n, h: 2 * u_n + 2 * h * (u - 1.0) - 8.0
    others = {
        "free": {},
        "value": {"x=upper": 1.0},
        "slope": {"x=upper": {"u_x": 4.0}},
        "mixed": {"x=upper": lambda u, u_x, x: u_x - 0.3 * u - x},
    }
    problem = solve.problem(
        line,
        (lambda u_x: u_x) if other == "free" else (lambda u_xx: u_xx),
        constants={"h": rate},
        boundary={"x=lower": tied, **others[other]},
    )
    assert not problem.soft
    assert f"u: x=lower ({'mixed' if rate else 'slope'})" in problem.explain()
    u = trial(problem, key)
    x, slope = slope_of(u, "u_x", line, "x=lower", key, 1)
    found, size = -slope[0] + rate * (u(x[0]) - 1), 4 + abs(rate)
    assert abs(found - 4.0) < 1e-14 * size
    x, slope = slope_of(u, "u_x", line, "x=upper", key, 1)
    left = {
        "free": 0.0,
        "value": u(x[0]) - 1.0,
        "slope": slope[0] - 4.0,
        "mixed": slope[0] - 0.3 * u(x[0]) - 3.0,
    }
    assert float(left[other]) == pytest.approx(0.0, abs=1e-12)
    assert abs(u(jnp.array([2.0]))) < 10  # no larger than what is prescribed


def test_tied_on_all_faces_and_in_time(key):
    exact = lambda x, y, t: (1 + x**2) * jnp.exp(y) * jnp.cos(t)
    domain = solve.box(x=(0, 1), y=(0, 2)) * solve.time(t=(0, 1))
    problem = solve.problem(
        domain,
        lambda u_t, lap_u: u_t - lap_u,
        initial=lambda x, y: exact(x, y, 0.0),
        boundary={
            "x=lower": lambda u, u_n, y, t: u_n + H * u - H * exact(0.0, y, t),
            "x=upper": lambda u, u_x: u_x - u,
            "y=lower": exact,
            "y=upper": lambda u, u_y: u_y - u,
        },
    )
    assert not problem.soft
    u = trial(problem, key)
    for side, name, rate in (
        ("x=lower", "u_x", -H),
        ("x=upper", "u_x", -1.0),
        ("y=upper", "u_y", -1.0),
    ):
        x, slope = slope_of(u, name, domain, side, key)
        want = -H * exact(*x.T) if side == "x=lower" else 0.0
        found = slope + rate * jax.vmap(u)(x)
        np.testing.assert_allclose(found, want, rtol=0, atol=1e-12)
    for side in ("y=lower", "t=lower"):
        x = domain.points_on(domain.sides[side], 12, key)
        assert jnp.allclose(jax.vmap(u)(x), exact(*x.T), atol=1e-13)
    # What cannot be joined in a corner is met softly.
    torn = heat(boundary={"x=lower": 0.0, "x=upper": lambda u, u_n: u_n + 2 * u})
    assert [c.words for c in torn.soft] == ["residual at x=upper"]


def test_soft_conditions_are_residuals_of_the_outward_normal(key):
    problem = heat(
        boundary={
            "x=lower": lambda u, u_n: u_n + 2 * u,
            "x=upper": lambda u_x: u_x - 3.0,
        },
        initial=lambda x: x**2,
    ).softened()
    model = solve.model_of(problem, width=4, depth=1, key=key)
    objective = solve.objective_of(problem)
    samples = solve.samples_of(problem, solve.Counts(8, 5), key)
    found = objective.outputs(model, samples)
    u = lambda x: solve.fields_of(model)(x)["u"]
    for k, p in enumerate(samples["x=lower"].x):
        slope = partial(u, "u_x", "x t")(p)
        assert jnp.allclose(found["x=lower"]["residual"][k], -slope + 2 * u(p))
    for k, p in enumerate(samples["x=upper"].x):
        slope = partial(u, "u_x", "x t")(p)
        assert jnp.allclose(found["x=upper"]["residual"][k], slope - 3.0)


def test_mirrored_beside_periodic_and_in_time_of_second_order(key):
    domain = solve.box(x=(0, 1), y=(-1, 1)) * solve.time(t=(0, 1))
    problem = solve.problem(
        domain,
        lambda u_tt, lap_u, v_t, lap_v: (u_tt - lap_u, v_t - lap_v),
        fields="u v",
        initial={"u": 0.0, "u_t": lambda y: jnp.sin(PI * y), "v": 1.0},
        boundary={
            "x=lower": {"u_n": 0.0, "v_n": 0.0},
            "x=upper": {"u": 0.0, "v": 1.0},
            "y": solve.periodic(),
        },
        corners="allow",
    )
    model = solve.model_of(problem, width=5, depth=1, key=key)
    fields = solve.fields_of(model)
    points = domain.points_on(domain.sides["x=lower"], 8, key)
    for name in ("u", "v"):
        at = diff.partial(lambda p, n=name: fields(p)[n], "u_x", "x y t")
        assert jnp.allclose(jax.vmap(at)(points), 0.0, atol=1e-13)
        ends = [points.at[:, 1].set(y) for y in (-1.0, 1.0)]
        low, high = (jax.vmap(fields)(p)[name] for p in ends)
        assert jnp.allclose(low, high, atol=1e-13)
        assert float(jnp.std(low)) > 1e-6


def test_an_initial_value_that_names_time_yields_to_other_conditions(key):
    course = lambda x, t: jnp.cos(PI * x) + x * t
    problem = solve.problem(
        solve.interval(x=(0, 1)) * solve.time(t=(0, 1)),
        lambda u_t, u_xx: u_t - u_xx,
        initial=course,
        boundary={"x": {"u_x": 0.0}},
    )
    assert not problem.soft
    slope = partial(trial(problem, key), "u_x", "x t")
    for x in (0.0, 1.0):
        assert float(slope(jnp.array([x, 0.7]))) == pytest.approx(0.0, abs=1e-13)


def test_what_is_hard_does_not_depend_on_precision():
    with jax.enable_x64(False):
        problem = solve.problem(
            solve.interval(x=(0, 1)) * solve.time(t=(0, 1)),
            lambda u_t, u_xx: u_t - u_xx,
            initial=lambda x: jnp.cos(2 * jnp.pi * x),
            boundary={"x": {"u_x": 0.0}},
        )
    assert not problem.soft
