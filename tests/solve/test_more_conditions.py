"""Values on grids, planes inside of a box, integrals, and conditions made soft."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.interpolate import make_interp_spline

from osculate import solve, tasks
from osculate.core import InputError, Samples

LINE = solve.interval(x=(0, 1))
ROD = LINE * solve.time(t=(0, 1))
GRID = np.sort(np.random.default_rng(0).random(9))


def spline(values, points, *, order=0):
    return make_interp_spline(GRID, values, k=3)(points, order)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_grid_is_a_cubic_spline_with_its_derivatives(order):
    f = solve.gridded(np.sin(3 * GRID), x=GRID)
    for _ in range(order):
        f = (lambda g: lambda x: jax.grad(lambda z: g(x=z))(x))(f)
    x = np.linspace(GRID[0], GRID[-1], 31)
    found = jax.vmap(lambda z: f(x=z))(jnp.asarray(x))
    expected = spline(np.sin(3 * GRID), x, order=order)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_a_grid_of_two_coordinates_is_a_product_of_splines():
    y = np.linspace(-1, 2, 7)
    values = np.sin(3 * GRID)[:, None] * np.exp(y)[None]
    f = solve.gridded(values, x=GRID, y=y)
    x, v = np.linspace(GRID[0], GRID[-1], 20), np.linspace(-1, 2, 20)
    expected = spline(np.sin(3 * GRID), x) * make_interp_spline(y, np.exp(y), k=3)(v)
    np.testing.assert_allclose(f(x=x, y=v), expected, rtol=1e-12)


def test_cubes_and_short_axes_are_met_exactly():
    x, t = np.linspace(0, 1, 6), np.array([0.0, 2.0])
    f = solve.gridded(x[:, None] ** 3 * (1 + t)[None], x=x, t=t)
    assert abs(float(f(x=0.37, t=0.5)) - 0.37**3 * 1.5) < 1e-14


class Labelled:
    """What an xarray.DataArray offers."""

    dims = ("x",)

    def __array__(self, dtype=None, copy=None):
        return GRID**2

    def __getitem__(self, name):
        return {"x": GRID}[name]


def test_arrays_of_xarray_name_their_coordinates():
    f = solve.gridded(Labelled())
    assert abs(float(f(x=0.5)) - 0.25) < 1e-14


@pytest.mark.parametrize(
    ("values", "grid", "said"),
    [
        (np.zeros(4), np.zeros(5), r"shape \(4,\); expected \(5,\)"),
        (np.zeros(3), np.array([0, 2, 1]), "x does not increase"),
        (np.array([0, np.nan]), np.array([0, 1]), "1 of 2 values are not finite"),
    ],
)
def test_grids_that_cannot_be_used(values, grid, said):
    with pytest.raises(InputError, match=said):
        solve.gridded(values, x=grid)


def heat(**changes):
    choices = {
        "equation": lambda u_t, u_xx: u_t - 0.1 * u_xx,
        "initial": lambda x: jnp.sin(jnp.pi * x),
        "boundary": {"x": 0.0},
        "reference": lambda x, t: jnp.exp(-0.1 * jnp.pi**2 * t) * jnp.sin(jnp.pi * x),
    }
    return solve.problem(ROD, **{**choices, **changes})


def test_values_on_a_grid_are_prescribed_hard():
    x = np.linspace(0, 1, 41)
    problem = heat(initial=solve.gridded(np.sin(np.pi * x), x=x))
    model = solve.model_of(problem, width=4, depth=1, key=jr.key(0))
    u = solve.fields_of(model)(jnp.array([0.31, 0.0]))["u"]
    assert abs(float(u) - np.sin(np.pi * 0.31)) < 1e-6
    with pytest.raises(InputError, match=r"a grid of x from 0 to 0\.5, less than"):
        heat(initial=solve.gridded(np.sin(np.pi * x), x=x / 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("equation", "exact"),
    [
        (
            lambda u_xx, x: u_xx + jnp.pi**2 * jnp.cos(jnp.pi * x),
            lambda x: jnp.cos(jnp.pi * x),
        ),
        (lambda u_xx, x: u_xx - 1 + 2 * x, lambda x: x**2 / 2 - x**3 / 3 - 1 / 12),
    ],
)
def test_slopes_at_both_ends_and_a_mean_are_enough(equation, exact):
    problem = solve.problem(
        LINE,
        equation,
        boundary={"x": {"u_x": 0.0}},
        integrals=[solve.integral(lambda u: u)],
        reference=exact,
    )
    assert not problem.soft
    assert "integral   of u over x" in problem.explain()
    choices = {"width": 10, "depth": 1, "points": 100, "budget": "300steps"}
    found = tasks.solve(problem, **choices)
    assert found.relative_l2() < 1e-5
    assert found.certificate.residual["integral 1"][-1] < 1e-5


def test_an_integral_is_exact_for_smooth_functions_at_every_time():
    kept = solve.integral(
        lambda u, x: x * u, equals=lambda t, k: k * jnp.exp(t), over="x"
    )
    problem = heat(integrals=[kept], constants={"k": 2.0})
    term = solve.objective_of(problem).terms["integral 1"]
    rows = solve.samples_of(problem, solve.Counts(10, 10), jr.key(0))["integral 1"]
    model = {"net": lambda x, _: {"u": jnp.exp(x[0] + x[1])}, "unknowns": {}}
    lacks = term.outputs(model, rows)[""]
    t = rows.x["points"][:, 0, 1]
    assert len(np.unique(t)) == len(t)
    np.testing.assert_allclose(lacks, (1 - 2) * jnp.exp(t), rtol=1e-13)


@pytest.mark.parametrize(
    ("integral", "said"),
    [
        (solve.integral(lambda u: u, over="y"), "is over 'y'"),
        (solve.integral(lambda x: x), "asks for no field"),
        (solve.integral(lambda u: u, equals=lambda x: x), "what is integrated over"),
        (solve.integral(lambda v: v), "'v' is not known"),
    ],
)
def test_integrals_that_cannot_be_read(integral, said):
    with pytest.raises(InputError, match=said):
        heat(integrals=[integral])


@pytest.mark.slow
def test_an_interface_joins_two_fields():
    problem = solve.problem(
        LINE,
        lambda u_xx, v_xx: (u_xx, v_xx),
        fields="u v",
        boundary={
            "x=lower": {"u": 0.0},
            "x=upper": {"v": 1.0},
            "x=0.5": [lambda u, v: u - v, lambda u_n, v_n: u_n - 2 * v_n],
        },
        reference=lambda x: {"u": 4 / 3 * x, "v": 1 + 2 / 3 * (x - 1)},
    )
    assert problem.explain().count("soft       residual at x=0.5") == 2
    choices = {"width": 8, "depth": 1, "points": 64, "budget": "200steps"}
    found = tasks.solve(problem, **choices)
    assert found.relative_l2() < 1e-4


def test_planes_lie_inside_of_boxes():
    (side,) = (LINE * solve.box(y=(0, 2))).named("y=1.5")
    points = (LINE * solve.box(y=(0, 2))).points_on(side, 8, jr.key(0))
    np.testing.assert_array_equal(points[:, 1], 1.5)
    np.testing.assert_array_equal(side.normal(points[0]), [0.0, 1.0])
    for name in ("x=1.5", "z=0.5", "x=nowhere"):
        with pytest.raises(InputError, match="no face"):
            LINE.named(name)


def test_softened_problems_prescribe_nothing():
    problem = heat()
    soft = problem.softened()
    assert not problem.soft
    assert {c.label for c in soft.soft} == {"t=lower", "x=lower", "x=upper"}
    assert set(solve.objective_of(soft).terms) == {"equation", "t=lower", "boundary"}
    model = solve.model_of(soft, width=4, depth=1, key=jr.key(0))
    assert abs(float(solve.fields_of(model)(jnp.array([0.0, 0.5]))["u"])) > 1e-3


def test_faces_with_the_same_condition_are_one_term():
    square = solve.box(x=(0, 1), y=(0, 2))
    equation = lambda lap_u: lap_u
    edge = lambda x, y: x * (1 - x) * y * (2 - y)
    for boundary, labels in (
        (0.0, {"boundary"}),
        (edge, {"boundary"}),
        ({"x": 0.0, "y": edge}, {"x", "y"}),
        (
            {"x": 0.0, "y=lower": 0.0, "y=upper": edge},
            {"x=lower, x=upper, y=lower", "y=upper"},
        ),
        ({"x": {"u_n": 0.0}, "y": 0.0}, {"x=lower", "x=upper", "y"}),
    ):
        soft = solve.problem(square, equation, boundary=boundary).softened()
        assert set(solve.objective_of(soft).terms) == {"equation", *labels}
        samples = solve.samples_of(soft, solve.Counts(16, 8), jr.key(0))
        assert sum(len(samples[label].x) for label in labels) == 32
    for x in samples["y"].x:
        assert x[1] in (0.0, 2.0)


def test_an_initial_value_may_say_how_it_goes_on():
    course = lambda x, t: jnp.sin(jnp.pi * x) * jnp.exp(-t)
    ring = {"boundary": {"x": solve.periodic()}}
    free, held = heat(initial=course, **ring), heat(initial=course)
    x = jnp.array([0.3, 0.7])
    for problem, at in ((free, x), (held, None)):
        model = solve.model_of(problem, width=4, depth=1, key=jr.key(0))
        lift = solve.fields_of(model)(x)["u"] - model["net"].free(x)["u"]
        if at is not None:
            np.testing.assert_allclose(lift, course(*at), rtol=1e-14)
        begin = solve.fields_of(model)(x.at[1].set(0.0))["u"]
        np.testing.assert_allclose(begin, np.sin(0.3 * np.pi), rtol=1e-14)


def test_what_conditions_contribute_is_computed_once():
    problem = heat(initial=lambda x: jnp.sin(jnp.pi * x) ** 3)
    model = solve.model_of(problem, width=4, depth=1, key=jr.key(0))
    term = solve.objective_of(problem).terms["equation"]
    rows = solve.samples_of(problem, solve.Counts(2500, 10), jr.key(0))["equation"]
    plain = term.outputs(model, Samples(rows.x.x))[""]
    np.testing.assert_allclose(term.outputs(model, rows)[""], plain, atol=1e-12)
    assert len(plain) == 2500
    moved = solve.residual_adaptive(problem)(
        solve.objective_of(problem), model, {"equation": rows}, jr.key(1)
    )["equation"]
    assert jax.tree.structure(moved.x) == jax.tree.structure(rows.x)
    np.testing.assert_allclose(
        term.outputs(model, moved)[""],
        term.outputs(model, Samples(moved.x.x))[""],
        atol=1e-12,
    )
