"""Every distribution that numpyro has too, at many parameters drawn at random.

All laws of a kind are one batch, and all of one library one compiled call. numpyro's
formulas cancel a little: the tolerance is 1e-9.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as numpyro
import pytest
import scipy.special

from osculate import chance

N = 50  # laws of a kind
RNG = np.random.default_rng(0)


def positive():
    """From 1/20 to 20, evenly in the logarithm."""
    return jnp.asarray(np.exp(RNG.uniform(-3, 3, N)))


def real(*shape):
    return jnp.asarray(2 * RNG.normal(size=(N, *shape)))


def shares(*shape):
    return jnp.asarray(RNG.dirichlet(np.full(shape[-1], 2.0), (N, *shape[:-1])))


def triangle(entries):
    """Lower triangular matrices `(N, 2, 2)` of three numbers each."""
    a, b, c = jnp.exp(entries[:, 0]), entries[:, 1], jnp.exp(entries[:, 2])
    rows = jnp.stack([a, jnp.zeros_like(a)], -1), jnp.stack([b, c], -1)
    return jnp.stack(rows, -2)


def counts(most):
    return jnp.asarray(RNG.integers(0, most + 1, N))


# Ours and theirs of the same parameters, the parameters of two laws, and where.
CASES = {
    "normal": (
        chance.Normal,
        numpyro.Normal,
        [(real(), positive()) for _ in range(2)],
        real(),
    ),
    "laplace": (
        chance.Laplace,
        numpyro.Laplace,
        [(real(), positive()) for _ in range(2)],
        real(),
    ),
    "cauchy": (
        chance.Cauchy,
        numpyro.Cauchy,
        [(real(), positive()) for _ in range(2)],
        real(),
    ),
    "student_t": (
        chance.StudentT,
        numpyro.StudentT,
        [(positive(), real(), positive()) for _ in range(2)],
        real(),
    ),
    "gumbel": (
        chance.Gumbel,
        numpyro.Gumbel,
        [(real(), positive()) for _ in range(2)],
        real(),
    ),
    "exponential": (
        chance.Exponential,
        numpyro.Exponential,
        [(positive(),) for _ in range(2)],
        positive(),
    ),
    "gamma": (
        chance.Gamma,
        numpyro.Gamma,
        [(positive(), positive()) for _ in range(2)],
        positive(),
    ),
    "beta": (
        chance.Beta,
        numpyro.Beta,
        [(positive(), positive()) for _ in range(2)],
        shares(2)[:, 0],
    ),
    "dirichlet": (
        chance.Dirichlet,
        numpyro.Dirichlet,
        [(jnp.exp(real(3)),) for _ in range(2)],
        shares(3),
    ),
    "bernoulli": (
        chance.Bernoulli,
        numpyro.BernoulliLogits,
        [(real(),) for _ in range(2)],
        counts(1),
    ),
    "binomial": (
        lambda logits: chance.Binomial(37, logits),
        lambda logits: numpyro.BinomialLogits(logits, total_count=37),
        [(real(),) for _ in range(2)],
        counts(37),
    ),
    "poisson": (
        chance.Poisson,
        numpyro.Poisson,
        [(positive(),) for _ in range(2)],
        counts(30),
    ),
    "categorical": (
        chance.Categorical,
        numpyro.CategoricalLogits,
        [(real(4),) for _ in range(2)],
        counts(3),
    ),
    "multivariate_normal": (
        lambda mean, entries: chance.MultivariateNormal(mean, triangle(entries)),
        lambda mean, entries: numpyro.MultivariateNormal(
            mean, scale_tril=triangle(entries)
        ),
        [(real(2), 0.5 * real(3)) for _ in range(2)],
        real(2),
    ),
    "independent": (
        lambda mean, log_scale: chance.Independent(
            chance.Normal(mean, jnp.exp(log_scale))
        ),
        lambda mean, log_scale: numpyro.Independent(
            numpyro.Normal(mean, jnp.exp(log_scale)), 1
        ),
        [(real(3), real(3)) for _ in range(2)],
        real(3),
    ),
    "mixture": (
        lambda logits, rate: chance.Mixture(
            chance.Categorical(logits), chance.Gamma(jnp.exp(rate), jnp.exp(-rate))
        ),
        lambda logits, rate: numpyro.MixtureSameFamily(
            numpyro.CategoricalLogits(logits),
            numpyro.Gamma(jnp.exp(rate), jnp.exp(-rate)),
        ),
        [(real(3), real(3)) for _ in range(2)],
        positive(),
    ),
    "transformed": (
        lambda mean, scale: chance.Transformed(
            chance.Normal(mean, scale), jnp.exp, jnp.log
        ),
        numpyro.LogNormal,
        [(real(), positive()) for _ in range(2)],
        positive(),
    ),
}
# Cauchy has none, the log-normal none in closed form, numpyro's choices no numbers.
NO_MOMENTS = {"cauchy", "transformed", "categorical"}
# numpyro has no entropy of the first four; ours of the log-normal has no closed form.
NO_ENTROPY = {"binomial", "poisson", "gumbel", "mixture", "transformed"}
KL = {"normal", "gamma", "beta", "dirichlet", "multivariate_normal", "independent"}


def asked(ours):
    """Returns one compiled function of all parameters and places: name -> answers."""
    kl = chance.kl if ours else numpyro.kl_divergence

    def of(name, theta, other, x):
        make = CASES[name][0 if ours else 1]
        d = make(*theta)
        found = {"log_prob": d.log_prob(x)}
        total = lambda theta: jnp.sum(make(*theta).log_prob(x))
        for i, slope in enumerate(jax.grad(total)(theta)):
            found[f"slope {i}"] = slope
        if name not in NO_MOMENTS:
            found |= {"mean": d.mean, "variance": d.variance}
        if name not in NO_ENTROPY:
            found["entropy"] = d.entropy()
        if name in KL:
            found["kl"] = kl(d, make(*other))
        return found

    return jax.jit(lambda given: {name: of(name, *given[name]) for name in given})


@pytest.fixture(scope="module")
def answers():
    given = {name: (*laws, x) for name, (_, _, laws, x) in CASES.items()}
    found = asked(ours=True)(given)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        expected = asked(ours=False)(given)
    return jax.tree.map(np.asarray, (found, expected))


@pytest.mark.parametrize("name", CASES)
def test_numpyro_says_the_same(name, answers):
    """Where it says infinity of the mean of Student's t, there is none.

    Its entropies of Beta and Student and its divergence of Beta are good to 1e-6: the
    next test has closer ones.
    """
    found, expected = (a[name] for a in answers)
    for what, wanted in expected.items():
        known = np.isfinite(wanted)
        assert known.mean() > 0.2
        rough = what in ("entropy", "kl") and name in ("beta", "student_t")
        np.testing.assert_allclose(
            found[what][known],
            wanted[known],
            rtol=5e-6 if rough else 1e-9,
            atol=1e-11,
            err_msg=f"{name}: {what}",
        )


def test_beta_and_student_agree_with_scipy(answers):
    """The formulas as printed, with scipy's functions: they cancel to 1e-10."""
    found = answers[0]
    (a, b), (c, d) = (map(np.asarray, theta) for theta in CASES["beta"][2])
    psi, log_beta = scipy.special.digamma, scipy.special.betaln
    entropy = log_beta(a, b) - (a - 1) * psi(a) - (b - 1) * psi(b)
    entropy += (a + b - 2) * psi(a + b)
    np.testing.assert_allclose(found["beta"]["entropy"], entropy, rtol=0, atol=1e-10)
    kl = log_beta(c, d) - log_beta(a, b) + (a - c) * psi(a) + (b - d) * psi(b)
    kl += (c - a + d - b) * psi(a + b)
    np.testing.assert_allclose(found["beta"]["kl"], kl, rtol=1e-9, atol=1e-10)
    nu, _, scale = map(np.asarray, CASES["student_t"][2][0])
    entropy = (nu + 1) / 2 * (psi((nu + 1) / 2) - psi(nu / 2)) + np.log(scale)
    entropy += np.log(nu) / 2 + log_beta(nu / 2, 0.5)
    np.testing.assert_allclose(
        found["student_t"]["entropy"], entropy, rtol=0, atol=1e-10
    )
