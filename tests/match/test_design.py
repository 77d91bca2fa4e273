"""Sequential design against refitted processes, and against dense algebra."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import match, nets
from osculate.core import InputError, Samples

RNG = np.random.default_rng(1)
N, C, D, M = 4, 14, 2, 2
SIZE = np.array([1.0, 30.0])
X = RNG.uniform(-1, 2, (N, D)) * SIZE
CANDIDATES = RNG.uniform(-1, 2, (C, D)) * SIZE
VALUE, SLOPE = RNG.normal(size=(N, M)), RNG.normal(size=(N, M, D)) / SIZE
HYPER = match.Hyperparameters(
    jnp.asarray([[0.9, 40.0], [1.4, 25.0]]),
    jnp.asarray([1.3, 0.6]),
    {"value": jnp.asarray([0.1, 0.02])},
)
X_SCALE, Y_SCALE = np.array([0.7, 20.0]), np.array([1.5, 0.4])
SIGMA = {"value": 0.05, "jacobian": [[0.1, 0.002]]}
QUIET = match.Hyperparameters(HYPER.length_scale, HYPER.amplitude, {})


def process(order=1, trend="constant", hyper=QUIET, more=(), new_order=1, sigma=None):
    """Values of all points; gradients of the first ones if order, of more if new."""
    x = np.concatenate([X, *more])
    k = len(x) - N
    zero = np.zeros((k, M)), np.zeros((k, M, D))
    y = {"value": np.concatenate([VALUE, zero[0]])}
    weight = {"value": np.ones((N + k, M))}
    if order or (new_order and k):
        y["jacobian"] = np.concatenate([SLOPE, zero[1]])
        weight["jacobian"] = np.concatenate(
            [np.full(SLOPE.shape, float(order)), np.full((k, M, D), float(new_order))]
        )
    given = {name: s for name, s in (sigma or {}).items() if name in y}
    return match.gaussian_process(
        Samples(x, y, weight), trend=trend, hyperparameters=hyper, sigma=given
    )


@eqx.filter_jit
def total(process, x):
    """The trace of the jet's covariance, in standard units."""

    def one(x):
        slope = process.variance(x, 1) * X_SCALE[None] ** 2 / Y_SCALE[:, None] ** 2
        return jnp.sum(process.variance(x, 0) / Y_SCALE**2) + jnp.sum(slope)

    return jax.vmap(one)(x)


def scales():
    return {"x_scale": X_SCALE, "y_scale": Y_SCALE}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "new_order", "trend", "noisy"),
    [(0, 1, "none", True), (1, 0, "linear", False)],
)
def test_equal_to_processes_refitted_with_the_chosen_points(
    order, new_order, trend, noisy
):
    hyper, sigma = (HYPER, SIGMA) if noisy else (QUIET, {})
    given = {"trend": trend, "hyper": hyper, "new_order": new_order, "sigma": sigma}
    first = process(order, **given)
    found = match.propose(
        first, CANDIDATES, 2, order=new_order, sigma=sigma, **scales()
    )
    more, index, means = [], [], []
    for _ in range(2):
        left = np.array(total(process(order, more=more, **given), CANDIDATES))
        means.append(left.mean())
        left[index] = -1.0
        index.append(int(left.argmax()))
        more.append(CANDIDATES[index[-1:]])
    last = total(process(order, more=more, **given), CANDIDATES)
    np.testing.assert_array_equal(found.rows, index)
    np.testing.assert_array_equal(found.x, CANDIDATES[index])
    np.testing.assert_allclose(found.mean_variance[:-1], means, rtol=1e-8)
    np.testing.assert_allclose(found.mean_variance[-1], np.mean(last), rtol=1e-8)
    atol = 1e-10 * means[0]  # where nothing is left, rounding of what there was
    np.testing.assert_allclose(found.remaining, last, rtol=1e-8, atol=atol)


def test_default_scales_of_a_process():
    one = process()
    found = match.propose(one, CANDIDATES, 3)
    same = match.propose(
        one, CANDIDATES, 3, x_scale=X.std(axis=0), y_scale=HYPER.amplitude
    )
    np.testing.assert_allclose(found.mean_variance, same.mean_variance, rtol=1e-13)


def make(key):
    net = nets.MLP(D, M, width=6, depth=1, key=key)
    scale = {"x_shift": jnp.zeros(D), "x_scale": jnp.asarray(SIZE)}
    return nets.Standardized(net, **scale, y_shift=jnp.ones(M), y_scale=jnp.ones(M))


ENSEMBLE = nets.ensemble(make, 5, key=jr.key(0))


def dense(x, order, count, sigma):
    """The greedy choice with the whole matrix, by Schur complements."""
    every = [
        (net(p), jax.jacfwd(net)(p))
        for i in range(5)
        for net in [jax.tree.map(lambda a, i=i: a[i], ENSEMBLE.members)]
        for p in jnp.asarray(x)
    ]
    value = np.reshape([v for v, _ in every], (5, C, M)) / Y_SCALE
    slope = np.reshape([j for _, j in every], (5, C, M, D))
    slope = slope * X_SCALE / Y_SCALE[:, None]
    value, slope = value - value.mean(axis=0), slope - slope.mean(axis=0)
    length = X_SCALE * np.sqrt((value**2).sum() / (slope**2).sum(axis=(0, 1, 2)))
    z = x / (1.5 * length)
    taper = np.exp(-0.5 * ((z[:, None] - z[None]) ** 2).sum(axis=-1))
    rows = np.concatenate([value, slope.reshape(5, C, -1)], axis=2)
    R = rows.shape[2]
    K = np.einsum("ecr,eds->crds", rows, rows) / 4 * taper[:, None, :, None]
    K = K.reshape(C * R, C * R)
    noise = np.concatenate(
        [
            np.broadcast_to(sigma["value"], M) / Y_SCALE,
            (
                np.broadcast_to(sigma["jacobian"], (M, D)) * X_SCALE / Y_SCALE[:, None]
            ).ravel(),
        ]
    )
    q = M * (1 + D * order)
    index, means = [], []
    for _ in range(count):
        left = np.diag(K).reshape(C, R).sum(axis=1)
        means.append(left.mean())
        free = left.copy()
        free[index] = -1.0
        index.append(int(free.argmax()))
        at = index[-1] * R + np.arange(q)
        block = K[np.ix_(at, at)] + np.diag(noise[:q] ** 2)
        K = K - K[:, at] @ np.linalg.pinv(block, rcond=1e-13, hermitian=True) @ K[at]
    left = np.diag(K).reshape(C, R).sum(axis=1)
    return index, [*means, left.mean()], left


@pytest.mark.parametrize("order", [0, 1])
def test_equal_to_dense_algebra_of_an_ensemble(order):
    given = {"order": order, "sigma": SIGMA, **scales()}
    found = match.propose(ENSEMBLE, CANDIDATES, 5, **given)
    index, means, left = dense(CANDIDATES, order, 5, SIGMA)
    np.testing.assert_array_equal(found.rows, index)
    np.testing.assert_allclose(found.mean_variance, means, rtol=1e-8)
    np.testing.assert_allclose(found.remaining, left, rtol=1e-8, atol=1e-10)


def test_more_points_than_an_ensemble_has_members_are_spread_out():
    """Five members' jets have rank 4, one jet of these has 3 rows: the taper helps."""
    line = jnp.linspace(0, 1, 41)[:, None] * jnp.asarray(SIZE)[None]
    found = match.propose(ENSEMBLE, line, 6)
    assert len(np.unique(found.rows)) == 6
    assert np.diff(np.sort(found.rows)).min() >= 3
    assert np.all(np.diff(found.mean_variance) < 0)
    np.testing.assert_allclose(found.remaining[found.rows], 0.0, atol=1e-10)


def test_the_choice_of_a_process_is_spread_out():
    """The three of the largest variance now are neighbours; those chosen are not."""
    line = np.linspace(-1, 2, C)[:, None] * SIZE
    first = process()
    found = match.propose(first, line, 3, **scales())
    largest = np.argsort(np.asarray(total(first, line)))[-3:]
    gap = lambda rows: np.diff(np.sort(np.asarray(rows))).min()
    assert gap(largest) == 1 < gap(found.rows)


@pytest.mark.parametrize("posterior", ["process", "ensemble"])
def test_the_variance_never_grows(posterior):
    known = process() if posterior == "process" else ENSEMBLE

    @settings(max_examples=10)
    @given(st.integers(0, 10**6), st.floats(0, 1))
    def law(seed, noise):
        x = np.random.default_rng(seed).uniform(-1, 2, (C, D)) * SIZE
        found = match.propose(known, x, 3, sigma={"value": noise})
        assert np.all(np.diff(found.mean_variance) <= 0)
        assert np.all(found.remaining >= 0)
        np.testing.assert_allclose(found.mean_variance[-1], found.remaining.mean())
        assert len(set(np.asarray(found.rows).tolist())) == 3
        np.testing.assert_array_equal(found.x, x[found.rows])

    law()


def test_noise_leaves_some_variance():
    loud = {"value": 1e6, "jacobian": 1e6}
    for known in (process(), ENSEMBLE):
        clear, deaf = (
            match.propose(known, CANDIDATES, 3, sigma=s) for s in (None, loud)
        )
        best = clear.rows[0]
        assert clear.remaining[best] < 1e-9 * clear.mean_variance[0]
        np.testing.assert_allclose(deaf.mean_variance, deaf.mean_variance[0], rtol=1e-6)


def test_gradients_tell_more_than_values():
    for known in (process(), ENSEMBLE):
        less, more = (match.propose(known, CANDIDATES, 3, order=k) for k in (0, 1))
        assert less.rows[0] == more.rows[0]
        assert more.mean_variance[1] < less.mean_variance[1]


def test_members_of_named_fields():
    named = nets.ensemble(
        lambda key: nets.Named(make(key), {"z": 0, "a": 0}), 5, key=jr.key(0)
    )
    found = match.propose(named, CANDIDATES, 3, y_scale=Y_SCALE)
    same = match.propose(ENSEMBLE, CANDIDATES, 3, y_scale=Y_SCALE)
    np.testing.assert_array_equal(found.rows, same.rows)
    np.testing.assert_allclose(found.remaining, same.remaining, rtol=1e-9, atol=1e-12)


ALIKE = nets.Ensemble(jax.tree.map(lambda a: a[jnp.zeros(3, int)], ENSEMBLE.members))
ALONE = nets.Ensemble(jax.tree.map(lambda a: a[:1], ENSEMBLE.members))


@pytest.mark.parametrize(
    ("posterior", "options", "message"),
    [
        (ENSEMBLE, {"count": C + 1}, f"count is {C + 1} of {C} candidates"),
        (ENSEMBLE, {"count": 0}, "count is 0 of"),
        (ENSEMBLE, {"order": 2}, "order is 2; expected 0"),
        (ENSEMBLE, {"sigma": {"valeu": 1.0}}, "noise of 'valeu'.*Did you mean 'value'"),
        (ENSEMBLE, {"sigma": {"value": np.ones(3)}}, r"shape \(3,\); expected a num"),
        (ENSEMBLE, {"sigma": {"value": -1.0}}, "is -1 to -1; expected standard dev"),
        (ENSEMBLE, {"x_scale": 0.0}, r"x_scale is 0.0; expected one positive number, "),
        (ENSEMBLE, {"y_scale": np.ones(3)}, r"y_scale is \[1. 1. 1.\]; expected one"),
        (ENSEMBLE, {"candidates": CANDIDATES * np.nan}, "are infinite or NaN"),
        (ALIKE, {}, "the 3 members agree at all 14 candidates"),
        (ALONE, {}, "the ensemble has one member"),
    ],
)
def test_what_cannot_be_used(posterior, options, message):
    given = {"candidates": CANDIDATES, "count": 2, **options}
    with pytest.raises(InputError, match=f"`match.propose`: .*{message}"):
        match.propose(posterior, given.pop("candidates"), given.pop("count"), **given)


def test_candidates_of_another_size():
    with pytest.raises(
        InputError, match=r"candidates of shape \(14, 1\); expected \(C"
    ):
        match.propose(process(), CANDIDATES[:, :1], 2)


def test_more_candidates_than_fit_into_memory(monkeypatch):
    one = process()
    monkeypatch.setattr("os.sysconf", lambda name: 30)
    with pytest.raises(InputError, match="14 candidates and 6 new entries need about"):
        match.propose(one, CANDIDATES, 2)
