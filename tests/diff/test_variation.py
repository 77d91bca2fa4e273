"""The equation of Euler and Lagrange beside closed forms."""

import jax
import jax.numpy as jnp
import pytest

from osculate import diff

U = lambda p: jnp.sin(p[0] + 2 * p[1]) * jnp.exp(p[0] * p[1])
P = jnp.array([0.3, -0.7])


def parts(u=U, p=P):
    g, H = jax.grad(u)(p), jax.hessian(u)(p)
    return u(p), g, H


def test_minimal_surfaces():
    area = diff.equation(lambda u_x, u_y: jnp.sqrt(1 + u_x**2 + u_y**2), over="x y")
    found = diff.euler_lagrange(area)
    _, g, H = parts()
    top = (1 + g[1] ** 2) * H[0, 0] - 2 * g[0] * g[1] * H[0, 1]
    top += (1 + g[0] ** 2) * H[1, 1]
    assert jnp.allclose(found(U, P), -top / (1 + g @ g) ** 1.5)
    assert set(found.derivatives) == {"u_x", "u_y", "u_xx", "u_xy", "u_yy"}
    assert found.orders("u") == (2, 2)


def test_a_gradient_is_all_its_entries():
    f = lambda x, y: jnp.exp(x - y)
    whole = diff.equation(
        lambda grad_u, u, x, y: jnp.sum(grad_u**2) / 2 + u**4 / 4 - f(x, y) * u,
        over="x y",
    )
    u, _, H = parts()
    expected = u**3 - f(*P) - jnp.trace(H)
    assert jnp.allclose(diff.euler_lagrange(whole)(U, P), expected)


def test_coefficients_are_differentiated_too():
    density = diff.equation(
        lambda u, u_x, u_y, x, y, k: k * (1 + x**2 * u) * u_x**2 / 2 + y * u_x * u_y,
        over="x y",
        others="k",
    )
    k, (x, y), (u, g, H) = 3.0, P, parts()
    forces = k * x**2 * g[0] ** 2 / 2
    first = k * (2 * x * u + x**2 * g[0]) * g[0] + k * (1 + x**2 * u) * H[0, 0]
    second = y * H[0, 1] + y * H[0, 1] + g[0]
    found = diff.euler_lagrange(density)(U, P, k=k)
    assert jnp.allclose(found, forces - first - second)


def test_time_is_no_part_of_a_gradient():
    action = diff.equation(
        lambda u_t, grad_u: u_t**2 / 2 - jnp.sum(grad_u**2) / 2, over="x t", time="t"
    )
    _, _, H = parts()
    assert jnp.allclose(diff.euler_lagrange(action)(U, P), H[0, 0] - H[1, 1])


def test_several_fields_and_vectors():
    fields = lambda p: {"w": jnp.stack([U(p), p[0] ** 3]), "q": p[0] * p[1] ** 2}
    density = diff.equation(
        lambda w_x, q, q_y: w_x @ w_x / 2 + q * w_x[1] + q_y**3,
        over="x y",
        fields="w q",
    )
    found = diff.euler_lagrange(density)(fields, P)
    (x, y), (_, _, H) = P, parts()
    assert jnp.allclose(found["w"], -jnp.stack([H[0, 0], 6 * x + y**2]))
    assert jnp.allclose(found["q"], 3 * x**2 - 6 * (2 * x * y) * 2 * x)


def test_higher_derivatives_are_refused():
    bending = diff.equation(lambda u_xx: u_xx**2, over="x")
    with pytest.raises(ValueError, match="'u_xx'; expected fields and their first"):
        diff.euler_lagrange(bending)


def test_a_density_is_one_number():
    forgotten = diff.equation(lambda grad_u: grad_u**2, over="x y")
    with pytest.raises(ValueError, match=r"returns shape \(2,\); expected one number"):
        diff.euler_lagrange(forgotten)(U, P)
