from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osculate import data
from osculate.data import check_derivatives

NAMES = {(0, 0): "dh/dT", (0, 1): "dh/dp", (1, 0): "drho/dT", (1, 1): "drho/dp"}
ROWS = (50, 100, 200, 400)


def edited(table, edit, order="jacobian"):
    y = {label: np.array(array) for label, array in table.y.items()}
    edit(y[order])
    return replace(table, y=y)


def swap(a, b):
    def edit(array):
        first = array[:, *a].copy()
        array[:, *a] = array[:, *b]
        array[:, *b] = first

    return edit


def scale(factor, *entries):
    def edit(array):
        for entry in entries:
            array[:, *entry] *= factor

    return edit


def found(table):
    return {(s.kind, frozenset(s.columns)) for s in check_derivatives(table)}


@pytest.mark.parametrize("rows", [10, 20, *range(50, 401, 25)])
def test_water_raises_no_alarm(rows):
    assert check_derivatives(data.water().rows(slice(rows))) == []


def test_water_test_raises_no_alarm():
    assert check_derivatives(data.water_test()) == []


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(
    ("a", "b"), [((0, 0), (0, 1)), ((0, 0), (1, 0)), ((1, 0), (1, 1)), ((0, 1), (1, 1))]
)
def test_swapped(a, b, rows):
    table = edited(data.water().rows(slice(rows)), swap(a, b))
    assert found(table) == {("swapped", frozenset({NAMES[a], NAMES[b]}))}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("entry", NAMES)
def test_negated(entry, rows):
    table = edited(data.water().rows(slice(rows)), scale(-1, entry))
    assert found(table) == {("negated", frozenset({NAMES[entry]}))}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("factor", [1e3, 1e-3, 1e6])
@pytest.mark.parametrize("m", [0, 1])
def test_rescaled(m, factor, rows):
    water = data.water().rows(slice(rows))
    for entries in ([(m, 0)], [(m, 1)], [(m, 0), (m, 1)]):
        suspicions = check_derivatives(edited(water, scale(factor, *entries)))
        assert {s.columns for s in suspicions} == {(NAMES[e],) for e in entries}
        for suspicion in suspicions:
            assert suspicion.kind == "rescaled"
            assert suspicion.factor * factor == pytest.approx(1, rel=0.1)
            assert suspicion.misfit_before > 10 * suspicion.misfit_after


@pytest.mark.parametrize("rows", ROWS)
def test_second_derivatives(rows):
    water = data.water().rows(slice(rows))

    def exchange(H):
        H[:, 0, 0, 0], H[:, 0, 0, 1] = H[:, 0, 0, 1].copy(), H[:, 0, 0, 0].copy()
        H[:, 0, 1, 0] = H[:, 0, 0, 1]

    wanted = {("swapped", frozenset({"d2h/dT2", "d2h/dTdp"}))}
    assert found(edited(water, exchange, "hessian")) == wanted
    mixed = scale(-1, (1, 0, 1), (1, 1, 0))
    assert found(edited(water, mixed, "hessian")) == {
        ("negated", frozenset({"d2rho/dTdp"}))
    }


def test_a_fault_of_first_derivatives_is_not_laid_to_the_second():
    table = edited(data.water().rows(slice(100)), scale(1e3, (0, 0)))
    assert found(table) == {("rescaled", frozenset({"dh/dT"}))}


def test_several_faults():
    def edit(J):
        swap((0, 0), (0, 1))(J)
        scale(-1, (1, 0))(J)

    assert found(edited(data.water().rows(slice(100)), edit)) == {
        ("swapped", frozenset({"dh/dT", "dh/dp"})),
        ("negated", frozenset({"drho/dT"})),
    }
    everything = scale(-1, *NAMES)
    assert found(edited(data.water().rows(slice(100)), everything)) >= {
        ("negated", frozenset({name})) for name in NAMES.values()
    }


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.2]))
@settings(max_examples=15)
def test_noise_raises_no_alarm(seed, noise):
    rng = np.random.default_rng(seed)
    table = data.water().rows(slice(100))
    for order in ("jacobian", "hessian"):
        factor = 1 + noise * rng.standard_normal(table.y[order].shape)
        table = replace(table, y=table.y | {order: table.y[order] * factor})
    assert check_derivatives(table) == []


@pytest.mark.parametrize("spread", ["even", "random"])
def test_kinks_and_parabolas_raise_no_alarm(spread):
    x = np.linspace(-1, 1, 41)
    if spread == "random":
        x = np.random.default_rng(0).uniform(-1, 1, 41)
    cases = [
        (x**2, 2 * x),
        (np.abs(x), np.sign(x)),
        (np.maximum(x, 0), (x > 0) * 1.0),
        (np.floor(3 * x), 0 * x),
    ]
    for y, slope in cases:
        assert check_derivatives(data.table(x, y, jacobian=slope)) == []
    assert found(data.table(x, x**2, jacobian=-2 * x)) == {
        ("negated", frozenset({"dy/dx"}))
    }


def smooth(seed, N, D, M):
    """Returns a table of random sums of sines, in units that differ by decades."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (N, D))
    W, a = rng.standard_normal((M, 4, D)), rng.standard_normal((M, 4))
    phase = np.einsum("mkd,nd->nmk", W, x) + rng.uniform(0, 6, (M, 4))
    y = (a * np.sin(phase)).sum(-1)
    J = np.einsum("mk,nmk,mkd->nmd", a, np.cos(phase), W)
    H = -np.einsum("mk,nmk,mkd,mke->nmde", a, np.sin(phase), W, W)
    s, t = 10.0 ** rng.integers(-3, 4, D), 10.0 ** rng.integers(-3, 4, M)
    J, H = J * t[:, None] / s, H * t[:, None, None] / s[:, None] / s
    return x * s, y * t, J, H


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 2))
@settings(max_examples=40)
def test_random_smooth_functions(seed, D, M):
    x, y, J, H = smooth(seed, 200, D, M)
    names = {
        "inputs": [f"a{d}" for d in range(D)],
        "outputs": [f"y{m}" for m in range(M)],
    }
    clean = data.table(x, y, jacobian=J, hessian=H, **names)
    assert check_derivatives(clean) == []
    noisy = J * (1 + 0.1 * np.random.default_rng(seed).standard_normal(J.shape))
    assert check_derivatives(data.table(x, y, jacobian=noisy, **names)) == []


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.sampled_from([-1.0, 1e3, 1e-3]),
)
@settings(max_examples=30)
def test_random_smooth_functions_with_a_fault(seed, D, factor):
    x, y, J, _ = smooth(seed, 300, D, 1)
    # A column that adds little beside the others cannot be judged.
    size = np.abs(J[:, 0] * np.ptp(x, axis=0)).mean(0)
    d = int(np.argmax(size))
    J[:, 0, d] *= factor
    names = [f"a{d}" for d in range(D)]
    table = data.table(x, y, jacobian=J, inputs=names, outputs=["y"])
    kind = "negated" if factor == -1 else "rescaled"
    assert found(table) == {(kind, frozenset({f"dy/da{d}"}))}


def test_where_too_little_is_known_nothing_is_said():
    water = data.water()
    assert check_derivatives(data.table(water.x, water.y["value"])) == []
    wrong = np.array(water.y["jacobian"])
    wrong[:, :, 0] *= -1
    few = data.table(water.x[:4], water.y["value"][:4, :1], jacobian=wrong[:4, :1])
    assert isinstance(check_derivatives(few), list)
    wrong[:, :, 1] = np.nan
    table = data.table(water.x, water.y["value"], jacobian=wrong)
    assert check_derivatives(table) == []


def test_rows_with_gaps_are_left_out():
    water = data.water()
    J = np.array(water.y["jacobian"])
    J[:, 0, 0] *= 1e3
    J[::3, 0, 1] = np.nan
    y = np.array(water.y["value"])
    y[1::3, 1] = np.nan
    table = data.table(water.x, y, jacobian=J, inputs=["T", "p"], outputs=["h", "rho"])
    assert found(table) == {("rescaled", frozenset({"dh/dT"}))}


def test_duplicate_points_and_many_columns():
    x = np.repeat(np.arange(6.0), 5)
    y = x**2 + np.tile(np.arange(5.0), 6)
    assert check_derivatives(data.table(x, y, jacobian=2 * x)) == []
    x, y, J, _ = smooth(0, 200, 30, 1)
    assert check_derivatives(data.table(x, y, jacobian=J)) == []


def test_suspicion_reads_as_a_sentence():
    swapped = data.Suspicion(("dh/dT", "dh/dp"), "swapped", 1.0, 0.8, 0.001)
    assert str(swapped).startswith("'dh/dT' and 'dh/dp' look swapped: exchanging them")
    assert "from 0.8 to 0.001." in str(swapped)
    rescaled = data.Suspicion(("dh/dT",), "rescaled", 1e-3, 999.0, 0.001)
    assert "'dh/dT' looks rescaled: multiplying it by 0.001" in str(rescaled)


def test_pairs_are_near_and_distinct():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 2)) * [1, 1e6]
    i, j, size = data._neighbours.neighbour_pairs(x, np.arange(50))
    assert (size > 0).all()
    assert len({*zip(i.tolist(), j.tolist(), strict=True)}) == len(i)
    z = (x - x.mean(0)) / x.std(0)
    distance = np.linalg.norm(z[:, None] - z, axis=-1) + np.diag([np.inf] * 50)
    nearest = {tuple(sorted(p)) for p in enumerate(distance.argmin(1).tolist())}
    assert nearest <= {*zip(i.tolist(), j.tolist(), strict=True)}
    np.testing.assert_allclose(size, distance[i, j], rtol=1e-12)
