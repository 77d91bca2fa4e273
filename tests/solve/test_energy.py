"""Problems declared by an energy, and the method of Ritz."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from osculate import solve, tasks
from osculate.core import InputError

SQUARE = solve.box(x=(0, 1), y=(0, 2))


def hat(x, y):
    return jnp.sin(jnp.pi * x) * jnp.sin(jnp.pi * y / 2)


def membrane(k=1.25 * jnp.pi**2, domain=SQUARE, **changes):
    """`lap u + k hat = 0`, whose answer is hat."""
    choices = {"boundary": 0.0, "reference": hat, "constants": {"k": k}}
    density = lambda grad_u, u, x, y, k: jnp.sum(grad_u**2) / 2 - k * hat(x, y) * u
    return solve.problem(domain, solve.energy(density), **{**choices, **changes})


def test_an_energy_is_its_equation_too():
    problem = membrane()
    x = jnp.asarray(SQUARE.interior(20, jr.key(0)))
    fields = lambda p: {"u": hat(*p)}
    for p in x:
        left = problem.equation(fields, p, k=problem.constants["k"])
        assert abs(float(left)) < 1e-4
    assert "energy     grad_u, u, x, y, k" in problem.explain()
    assert solve.is_linear(problem)


def test_the_energy_is_integrated_by_gauss():
    problem = membrane()
    objective, samples = (
        solve.ritz(problem),
        solve.ritz_samples(problem, 400, jr.key(0)),
    )
    model = {"net": lambda p, unknowns: {"u": hat(*p)}, "unknowns": {}}
    mean = float(objective(model, samples)[0])
    # half of k |u|^2 - 2 k |u|^2, |u|^2 = 1/2 over an area of 2
    assert mean == pytest.approx(-1.25 * np.pi**2 / 4 / 2, rel=1e-5)
    assert float(samples["equation"].weight.sum()) == pytest.approx(2.0)
    many = solve.box(**dict.fromkeys("abcd", (0, 1)))
    of = solve.problem(
        many, solve.energy(lambda grad_u: jnp.sum(grad_u**2)), boundary=0.0
    )
    assert len(solve.ritz_samples(of, 1000, jr.key(0))["equation"].x) == 8000
    disc = solve.ball(x=0.0, y=0.0, radius=1.0)
    there = solve.ritz_samples(membrane(domain=disc), 400, jr.key(0))["equation"].x
    assert (jnp.linalg.norm(there, axis=1) <= 1).all()


def test_the_method_of_ritz_finds_the_minimum(tmp_path):
    choices = {"form": "energy", "width": 10, "points": 400, "budget": "300steps"}
    found = tasks.solve(membrane(), out=tmp_path / "run", **choices)
    assert found.relative_l2() < 1e-3
    assert found.error_estimate == pytest.approx(found.relative_l2(), rel=0.5)
    assert found.words["form"] == "energy"
    left = found.residual(x=0.3, y=0.8)[""]
    lap = found.derivative("lap_u", x=0.3, y=0.8)
    np.testing.assert_allclose(
        left, -lap - 1.25 * np.pi**2 * hat(0.3, 0.8), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (
            lambda: membrane(boundary={"x": 0.0, "y": lambda u, u_n: u_n + u**3}),
            "soft conditions",
        ),
        (
            lambda: membrane(boundary={"x": 0.0, "y": lambda u, u_n: u_n + u}),
            "slopes that are not 0, or are tied",
        ),
        (
            lambda: membrane(boundary={"x": 0.0, "y": {"u_n": 1.0}}),
            "soft conditions|slopes that are not 0, or are tied",
        ),
        (lambda: membrane(constants={}, unknowns={"k": 1.0}), "unknowns"),
        (lambda: membrane(integrals=[solve.integral(lambda u: u)]), "integrals"),
        (
            lambda: solve.problem(
                solve.time(t=(0, 1)),
                solve.energy(lambda u, u_t: u_t**2 / 2 - u**2 / 2),
                initial={"u": 1.0, "u_t": 0.0},
            ),
            "time",
        ),
    ],
)
def test_the_energy_alone_is_minimized(problem, said):
    with pytest.raises(InputError, match=f"with ({said})"):
        tasks.solve(problem(), form="energy")


def test_no_flux_is_what_a_minimum_has_by_itself():
    line = solve.interval(x=(0, 1))
    density = solve.energy(lambda u_x, u: u_x**2 / 2 - u)
    problem = solve.problem(
        line, density, boundary={"x=lower": 0.0, "x=upper": {"u_x": 0.0}}
    )
    choices = {"form": "energy", "width": 6, "depth": 1, "points": 40}
    found = tasks.solve(problem, **choices, budget="200steps")
    x = np.linspace(0, 1, 30)
    assert np.abs(found(x=x) - (x - x**2 / 2)).max() < 1e-4


def test_densities_have_first_derivatives():
    with pytest.raises(InputError, match=r"the energy: .*'u_xx'"):
        solve.problem(SQUARE, solve.energy(lambda u_xx: u_xx**2), boundary=0.0)
    with pytest.raises(InputError, match=r"the energy: .*'v' is not known"):
        solve.problem(SQUARE, solve.energy(lambda v: v**2), boundary=0.0)
