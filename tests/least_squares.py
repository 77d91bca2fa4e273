"""Small objectives for the tests of curvature, with their dense derivatives."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.flatten_util import ravel_pytree

from osculate import diff, nets
from osculate.core import Gaussian, Objective, Samples, Term, trainable


class Vector(eqx.Module):
    """A model that is nothing but its parameters."""

    theta: jax.Array


def quadratic(H, b):
    """The objective `theta' H theta / 2 - b' theta`, with one row that says nothing."""
    linear = lambda z, y, w=1.0: jnp.sum(w * z)
    probe = lambda m, x, y: 0.5 * m.theta @ H @ m.theta - b @ m.theta
    return Objective({"q": Term(probe, linear)}), {"q": Samples(jnp.zeros((1, 1)))}


def rosenbrock():
    """Residuals `10 (y - x^2)` and `1 - x`: the minimum 0 is at (1, 1)."""

    def probe(m, x, y):
        a, b = m.theta
        return jnp.stack([10 * (b - a**2), 1 - a])

    return Objective({"r": Term(probe)}), {"r": Samples(jnp.zeros((1, 1)))}


def regression(key, N=12, width=5):
    """A network with values and slopes to fit, some weights 0."""
    k1, k2, k3 = jr.split(key, 3)
    net = nets.MLP(2, 2, width=width, depth=2, key=k1)
    x = jr.uniform(k2, (N, 2))

    def probe(m, x, y):
        return {"value": m(x), "slope": jax.jacfwd(m)(x)}

    truth = lambda x: jnp.stack([jnp.sin(3 * x[0]) * x[1], jnp.cos(x[1] - x[0])])
    y = {"value": jax.vmap(truth)(x), "slope": jax.vmap(jax.jacfwd(truth))(x)}
    weight = {"value": jr.bernoulli(k3, 0.8, (N,)).astype(float), "slope": None}
    term = Term(probe, Gaussian(0.5), {"value": 2.0, "slope": 0.3})
    return Objective({"fit": term}), net, {"fit": Samples(x, y, weight)}


def poisson(key, N=30, width=6):
    """The equation of Poisson on the unit square with the condition built in."""
    net = nets.MLP(2, 1, width=width, depth=2, key=key)
    x = jr.uniform(jr.fold_in(key, 1), (N, 2))
    u = lambda m: lambda p: p[0] * (1 - p[0]) * p[1] * (1 - p[1]) * m(p)[0]
    source = lambda p: jnp.prod(jnp.sin(jnp.pi * p)) * 2 * jnp.pi**2
    probe = lambda m, p, y: diff.laplacian(u(m))(p) + source(p)
    return Objective({"equation": Term(probe)}), net, {"equation": Samples(x)}


def dense(objective, model, samples):
    """Returns residuals and their Jacobian by plain nested differentiation."""
    theta, build = trainable(model)
    flat, unravel = ravel_pytree(theta)

    def residuals(flat):
        found = objective.residuals(build(unravel(flat)), samples)
        return jnp.concatenate([jnp.ravel(r) for r in found.values()])

    return residuals(flat), jax.jacrev(residuals)(flat)
