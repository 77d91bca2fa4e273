"""The studies at small size, and what their page says of the kept results."""

import importlib
import itertools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from osculate import diff

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "studies" / "derivatives.md"


@pytest.fixture
def study(monkeypatch):
    """Imports a script of studies/ as its neighbours do."""
    monkeypatch.syspath_prepend(ROOT / "studies")
    return importlib.import_module


# --- cancellation ---------------------------------------------------------------------


@pytest.mark.spec("K1.4.2", "K1.4.1")
def test_cancellation(study):
    found = study("cancellation").example()
    assert found["AD"] == found["complex step"] == 2.2222222222222223
    printed = [2.32222, 2.23217, 2.2239685, 2.23160, 2.28882, 1.90735, 0, 0]
    values = [row["value"] for row in found["forward"]]
    np.testing.assert_allclose(values, printed, rtol=5e-6)  # digits that are printed
    # In exact arithmetic the step adds h, not (10/9)^2 h: 2.223222 at 1e-3 (E10).
    assert found["forward"][2]["without rounding"] == pytest.approx(20 / 9 + 1e-3)
    assert found["spacing at 1e10"] == pytest.approx(1.907e-6, rel=1e-3)
    # The model bounds every error, and its optimum is the best of the steps tried.
    assert all(row["error"] <= row["model"] for row in found["forward"])
    assert found["best step"] == pytest.approx(1.49e-3, rel=1e-3)
    best = min(found["forward"], key=lambda row: row["error"])
    assert best["step"] == 1e-3
    assert best["error"] < found["model at best"]
    assert found["model at best"] < min(row["model"] for row in found["forward"])


@pytest.mark.spec("S3.13")
def test_the_error_of_a_network_over_the_step_is_u_shaped(study):
    found = study("cancellation").network(num_points=16)
    for way, where, lowest in (("forward", 1e-8, 1e-8), ("central", 1e-5, 1e-11)):
        off = found[way]
        best = int(np.argmin(off))
        # Within a decade and a half of the step and the error that rounding allows.
        assert abs(np.log10(found["steps"][best] / where)) < 1.5
        assert abs(np.log10(off[best] / lowest)) < 1.5
        assert off[0] > 1e3 * off[best]
        assert off[-1] > 1e3 * off[best]
    assert found["AD"] < 5e-16
    assert found["complex step"] < 5e-16


@pytest.mark.spec("S3.13")
def test_differences_fail_as_weights_converge(study):
    rows = study("cancellation").converging()
    assert rows[0]["forward"] < 1e-6
    assert rows[-1]["forward"] > 0.1
    assert all(row["AD"] == 0 for row in rows)


# --- back-propagation -----------------------------------------------------------------


@pytest.mark.spec("K1.4/b")
@pytest.mark.parametrize(("layers", "products"), [(1, (1, 2, 3)), (4, (4, 11, 12))])
def test_products_of_backpropagation(study, layers, products):
    """L, 3 L - 1 and 3 L; XLA counts what is elementwise too, about 1% here."""
    found = study("backprop_products").backpropagation(layers)
    programs = [found[name] for name in list(found)[1:]]
    assert tuple(row["counted"] for row in programs) == products
    np.testing.assert_allclose([row["XLA"] for row in programs], products, rtol=0.02)


@pytest.mark.spec("K1.4/b")
@pytest.mark.parametrize("name", ["laplacian", "hessian"])
def test_products_of_an_operator(study, name):
    found = study("backprop_products").operator(name, 2)
    # D + 2 and 1 + D + D(D+1)/2; the first layer needs less than a whole pass.
    assert 0.98 < found["passes"] / {"laplacian": 4, "hessian": 6}[name] <= 1
    assert found["gradient by weights"] == pytest.approx(3, rel=0.02)
    assert found["XLA"] == pytest.approx(1, rel=0.05)


# --- symbolic swell -------------------------------------------------------------------


@pytest.mark.spec("K1.4/a")
def test_known_gradients(study):
    found = study("_programs").known()
    assert found["product at (2, 0, 3)"] == [0, 6, 0]
    ours, others = found["against cofactors"].values()
    assert max(ours.values()) < 1e-12
    # JAX is wrong where a pivot before the last is zero; `determinant` exists for it.
    assert others["regular"] < 1e-12
    assert min(others["equal columns"], others["diag(1, 2, 0, 3)"]) > 1


@pytest.mark.spec("S3.14")
def test_equations_of_a_gradient_grow_slowly(study):
    count = study("_programs").equations
    longer = [count("product", n) for n in (2, 3, 4, 10)]
    assert longer == [2, 5, 8, 26]  # 3 n - 4: linear in the factors
    deeper = np.diff([count("network", n) for n in (1, 2, 3, 4)])
    assert set(deeper) == {45}  # linear in the depth
    larger = [count("determinant", n) for n in (2, 3, 4, 5, 6)]
    assert len(set(np.diff(larger, n=3))) == 1  # a cubic in the rows


@pytest.mark.spec("K1.4/a")
def test_elimination_against_cofactors(study):
    programs = study("_programs")
    A = np.random.default_rng(1).normal(size=(4, 4))
    expanded = A[0] @ programs.cofactors(A)[0]
    assert programs.determinant(A.tolist()) == pytest.approx(expanded, abs=1e-12)
    found = jax.jit(jax.grad(programs.determinant))(A.tolist())
    np.testing.assert_allclose(found, programs.cofactors(A), rtol=0, atol=1e-12)


@pytest.mark.study
@pytest.mark.spec("S3.14", "K1.4/a")
def test_symbolic_gradients_swell(study):
    swell = study("symbolic_swell")
    rows = [swell.sizes("network", depth) for depth in (1, 2, 3, 4)]
    pairs = itertools.pairwise(row["operations"] for row in rows)
    assert all(b > 3 * a for a, b in pairs)  # more than the width; the trace adds 45
    last = swell.sizes("determinant", 5)
    assert last["operations"] > 5 * last["equations"]
    for case in ("product", "determinant", "network"):
        assert swell.disagreement(case, 3) < 1e-12


# --- nothing to retain ----------------------------------------------------------------


@pytest.mark.spec("S3.12")
def test_nothing_is_retained_and_nothing_is_used_up():
    """A linearized function is applied again and again; derivatives nest."""
    W = jnp.asarray([[0.5, -1.0], [2.0, 0.3]])
    u = lambda p: jnp.sum(jnp.tanh(W @ p))
    x, v = jnp.asarray([0.3, -0.4]), jnp.asarray([1.0, 2.0])
    _, push = jax.linearize(u, x)
    assert push(v) == push(v)
    _, pull = jax.vjp(u, x)
    first, second = pull(jnp.ones(()))[0], pull(jnp.ones(()))[0]
    np.testing.assert_array_equal(first, second)
    slope = jax.jit(diff.gradient(u))
    np.testing.assert_array_equal(slope(x), slope(x))
    np.testing.assert_allclose(push(v), slope(x) @ v, rtol=1e-13)
    # Derivatives of derivatives, in both orders.
    outer = jax.jit(diff.gradient(diff.laplacian(u)))(x)
    inner = jax.jit(diff.laplacian(diff.gradient(u)))(x)
    np.testing.assert_allclose(outer, inner, rtol=0, atol=1e-13)


# --- the page -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["cancellation", "backprop_products", "operators", "symbolic_swell"]
)
def test_the_page_shows_the_kept_results(study, name):
    assert study("tables").markdown(name) in PAGE.read_text("utf-8")


def test_figures_in_the_text_of_the_page():
    result = lambda name: json.loads(
        (ROOT / "benchmarks" / "results" / f"{name}.json").read_text()
    )
    text = " ".join(PAGE.read_text("utf-8").split())
    found = result("cancellation")["network"]
    for lowest in (min(found["forward"]), min(found["central"])):
        assert f"{lowest:.0e}".replace("e-0", "e-") in text
    assert found["AD"] < 1e-16
    assert "by less than 1e-16" in text
