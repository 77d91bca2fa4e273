"""What is declared is read and checked at once."""

import jax.numpy as jnp
import numpy as np
import pytest

from osculate import solve
from osculate.core import InputError

LINE = solve.interval(x=(0, 1))
STRIP = LINE * solve.time(t=(0, 1))


def heat(**changes):
    choices = {
        "domain": STRIP,
        "equation": lambda u_t, u_xx: u_t - u_xx,
        "initial": lambda x: jnp.sin(jnp.pi * x),
        "boundary": {"x": 0.0},
    }
    return solve.problem(**{**choices, **changes})


def test_burgers_takes_a_dozen_lines():
    burgers = solve.problem(
        domain=solve.box(x=(-1, 1)) * solve.time(t=(0, 1)),
        equation=lambda u, u_t, u_x, u_xx, nu: u_t + u * u_x - nu * u_xx,
        constants={"nu": 0.01 / jnp.pi},
        initial=lambda x: -jnp.sin(jnp.pi * x),
        boundary={"x": 0.0},
    )
    assert burgers.domain.names == ("x", "t")
    assert not burgers.soft
    assert burgers.residuals == ("",)
    assert "hard       u: x=lower (value)" in burgers.explain()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"equation": lambda u_t, uxx: u_t - uxx}, "'uxx' is not known"),
        ({"equation": lambda u_t, u_xx, k: u_t - k * u_xx}, "'k' is not known"),
        ({"equation": lambda *args: 0.0}, "argument names are the request"),
        ({"boundary": {"y": 0.0}}, "no face 'y'"),
        ({"boundary": {"x=left": 0.0}}, "no face 'x=left'"),
        ({"initial": None}, "of order 1 in t"),
        ({"initial": {"u": 0.0, "u_t": 0.0}}, "of order 1 in t"),
        ({"boundary": {"x=lower": 0.0}}, "of order 2 in x.*got .'u at x=lower'"),
        ({"boundary": {"x": {"u": 0.0, "u_x": 0.0}}}, "Take away"),
        ({"boundary": {"x": solve.periodic(), "x=lower": 0.0}}, "x is periodic"),
        ({"boundary": {"x": 0.0, "x=upper": 0.0}}, "prescribed twice"),
        ({"initial": lambda x: 1.0 + x}, "contradict each other.*x=0, t=0"),
        ({"boundary": {"x": np.nan}}, "expected a finite number"),
        ({"boundary": {"x": "0"}}, "is '0'; expected a finite"),
        ({"boundary": {"x": [1.0, 2.0]}}, "prescribed twice"),
        ({"boundary": {"x": np.zeros(2)}}, "of shape .2,."),
        ({"boundary": {"x": {"v": 0.0}}}, "'v' is no field"),
        ({"boundary": {"x": {"u_n": lambda u: 2 * u}}}, "does not ask for u_n"),
        ({"constants": {"x": 1.0}}, "declared twice"),
        ({"constants": {"k": "wide"}}, "constants: k is 'wide'"),
        ({"fields": {"u": 0, "v": 0}}, "does not say of which field"),
        ({"corners": "ignore"}, "corners is 'ignore'"),
        ({"data": {"x": [0.5], "t": [0.5]}}, "coordinates only"),
        ({"data": {"x": [0.5], "u": [0.5]}}, "no column 't'"),
        ({"data": {"x": [0.5], "t": [2.0], "u": [0.5]}}, "outside the domain.*t=2"),
        ({"data": {"x": [0.5], "t": [0.5], "v": [0.5]}}, "column 'v'"),
        ({"data": {"x": [0.5], "t": [0.5], "u": [0.5, 1.0]}}, "differ in length"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes, said):
    with pytest.raises(InputError, match=f"(?s){said}"):
        heat(**changes)


def test_typo_gets_the_nearest_name():
    with pytest.raises(InputError, match="Did you mean 'nu'"):
        heat(equation=lambda u_t, u_xx, nuu: u_t - nuu * u_xx, constants={"nu": 1.0})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: solve.box(), "no coordinates"),
        (lambda: solve.box(x=(1, 0)), "the smaller one first"),
        (lambda: solve.box(x=3), "expected two finite numbers"),
        (lambda: solve.interval(x=(0, 1), y=(0, 1)), "expected one"),
        (lambda: solve.time(t=(0, 1), s=(0, 1)), "expected one"),
        (lambda: LINE * LINE, "'x' is there twice"),
        (lambda: STRIP * solve.time(s=(0, 1)), "two times"),
    ],
)
def test_domains_are_checked(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_points_on_faces_lie_there_and_normals_point_outwards(key):
    domain = solve.box(x=(-1, 2), y=(0, 1)) * solve.time(t=(0, 5))
    for name, side in domain.sides.items():
        coordinate, _, end = name.partition("=")
        place = domain.names.index(coordinate)
        points = domain.points_on(side, 10, key)
        limits = domain.low if end == "lower" else domain.high
        assert jnp.all(points[:, place] == limits[place])
        assert jnp.all(jnp.asarray([bool(domain.inside(p)) for p in points]))
        normal = side.normal(points[0])
        assert float(normal[place]) == (-1.0 if end == "lower" else 1.0)
        assert float(jnp.sum(jnp.abs(normal))) == 1.0
        assert float(side.distance(points[0])) == 0.0


def test_points_are_evenly_spread(key):
    domain = solve.box(x=(-1, 2), y=(0, 1))
    points = domain.points(2000, key)
    assert jnp.allclose(jnp.mean(points, axis=0), jnp.array([0.5, 0.5]), atol=2e-3)
    assert jnp.allclose(jnp.mean(points[:, 0] * points[:, 1]), 0.25, atol=3e-3)


def test_contradiction_that_is_declared_becomes_soft():
    square = solve.box(x=(0, 1), y=(0, 1))
    problem = solve.problem(
        square,
        lambda lap_u: lap_u,
        boundary={"y=lower": 0.0, "x": 0.0, "y=upper": 1.0},
        corners="allow",
    )
    assert [c.words for c in problem.soft] == ["u at y=upper"]


def test_linearity_is_found():
    assert solve.is_linear(heat())
    assert solve.is_linear(heat(equation=lambda u_t, u_xx, x: u_t - x * u_xx + 1.0))
    assert not solve.is_linear(heat(equation=lambda u, u_t, u_xx: u_t - u * u_xx))
