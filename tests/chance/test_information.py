"""Entropies and divergences of tables: identities, limits, and what is refused."""

import lzma
import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import chance
from osculate.diff import log_determinant

MAXIMUM = jax.jit(chance.maximum_entropy)
SEEDS = st.integers(0, 2**31 - 1)
DIVERGENCES = {
    "kl": 1.0,
    "reverse_kl": 1.0,
    "jensen_shannon": 0.25,
    "squared_hellinger": 0.5,
    "chi_squared": 2.0,
}


def table(seed, *shape):
    return jr.dirichlet(jr.key(seed), jnp.ones(math.prod(shape))).reshape(shape)


def close(found, expected, atol=1e-14):
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def normal_table(x, mean, scale):
    return jax.nn.softmax(-0.5 * ((x - mean) / scale) ** 2)


@pytest.mark.spec("K1.10.1-3")
@settings(max_examples=10)
@given(SEEDS)
def test_bayes_joins_the_two_conditionals(seed):
    joint = table(seed, 3, 4)
    p_x, p_y = chance.marginal(joint, 0), chance.marginal(joint, 1)
    x_of_y, y_of_x = chance.conditional(joint, 1), chance.conditional(joint, 0)
    close(x_of_y * p_y[None], joint, 1e-15)
    close(y_of_x * p_x[:, None], joint, 1e-15)
    close(chance.bayes(p_x, y_of_x), x_of_y, 1e-15)
    close(chance.marginal(joint, (1, -2)), joint, 0)


def test_what_never_happens_has_no_posterior():
    joint = jnp.array([[0.5, 0.0], [0.5, 0.0]])
    close(chance.conditional(joint, 1), [[0.5, 0.0], [0.5, 0.0]], 0)
    posterior = chance.bayes(jnp.array([0.5, 0.5]), jnp.array([[1.0, 0.0], [3.0, 0.0]]))
    close(posterior, [[0.25, 0.0], [0.75, 0.0]], 0)


@pytest.mark.spec("K2.1.1-4")
@pytest.mark.parametrize("n", [1, 2, 7])
def test_entropy_of_equal_probabilities_counts_them(n):
    p = jnp.zeros(9).at[:n].set(1 / n)
    close(chance.entropy(p), math.log(n))
    assert jnp.all(jnp.isfinite(jax.grad(chance.entropy)(p)))
    close(jax.grad(chance.entropy)(p)[n:], np.zeros(9 - n), 0)


@pytest.mark.spec("K2.1.7")
def test_a_bit_is_log_2():
    fair = jnp.array([0.5, 0.5])
    close(chance.entropy(fair), 0.6931471805599453, 1e-15)
    close(chance.entropy(fair, base="bits"), 1, 1e-15)


@pytest.mark.spec("K2.1.8-9")
def test_entropy_counts_arrangements():
    log_choose = math.lgamma(1e6 + 1) - math.lgamma(3e5 + 1) - math.lgamma(7e5 + 1)
    off = log_choose / 1e6 - chance.entropy(jnp.array([0.3, 0.7]))
    close(off, -7.0e-6, 1e-7)


@pytest.mark.spec("K2.2.1-3")
def test_entropy_of_groups_adds():
    whole = chance.entropy(jnp.array([1 / 2, 1 / 3, 1 / 6]))
    groups = chance.entropy(jnp.array([1 / 2, 1 / 2]))
    inside = chance.entropy(jnp.array([2 / 3, 1 / 3]))
    close(whole, 1.0114042647073518, 1e-15)
    close(groups + inside / 2, whole, 1e-15)


@pytest.mark.spec("K2.2.4-5")
@pytest.mark.parametrize("depth", [2, 3])
def test_entropy_of_a_tree_is_its_depth(depth):
    leaves = jnp.full(2**depth, 0.5**depth)
    close(chance.entropy(leaves), depth * chance.entropy(jnp.array([0.5, 0.5])), 1e-15)
    close(chance.entropy(leaves, base="bits"), depth, 1e-15)


@pytest.mark.spec("K2.2.6-13")
def test_additive_and_monotone_is_the_logarithm():
    amount = lambda n: float(chance.entropy(jnp.full(n, 1 / n)))
    close(amount(2**5), 5 * amount(2))
    for n in (4, 16, 64):  # 2**m <= 3**n < 2**(m + 1) confines A(3) / A(2)
        m = (3**n).bit_length() - 1
        assert m / n <= amount(3) / amount(2) < (m + 1) / n


@pytest.mark.spec("K2.3.1", "K2.3.2")
@pytest.mark.parametrize("q", [(0.5, 0.5), (0.1, 0.2, 0.7)])
def test_divergence_is_the_rate_of_a_deviation(q):
    p = {2: (0.3, 0.7), 3: (0.5, 0.3, 0.2)}[len(q)]
    kl = float(chance.kl_divergence(jnp.array(p), jnp.array(q), base="bits"))
    off = []
    for N in (100, 1000, 10_000):
        log_p = math.lgamma(N + 1) + sum(
            N * a * math.log(b) - math.lgamma(N * a + 1)
            for a, b in zip(p, q, strict=True)
        )
        off.append(-log_p / math.log(2) / N - kl)
        assert 0 < off[-1] < len(q) * math.log2(N) / N
    assert off[0] > 5 * off[1] > 25 * off[2]


@pytest.mark.spec("K2.3.3-4")
@settings(max_examples=10)
@given(SEEDS)
def test_divergence_is_positive_and_one_sided(seed):
    p, q = table(seed, 5), table(seed + 1, 5)
    assert chance.kl_divergence(p, q) > 0
    assert chance.kl_divergence(p, p) == 0
    assert abs(chance.kl_divergence(p, q) - chance.kl_divergence(q, p)) > 1e-6


@pytest.mark.spec("K2.3.3-4")
def test_divergence_from_what_was_excluded():
    p, q = jnp.array([0.5, 0.5]), jnp.array([1.0, 0.0])
    assert jnp.isinf(chance.kl_divergence(p, q))
    close(chance.kl_divergence(q, p), math.log(2))
    assert jnp.all(jnp.isfinite(jax.grad(chance.kl_divergence)(q, p)))


@pytest.mark.spec("K2.3.3-4")
def test_the_likeliest_model_diverges_least():
    counts = jnp.array([3.0, 5.0, 2.0])
    model = lambda theta: jax.nn.softmax(jnp.stack([theta, 2 * theta, jnp.zeros(())]))
    likelihood = lambda theta: counts @ jnp.log(model(theta)) / 10
    divergence = lambda theta: chance.kl_divergence(counts / 10, model(theta))
    theta = jnp.asarray(0.3)
    close(jax.grad(divergence)(theta), -jax.grad(likelihood)(theta), 1e-14)


@pytest.mark.spec("K2.3/a")
def test_divergence_knows_no_triangle():
    coins = [jnp.array([p, 1 - p]) for p in (0.5, 0.25, 0.1)]
    far = chance.kl_divergence(coins[0], coins[2])
    steps = [chance.kl_divergence(*coins[i : i + 2]) for i in (0, 1)]
    close([far, sum(steps)], [0.5108256, 0.2361725], 1e-7)
    x = jnp.linspace(-12, 14, 4001)
    p, q, r = (normal_table(x, mean, 1.0) for mean in (0.0, 1.0, 2.0))
    found = [chance.kl_divergence(*pair) for pair in ((p, r), (p, q), (q, r))]
    close(found, [2.0, 0.5, 0.5], 1e-9)


@pytest.mark.spec("K2.3/b")
def test_one_side_covers_and_the_other_chooses():
    x = jnp.linspace(-32, 32, 1601)
    p = 0.5 * (normal_table(x, -3.0, 1.0) + normal_table(x, 3.0, 1.0))
    model = lambda theta: normal_table(x, theta[0], jnp.exp(theta[1]))
    forward = jax.jit(jax.grad(lambda theta: chance.kl_divergence(p, model(theta))))
    close(forward(jnp.array([0.0, 0.5 * math.log(10.0)])), [0, 0], 1e-10)
    reverse = jax.jit(jax.grad(lambda theta: chance.kl_divergence(model(theta), p)))
    theta = jnp.array([2.0, 0.0])
    theta = jax.lax.fori_loop(0, 500, lambda _, t: t - 0.1 * reverse(t), theta)
    close(theta, [3.0, 0.0], 0.05)
    close(reverse(theta), [0, 0], 1e-9)
    wide = jnp.array([0.0, 0.5 * math.log(10.0)])
    chosen = chance.kl_divergence(model(theta), p)
    close(chosen, math.log(2), 0.02)
    assert chance.kl_divergence(model(wide), p) > 1.3 * chosen


@pytest.mark.spec("K3.4.4")
@settings(max_examples=10)
@given(SEEDS)
def test_cross_entropy_is_entropy_and_divergence(seed):
    p, q = table(seed, 2, 3), table(seed + 1, 2, 3)
    expected = chance.entropy(p) + chance.kl_divergence(p, q)
    close(chance.cross_entropy(p, q), expected)


@pytest.mark.spec("K3.6.1")
def test_divergence_by_sampling(key):
    p, q = table(0, 6), table(1, 6)
    exact = chance.kl_divergence(p, q)
    errors = []
    for N in (1000, 100_000):
        costs = -jnp.log(q)[jr.choice(key, 6, (N,), p=p)]
        errors.append(float(jnp.std(costs)) / N**0.5)
        found = jnp.mean(costs) - chance.entropy(p)
        assert abs(found - exact) < 4.5 * errors[-1]
    close(errors[0] / errors[1], 10, 1)


@pytest.mark.spec("K3.6.2")
def test_root_of_jensen_shannon_is_a_distance(key):
    p, q, r = jr.dirichlet(key, jnp.full(5, 0.3), (3, 10_000))
    apart = lambda a, b: jnp.sqrt(jnp.maximum(chance.jensen_shannon(a, b, -1), 0))
    assert jnp.all(apart(p, r) <= apart(p, q) + apart(q, r) + 1e-12)
    assert jnp.all(chance.jensen_shannon(p, q, -1, "bits") <= 1 + 1e-12)
    close(chance.jensen_shannon(p, q, -1), chance.jensen_shannon(q, p, -1), 1e-15)


@pytest.mark.spec("K3.6.2")
def test_jensen_shannon_of_tables_that_are_almost_equal(key):
    # Never negative, and to all digits: that of p (1 +- s v) is sum(p v**2) s**2 / 2.
    k_p, k_v = jr.split(key)
    p, v = jr.dirichlet(k_p, jnp.ones(5), (1000,)), jr.normal(k_v, (1000, 5))
    v = v - jnp.sum(p * v, 1, keepdims=True)
    for s in (1e-3, 1e-6, 1e-9):
        found = chance.jensen_shannon(p * (1 + s * v), p * (1 - s * v), 1)
        exact = jnp.sum(p * v**2, 1) * s**2 / 2
        np.testing.assert_allclose(found, exact, rtol=20 * s**2 + 1e-6)
    near = jnp.nextafter(p, jnp.ones_like(p))
    assert jnp.all(chance.jensen_shannon(p, near, 1) >= 0)
    slope = jax.grad(lambda q: chance.jensen_shannon(p[0], q))(p[0])
    close(slope, jnp.zeros(5), 0)


@pytest.mark.spec("K3.6/a")
@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergences_are_one_metric_nearby(name):
    q = table(3, 4)
    logits = jnp.log(q)
    to = lambda v: chance.f_divergence(name, jax.nn.softmax(v), q)
    metric = chance.fisher_metric(jax.nn.log_softmax, logits)
    close(jax.jit(jax.hessian(to))(logits), DIVERGENCES[name] * metric, 1e-12)


@pytest.mark.spec("K3.6/a")
@pytest.mark.parametrize(("p", "q"), [((0.4, 0.6, 0.0), (0.0, 0.5, 0.5))])
def test_named_divergences_where_something_is_excluded(p, q):
    p, q = jnp.array(p), jnp.array(q)
    found = {name: chance.f_divergence(name, p, q) for name in chance.GENERATORS}
    assert jnp.isinf(found["kl"])
    assert jnp.isinf(found["reverse_kl"])
    assert jnp.isinf(found["chi_squared"])
    close(found["jensen_shannon"], chance.jensen_shannon(p, q))
    close(found["squared_hellinger"], jnp.sum((jnp.sqrt(p) - jnp.sqrt(q)) ** 2))
    close(found["total_variation"], 0.5 * jnp.sum(jnp.abs(p - q)))
    own = chance.f_divergence(lambda t: 0.5 * jnp.abs(t - 1), p, q, slope=0.5)
    close(own, found["total_variation"])
    for name in ("jensen_shannon", "squared_hellinger"):
        slope = jax.grad(lambda p, name=name: chance.f_divergence(name, p, q))(p)
        assert jnp.all(jnp.isfinite(slope))


@pytest.mark.spec("K2.5.1", "K2.5.2", "K2.5.3-4")
@settings(max_examples=10)
@given(SEEDS)
def test_entropies_of_two_variables(seed):
    joint = table(seed, 3, 4)
    p_x, p_y = chance.marginal(joint, 0), chance.marginal(joint, 1)
    both, x, y = map(chance.entropy, (joint, p_x, p_y))
    x_of_y = chance.conditional_entropy(joint, given=1)
    y_of_x = chance.conditional_entropy(joint, given=0)
    information = chance.mutual_information(joint)
    assert 0 <= x_of_y <= x
    close(both, y + x_of_y)
    close(x + y - both, information)
    close(x - x_of_y, information)
    close(y - y_of_x, information)
    close(chance.kl_divergence(joint, p_x[:, None] * p_y[None]), information)
    assert information >= 0


@pytest.mark.spec("K2.5.1")
def test_a_function_leaves_nothing_unknown():
    joint = jnp.array([[0.25, 0.0], [0.0, 0.5], [0.25, 0.0]])
    assert chance.conditional_entropy(joint, given=0) == 0
    close(chance.conditional_entropy(joint, given=1, base="bits"), 0.5)
    assert jnp.all(jnp.isfinite(jax.grad(chance.mutual_information)(joint)))


@pytest.mark.spec("K2.5.3-4")
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_information_of_two_normal_numbers(rho):
    x = jnp.linspace(-8, 8, 401)
    a, b = jnp.meshgrid(x, x)
    density = jnp.exp(-0.5 * (a**2 - 2 * rho * a * b + b**2) / (1 - rho**2))
    found = chance.mutual_information(density / jnp.sum(density))
    close(found, -0.5 * math.log(1 - rho**2), 1e-10)


@pytest.mark.spec("K2.5.5-6")
@settings(max_examples=10)
@given(SEEDS)
def test_divergence_of_a_joint_table_adds(seed):
    p, q = table(seed, 3, 4), table(seed + 1, 3, 4)
    p_x, q_x = chance.marginal(p, 0), chance.marginal(q, 0)
    rest = chance.kl_divergence(chance.conditional(p, 0), chance.conditional(q, 0), 1)
    whole = chance.kl_divergence(p, q)
    close(whole, chance.kl_divergence(p_x, q_x) + p_x @ rest)
    assert whole >= chance.kl_divergence(p_x, q_x)


@pytest.mark.spec("K2.5/a")
def test_entropy_is_strongly_subadditive(key):
    tables = jr.dirichlet(key, jnp.full(24, 0.5), (2000,)).reshape(2000, 2, 3, 4)

    def gain(joint):
        keep = lambda *axes: chance.entropy(chance.marginal(joint, axes))
        return keep(0, 1) + keep(1, 2) - keep(1) - keep(0, 1, 2)

    gains = jax.jit(jax.vmap(gain))(tables)
    assert jnp.min(gains) > -1e-14
    chain = table(0, 2, 3)[:, :, None] * chance.conditional(table(1, 3, 4), 0)[None]
    close(gain(chain), 0)


@pytest.mark.spec("K2.4.1-3")
@settings(max_examples=10)
@given(SEEDS, st.floats(0.05, 0.95))
def test_boltzmann_has_the_largest_entropy(seed, share):
    E = jr.normal(jr.key(seed), (6,))
    mean = jnp.min(E) + share * (jnp.max(E) - jnp.min(E))
    p, beta, error = MAXIMUM(E, mean)
    close(p @ E, mean, 1e-10)
    assert error < 1e-12
    # Stationary: log p + beta E is one constant.
    close(jnp.ptp(jnp.log(p) + beta * E), 0, 1e-10)
    ones = jnp.stack([jnp.ones(6), E])
    v = jr.normal(jr.key(seed + 1), (6,))
    v = v - ones.T @ jnp.linalg.solve(ones @ ones.T, ones @ v)
    v = 0.1 * v * jnp.min(p) / jnp.max(jnp.abs(v))
    assert chance.entropy(p + v) < chance.entropy(p)


@pytest.mark.spec("K2.4.1-3")
def test_multipliers_are_differentiable():
    E = jnp.array([[0.0, 1.0, 2.0, 5.0], [1.0, 0.0, 3.0, -1.0]])
    m = jnp.array([1.5, 1.0])
    found = MAXIMUM(E, m)
    close(E @ found.probabilities, m, 1e-12)
    entropy = lambda m: chance.entropy(MAXIMUM(E, m).probabilities)
    close(jax.jit(jax.grad(entropy))(m), found.multipliers, 1e-10)
    covariance = (E * found.probabilities[None]) @ E.T - m[:, None] * m[None]
    multipliers = lambda m: MAXIMUM(E, m).multipliers
    close(jax.jit(jax.jacrev(multipliers))(m), -jnp.linalg.inv(covariance), 1e-10)
    close(jax.jit(jax.hessian(entropy))(m), -jnp.linalg.inv(covariance), 1e-9)


def test_maximum_entropy_far_out_in_float32():
    E = jnp.array([0.0, 1.0, 1e4], jnp.float32)
    p, beta, error = MAXIMUM(E, jnp.float32(1e-3))
    np.testing.assert_allclose(p @ E, 1e-3, rtol=1e-5)
    np.testing.assert_allclose(beta, math.log(999), rtol=1e-5)
    assert error < 1e-9
    assert p.dtype == beta.dtype == jnp.float32
    assert jnp.all(jnp.isfinite(p))


def test_maximum_entropy_says_what_cannot_be():
    with pytest.raises(ValueError, match="`maximum_entropy`: means lie outside"):
        chance.maximum_entropy(jnp.array([0.0, 1.0]), 1.5)
    together = jnp.array([[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    found = MAXIMUM(together, jnp.array([0.5, 1.5]))
    assert found.error > 0.1
    found = MAXIMUM(together, jnp.array([0.5, 0.5]))
    assert found.error < 1e-12
    close(found.multipliers[0], found.multipliers[1], 1e-10)


@pytest.mark.spec("K2.4.4-5")
@settings(max_examples=10)
@given(SEEDS)
def test_reweighting_diverges_by_the_mean_energy(seed):
    p, E = table(seed, 5), jr.normal(jr.key(seed + 1), (5,))
    E = E + jnp.log(p @ jnp.exp(-E))
    close(chance.kl_divergence(p, p * jnp.exp(-E)), E @ p, 1e-13)


@pytest.mark.spec("K2.4.6-8")
def test_the_normal_law_has_the_largest_entropy():
    x = jnp.linspace(-10, 10, 801)
    mean, variance = 0.7, 1.3
    energies = jnp.stack([x, x**2])
    found = MAXIMUM(energies, jnp.array([mean, variance + mean**2]))
    close(found.probabilities, normal_table(x, mean, variance**0.5), 1e-10)
    close(found.multipliers, [-mean / variance, 0.5 / variance], 1e-8)
    largest = chance.entropy(found.probabilities) + math.log(x[1] - x[0])
    close(largest, 0.5 * math.log(2 * math.pi * math.e * variance), 1e-9)
    laplace = 1 + 0.5 * math.log(2 * variance)
    uniform = 0.5 * math.log(12 * variance)
    assert largest > max(laplace, uniform) + 0.05


@pytest.mark.spec("K2.4/a")
def test_sums_approach_the_largest_entropy():
    n = 200
    uniform = np.full(n, 1 / n)
    p, found = uniform, []
    for terms in range(1, 7):
        scale = math.sqrt(terms * (n**2 - 1) / 12)
        found.append(float(chance.entropy(jnp.asarray(p))) - math.log(scale))
        p = np.convolve(p, uniform)
    limit = 0.5 * math.log(2 * math.pi * math.e)
    assert np.all(np.diff(found) > 0)
    close(found[0], 0.5 * math.log(12), 1e-4)
    assert 0 < limit - found[-1] < 2e-3


@pytest.mark.spec("K2.7.1-3", "K2.7.4-5", "K2.7.6")
def test_the_price_of_forgetting():
    close(chance.landauer(16.0) / 4.59e-20, 1, 1e-3)
    game = chance.landauer(1e23 * 32)
    close(game, 9187, 10)
    floor = chance.landauer(1e14 * 16)
    close(floor, 4.6e-6, 1e-8)
    close(250 / floor, 5.44e7, 5e5)


@pytest.mark.spec("K2/a")
def test_two_information_theories(key):
    """Entropy is of the law of a text; the length of a description, of the text."""
    p, N = jnp.array([0.7, 0.2, 0.1]), 20_000
    bits = N * float(chance.entropy(p, base="bits"))
    drawn = np.asarray(jr.choice(key, 3, (N,), p=p), np.uint8)
    length = lambda text: 8 * len(lzma.compress(text.tobytes(), preset=9))
    # No code beats the entropy by more than the noise of what was drawn ...
    surprise = float(jnp.sqrt(p @ jnp.log2(p) ** 2 - (bits / N) ** 2))
    assert bits - 4.5 * surprise * N**0.5 < length(drawn) < 1.4 * bits
    # ... but the same letters in order, of the same entropy, take next to nothing.
    ordered = np.sort(drawn)
    frequencies = [jnp.bincount(text, length=3) / N for text in (drawn, ordered)]
    close(*map(chance.entropy, frequencies), 0)
    assert length(ordered) < 0.1 * bits


@pytest.mark.spec("K2.7.7-8")
def test_a_sum_that_keeps_a_term_forgets_nothing():
    shear = lambda z: jnp.stack([z[0], z[0] + z[1]])
    back = lambda z: jnp.stack([z[0], z[1] - z[0]])
    np.testing.assert_array_equal(shear(jnp.array([58, 23])), [58, 81])
    whole = jnp.stack(jnp.meshgrid(*[jnp.arange(64)] * 2), axis=-1).reshape(-1, 2)
    np.testing.assert_array_equal(jax.vmap(lambda z: back(shear(z)))(whole), whole)
    # Of a table over a finite register: moved, not merged. The sum alone merges.
    joint, n = table(0, 6, 6), np.arange(6)
    moved = joint[n[:, None], (n[None] - n[:, None]) % 6]
    close(chance.entropy(moved), chance.entropy(joint))
    lost = chance.entropy(joint) - chance.entropy(chance.marginal(moved, 1))
    close(lost, chance.conditional_entropy(moved, given=1))
    assert lost > 0.5


@pytest.mark.spec("K2.7.7-8")
def test_an_additive_coupling_has_volume_1():
    """The same with any function of what is kept: a layer of a flow."""
    bend = lambda x: jnp.sin(3 * x) + x**2
    forward = lambda z: jnp.stack([z[0], z[1] + bend(z[0])])
    back = lambda z: jnp.stack([z[0], z[1] - bend(z[0])])
    base = chance.Independent(chance.Normal(jnp.zeros(2), 1.0), 1)
    law = chance.Transformed(base, forward, back)
    points = jr.normal(jr.key(0), (20, 2))
    close(jax.vmap(log_determinant(forward))(points), jnp.zeros(20))
    close(jax.vmap(lambda z: back(forward(z)))(points), points)
    close(law.log_prob(jax.vmap(forward)(points)), base.log_prob(points))


def test_tables_in_float32_and_by_axes(key):
    p = jr.dirichlet(key, jnp.ones(1000), (7,), jnp.float32)
    found = jax.jit(jax.vmap(chance.entropy))(p)
    close(chance.entropy(p, axis=1), found, 1e-5)
    exact = p.astype(float)
    exact = exact / jnp.sum(exact, 1, keepdims=True)
    close(found, chance.entropy(exact, 1), 1e-5)
    tiny = jnp.array([1e-37, 1.0], jnp.float32)
    close(chance.kl_divergence(tiny[::-1], tiny), 37 * math.log(10), 1e-4)


def test_tables_of_whole_numbers():
    certain = jnp.array([0, 1, 0])
    assert chance.entropy(certain) == 0
    assert chance.kl_divergence(certain, certain) == 0
    assert chance.perplexity(certain) == 1
    close(chance.bayes(certain, jnp.array([[1], [2], [3]])), certain[:, None], 0)
    dice = chance.maximum_entropy(jnp.arange(1, 7), 3.5)
    close(dice.probabilities, jnp.full(6, 1 / 6))


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (
            lambda: chance.entropy(jnp.array([0.5, 0.6])),
            "`entropy`: p sums to 1 within",
        ),
        (lambda: chance.entropy(jnp.array([1.5, -0.5])), "`entropy`: p has negative"),
        (lambda: chance.entropy(jnp.ones(1), base="dits"), "`entropy`: base 'dits'"),
        (
            lambda: chance.kl_divergence(jnp.ones(1), jnp.full(2, 0.5)),
            r"`kl_divergence`: p has shape \(1,\) and q \(2,\)",
        ),
        (
            lambda: chance.f_divergence("k", jnp.ones(1), jnp.ones(1)),
            "`f_divergence`: f 'k' is not known; expected a function or one of kl",
        ),
        (
            lambda: chance.marginal(jnp.eye(2) / 2, 2),
            r"`marginal`: axes \(2,\), but the table has 2",
        ),
        (
            lambda: chance.mutual_information(jnp.eye(2)),
            "`mutual_information`: joint sums to 1 within 1; expected exactly",
        ),
        (
            lambda: chance.mutual_information(jnp.ones((2, 2, 2)) / 8),
            r"`mutual_information`: joint has shape \(2, 2, 2\)",
        ),
        (
            lambda: chance.bayes(jnp.ones(1), jnp.ones((3, 2))),
            r"`bayes`: likelihood has shape \(3, 2\) with 1 hypotheses",
        ),
        (
            lambda: chance.maximum_entropy(jnp.ones((2, 3)), 1.0),
            r"`maximum_entropy`: energies have shape \(2, 3\), means \(\)",
        ),
        (
            lambda: chance.maximum_entropy(jnp.arange(3.0), 1.0, jnp.ones(4)),
            r"`maximum_entropy`: prior has shape \(4,\); expected \(3,\)",
        ),
        (
            lambda: chance.maximum_entropy(jnp.arange(3.0), 1.0, -jnp.ones(3)),
            "`maximum_entropy`: prior is negative",
        ),
        (lambda: chance.entropy(jnp.zeros(0)), "`entropy`: p sums to 1 within 1"),
        (
            lambda: chance.bayes(jnp.ones(1), -jnp.ones(1)),
            "`bayes`: likelihood is negative",
        ),
        (lambda: chance.landauer(1.0, -1.0), "`landauer`: temperature is -1.0 K"),
    ],
)
def test_refusals(refused, message):
    with pytest.raises(ValueError, match=message):
        refused()
