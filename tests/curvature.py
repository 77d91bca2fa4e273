"""Small objectives whose curvature can be had in full, by flat vectors."""

from functools import cache

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree

from osculate import chance, diff, nets
from osculate.core import Fixed, Gaussian, Objective, Samples, Term, trainable

N = 7
RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.uniform(-1, 1, (N, 2)))


def value(net, x, y):
    return net(x)


def equation(model, x, y):
    """Values and a differential residual of a scaled net with an unknown."""
    u = lambda x: model["net"](model["scale"].value * x)[0]
    lap = diff.laplacian(u)(x)
    return {"u": u(x), "poisson": lap - jnp.exp(model["nu"]) * x[0]}


def slope(model, x, y):
    return jax.jacfwd(model["net"])(x)


def net(outputs, key=0, depth=2):
    return nets.MLP(2, outputs, width=8, depth=depth, key=jr.key(key))


def make(name):
    """Returns (objective, model, samples)."""
    if name == "gaussian":
        y = jnp.asarray(RNG.normal(size=(N, 2)))
        weight = jnp.asarray([[1.0, 0], [2, 1], [0, 1], [1, 1], [1, 3], [0, 0], [1, 1]])
        objective = Objective({"": Term(value, Gaussian(0.7), 2.0)})
        return objective, net(2), {"": Samples(X, y, weight)}
    if name == "categorical":
        y = jnp.asarray(RNG.integers(0, 3, N))
        weight = jnp.asarray([1.0, 2, 0, 1, 0.5, 1, 1])
        objective = Objective({"class": Term(value, chance.CategoricalLoss())})
        return objective, net(3), {"class": Samples(X, y, weight)}
    if name == "poisson":
        y = jnp.asarray(RNG.integers(0, 5, (N, 1)))
        objective = Objective({"count": Term(value, chance.PoissonLoss())})
        return objective, net(1), {"count": Samples(X, y)}
    model = {
        "net": net(1, depth=1),
        "scale": Fixed(jnp.asarray(1.5)),
        "nu": jnp.asarray(0.3),
    }
    terms = {
        "equation": Term(equation, weight={"u": 1.0, "poisson": 0.2}),
        "slope": Term(slope, Gaussian(jnp.asarray([[0.5, 2.0]]))),
    }
    y = {"u": jnp.asarray(RNG.normal(size=N)), "poisson": None}
    weight = {"u": jnp.asarray([1.0, 1, 0, 0, 1, 2, 1]), "poisson": None}
    samples = {"equation": Samples(X, y, weight), "slope": Samples(0.5 * X[:3])}
    return Objective(terms), model, samples


NAMES = ("gaussian", "categorical", "poisson", "residual")
PROBLEMS = {name: make(name) for name in NAMES}
SQUARES = ("gaussian", "residual")


def flat(model):
    """Returns the trained numbers as a vector, and the way back to a model."""
    theta, build = trainable(model)
    vector, unravel = ravel_pytree(theta)
    return vector, lambda v: build(unravel(v))


def tree(operator, seed=0):
    """Returns a random vector that an operator takes."""
    rng = np.random.default_rng(seed)
    draw = lambda s: jnp.asarray(rng.normal(size=s.shape), s.dtype)
    return jax.tree.map(draw, operator.in_structure())


@cache
def dense_hessian(name):
    objective, model, samples = PROBLEMS[name]
    theta, build = flat(model)
    return jax.jit(jax.hessian(lambda t: objective(build(t), samples)[0]))(theta)


@cache
def dense_gauss_newton(name):
    objective, model, samples = PROBLEMS[name]
    theta, build = flat(model)
    z, unravel = ravel_pytree(objective.outputs(model, samples))
    outputs = lambda t: ravel_pytree(objective.outputs(build(t), samples))[0]
    J = jax.jit(jax.jacobian(outputs))(theta)
    L = jax.jit(jax.hessian(lambda z: objective.loss(unravel(z), samples)[0]))(z)
    return J.T @ L @ J


@cache
def dense_jacobian(name):
    objective, model, samples = PROBLEMS[name]
    theta, build = flat(model)

    def residuals(t):
        found = objective.residuals(build(t), samples)
        parts = []
        for label, term in objective.terms.items():
            row = jax.tree.map(lambda a: a[0], (samples[label].x, samples[label].y))
            names = [f"{label}.{k}" if k else label for k in term.at(model, *row)]
            rows = [found[k].reshape(len(found[k]), -1) for k in names]
            parts.append(jnp.concatenate(rows, 1).ravel())
        return jnp.concatenate(parts)

    return jax.jit(jax.jacobian(residuals))(theta)
