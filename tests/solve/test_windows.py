"""Windows of time: conditions and passages are exact whatever the weights are."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import solve
from osculate.core import InputError

END, COUNT = 3.0, 3


def wave(**changes):
    choices = {
        "initial": {"u": lambda x: jnp.sin(x), "u_t": lambda x: x * (1 - x)},
        "boundary": {"x=lower": 0.0, "x=upper": lambda t: jnp.sin(1.0) * (1 + t**2)},
    }
    return solve.problem(
        solve.interval(x=(0, 1)) * solve.time(t=(0, END)),
        lambda u_tt, u_xx: u_tt - u_xx,
        **{**choices, **changes},
    )


def flow():
    """A pressure without an initial condition beside a velocity with one."""
    return solve.problem(
        solve.interval(x=(0, 1)) * solve.time(t=(0, END)),
        lambda v_t, v_x, p_x, p: (v_t + jnp.stack([p_x, p_x]), v_x[0] + p),
        fields={"v": 2, "p": 0},
        initial={"v": lambda x: jnp.stack([x, x**2])},
        boundary={"x=lower": {"v": lambda t: jnp.zeros(2) * t}},
    )


@functools.cache
def windows_of(declare):
    """Returns all windows with random weights, and the model of each."""
    cut, times = solve.windowed(declare(), COUNT)
    each, model = [], None
    for k in range(COUNT):
        made = solve.model_of(cut, width=4, depth=1, key=jr.key(k))
        net = made["net"].net
        model = solve.next_window(model) if k else solve.first_window(made, times)
        inner = lambda named: named["net"].net.net
        model = eqx.tree_at(inner, model, net)
        each.append(model)
    return solve.all_windows(model), each


@eqx.filter_jit
def jet(model, p):
    """Returns values and the first and second derivatives of all fields."""
    u = solve.fields_of(model)
    return u(p), jax.jacfwd(u)(p), jax.jacfwd(jax.jacfwd(u))(p)


@pytest.mark.spec("S2.2")
def test_initial_and_boundary_values_are_exact():
    model, _ = windows_of(wave)
    for x in (0.13, 0.5, 0.9):
        value, slope, _ = jet(model, jnp.array([x, 0.0]))
        assert float(value["u"]) == pytest.approx(np.sin(x), abs=1e-15)
        assert float(slope["u"][1]) == pytest.approx(x * (1 - x), abs=1e-15)
    for t in np.linspace(0, END, 9):
        value, _, _ = jet(model, jnp.array([0.0, t]))
        assert float(value["u"]) == pytest.approx(0.0, abs=1e-15)
        value, _, _ = jet(model, jnp.array([1.0, t]))
        end = np.sin(1.0) * (1 + t**2)
        assert float(value["u"]) == pytest.approx(end, abs=1e-14)


@pytest.mark.parametrize("k", range(1, COUNT))
def test_value_and_velocity_pass_from_window_to_window(k):
    model, _ = windows_of(wave)
    t = END / COUNT * k
    for x in (0.2, 0.7):
        before, after = (jet(model, jnp.array([x, t + d])) for d in (-1e-10, 1e-10))
        np.testing.assert_allclose(before[0]["u"], after[0]["u"], atol=1e-8)
        np.testing.assert_allclose(before[1]["u"], after[1]["u"], atol=1e-7)
        assert abs(before[2]["u"] - after[2]["u"])[1, 1] > 1e-3


def test_the_whole_is_each_window_where_it_holds():
    model, each = windows_of(wave)
    for k, window in enumerate(each):
        for s in (0.1, 0.8):
            p = jnp.array([0.4, END / COUNT * (k + s)])
            for whole, alone in zip(jet(model, p), jet(window, p), strict=True):
                np.testing.assert_allclose(whole["u"], alone["u"], rtol=1e-12)


def test_fields_go_on_by_as_many_derivatives_as_they_begin_with():
    model, _ = windows_of(flow)
    t = END / COUNT
    before, after = (jet(model, jnp.array([0.3, t + d]))[0] for d in (-1e-10, 1e-10))
    np.testing.assert_allclose(before["v"], after["v"], atol=1e-8)
    assert float(abs(before["p"] - after["p"])) > 1e-3
    value, _, _ = jet(model, jnp.array([0.0, 2.2]))
    np.testing.assert_allclose(value["v"], 0.0, atol=1e-15)


def test_points_lie_in_their_window(key):
    problem = wave()
    cut, _ = solve.windowed(problem, COUNT)
    _, each = windows_of(wave)
    for k, model in enumerate(each):
        before = model["net"].before
        rows = solve.samples_of(cut, solve.Counts(50, 9), key, before)["equation"]
        sampler = eqx.filter_jit(solve.residual_adaptive(cut, before=before))
        moved = sampler(solve.objective_of(cut), model, {"equation": rows}, key)
        for x in (rows.x.x, moved["equation"].x.x):
            assert float(x[:, 1].min()) >= END / COUNT * k
            assert float(x[:, 1].max()) <= END / COUNT * (k + 1)
            assert float(x[:, 1].max() - x[:, 1].min()) > 0.8 * END / COUNT


def test_what_windows_before_contribute_is_computed_once(key):
    """The residual at prepared points is that at bare points."""
    cut, _ = solve.windowed(wave(), COUNT)
    term = solve.objective_of(cut).terms["equation"]
    at = eqx.filter_jit(
        lambda m, rows: jax.vmap(lambda x: term.probe(m, x, None))(rows)
    )
    for model in windows_of(wave)[1]:
        rows = solve.samples_of(cut, solve.Counts(20, 5), key, model["net"].before)
        spots = rows["equation"].x
        np.testing.assert_allclose(
            at(model, spots), at(model, spots.x), rtol=1e-9, atol=1e-9
        )


def test_a_coordinate_whose_name_ends_as_that_of_time():
    leaky = {"height=lower": lambda u_n, u: u_n + u**3, "height=upper": 0.0}
    problem = solve.problem(
        solve.interval(height=(0, 1)) * solve.time(t=(0, 1)),
        lambda u_t, u_heightheight: u_t - u_heightheight,
        initial=0.0,
        boundary=leaky,
        corners="allow",
    )
    assert problem.soft
    assert solve.windowed(problem, 2)[1].count == 2


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            lambda: solve.problem(
                solve.interval(x=(0, 1)),
                lambda u_x, x: u_x - x,
                boundary={"x=lower": 0},
            ),
            "the domain has none",
        ),
        (lambda: wave().softened(), "soft conditions in time"),
        (
            lambda: wave(
                unknowns={"c": 1.0}, data={"x": [0.5], "t": [0.5], "u": [0.1]}
            ),
            "data, unknowns",
        ),
    ],
)
def test_what_windows_cannot_do_is_said(problem, said):
    with pytest.raises(InputError, match=said):
        solve.windowed(problem(), 2)
