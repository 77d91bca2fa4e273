"""The study of distillation at small size, and what its page says of the results."""

import importlib
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "studies" / "distillation.md").read_text("utf-8")
FOUND = json.loads((ROOT / "benchmarks" / "results" / "distillation.json").read_text())


@pytest.fixture
def study(monkeypatch):
    """Imports a script of studies/ as its neighbours do."""
    monkeypatch.syspath_prepend(ROOT / "studies")
    return importlib.import_module


@pytest.mark.slow
@pytest.mark.spec("S1.6")
def test_slopes_teach_students_of_few_pictures(study):
    with jax.enable_x64(False):
        study = study("distillation")
        assert study.accuracy(study.teacher()) > 0.9
        mean = lambda way: np.mean(
            jax.vmap(study.accuracy)(study.students(way, 1, 3, 100))
        )
        assert mean("logits + Jacobian") > mean("logits") + 0.1


def test_rows_chosen_are_so_many_of_every_digit(study):
    study = study("distillation")
    rows = study.chosen(3, 5)
    digits = np.asarray(study.pictures()[1])[rows]
    np.testing.assert_array_equal(np.bincount(digits), np.full(10, 5))
    assert len(set(rows.tolist())) == 50
    assert rows.max() < study.READ


def test_the_page_has_the_tables(study):
    tables = study("distillation_tables")
    for name in tables.TABLES:
        assert tables.markdown(name) in PAGE


@pytest.mark.spec("S1.6", "S0.8")
def test_what_the_page_says_of_few_pictures():
    of = {(row["way"], row["per class"]): row for row in FOUND["transfer"]}
    assert {row["seeds"] for row in FOUND["transfer"] if row["per class"] < 20} == {10}
    gain = of["logits + Jacobian", 1]["clean"] - of["logits", 1]["clean"]
    assert gain >= 15
    assert f"worth {gain:.0f} points over" in PAGE
    numbers = FOUND["teacher"]["numbers"], FOUND["student"]["numbers"]
    assert f"{numbers[0]:,} numbers" in PAGE
    assert f"{numbers[1]:,} numbers" in PAGE
    assert f"reads {FOUND['teacher']['accuracy']:.1f} % of the other" in " ".join(
        PAGE.split()
    )


@pytest.mark.spec("S1.5")
def test_what_the_page_says_of_noise():
    by = {row["penalty"]: np.array(row["accuracy"]) for row in FOUND["robustness"]}
    noise = np.array(FOUND["robustness"][0]["noise"])
    for penalty in (0.003, 0.01, 0.03):
        assert (by[penalty] > by[0.0])[noise >= 0.2].all()
    assert abs(by[0.01][0] - by[0.0][0]) < 0.5


@pytest.mark.slow
@pytest.mark.spec("S0.9")
def test_synthetic_gradients_point_the_right_way(study):
    study = study("synthetic_gradients")
    assert study.synthetic(0, 1.0, "300steps")["cosine"] > 0.9


@pytest.mark.slow
@pytest.mark.spec("S0.7")
def test_slopes_teach_a_policy(study):
    study = study("synthetic_gradients")
    values, slopes = (
        study.imitated(0, w, "300steps")["divergence"] for w in (0.0, 1.0)
    )
    assert slopes < 0.5 * values


@pytest.mark.spec("S0.7", "S0.9")
def test_the_page_shows_what_was_kept_of_them():
    text = (ROOT / "benchmarks" / "results" / "synthetic_gradients.json").read_text()
    found, page = json.loads(text), " ".join(PAGE.split())
    for study, figure, form in (
        ("synthetic gradients", "cosine", ".3f"),
        ("policies", "divergence", ".4f"),
    ):
        kept = {w: [r[figure] for r in rows] for w, rows in found[study].items()}
        for values in kept.values():
            assert format(np.median(values), form) in page
        pairs = zip(kept["values"], kept["values and slopes"], strict=True)
        better = (lambda a, b: b > a) if figure == "cosine" else (lambda a, b: b < a)
        assert all(better(*pair) for pair in pairs)


# --- small students, and pictures changed to mislead ----------------------------------


def kept(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


@pytest.mark.slow
def test_a_teacher_is_followed_by_a_sixteenth_of_its_numbers(study):
    with jax.enable_x64(False):
        study = study("small_students")
        rows = study.compare("1/16", 10, 2, 600)
    of = {row["way"]: row["agreement"] for row in rows}
    assert of["logits"] > of["labels"] + 3
    assert of["logits + Jacobian"] > of["labels"] + 3
    assert rows[0]["exact ratio"] == pytest.approx(1 / 16, rel=0.03)


def test_what_the_page_says_of_small_students():
    found, page = kept("small_students"), " ".join(PAGE.split())
    assert {row["seeds"] for row in found["students"]} == {10}
    of = {(row["way"], row["ratio"]): row for row in found["students"]}
    for ratio in ("1", "1/4", "1/16"):
        by = [of[w, ratio] for w in ("labels", "logits", "logits + Jacobian")]
        for figure in ("agreement", "accuracy"):
            assert by[0][figure] < by[1][figure] < by[2][figure]
        assert f"{by[0]['numbers']:,}" in page


@pytest.mark.spec("K1.9/a")
def test_attacks_stay_in_the_box_and_raise_the_loss(study):
    """On an affine network every attack along the slope ends in the same corner."""
    with jax.enable_x64(False):
        study = study("adversarial")
        random = np.random.default_rng(0)
        W = jnp.asarray(random.normal(size=(2, 64)), jnp.float32)
        x = jnp.asarray(random.uniform(size=(5, 64)), jnp.float32)
        y = jnp.arange(5) % 2
        eps = jnp.asarray(0.1)
        # The slope of the loss of class c is a positive multiple of W[1 - c] - W[c].
        corner = jnp.clip(x + eps * jnp.sign(W[1 - y] - W[y]), 0, 1)
        for attack in study.ATTACKS:
            found = study.moved(lambda p: W @ p, x, y, eps, attack)
            np.testing.assert_allclose(found, corner, atol=1e-6)  # float32
        found = study.moved(lambda p: W @ p, x, y, eps, study.RANDOM)
        assert jnp.abs(found - x).max() <= 0.1 + 1e-6
        assert jnp.all((found >= 0) & (found <= 1))


@pytest.mark.slow
@pytest.mark.spec("K1.9/a")
def test_sign_steps_mislead_and_a_penalty_mitigates(study):
    with jax.enable_x64(False):
        study = study("adversarial")
        keys = jax.random.split(jax.random.key(20), 2)
        fit = lambda penalty: study.learned(study.labels(penalty), keys, steps=100)
        read = lambda many, eps, attack: float(
            jnp.mean(
                jax.vmap(lambda net: study.accuracy(net, jnp.asarray(eps), attack))(
                    many
                )
            )
        )
        plain, penalized = fit(0.0), fit(0.01)
        assert read(plain, 0.0, "sign step") > 0.85
        assert read(plain, 0.1, study.RANDOM) > read(plain, 0.0, "sign step") - 0.05
        for attack in ("sign step", "ten steps"):
            assert read(plain, 0.1, attack) < 0.6
            assert read(penalized, 0.1, attack) > read(plain, 0.1, attack) + 0.1


@pytest.mark.spec("K1.9/a")
def test_what_the_page_says_of_pictures_changed_to_mislead():
    found, page = kept("adversarial"), " ".join(PAGE.split())
    assert found["seeds"] >= 5
    eps, rows = found["eps"], found["learned from"]
    at = lambda way, attack, e: rows[way][attack]["accuracy"][eps.index(e)]
    clean = lambda way: at(way, "sign step", 0.0)
    plain = "labels"
    cost = clean(plain) - at(plain, "random signs", 0.1)
    assert f"{cost:.1f} points; one step" in page
    assert f"leaves {at(plain, 'sign step', 0.1):.1f} % of the" in page
    assert f"ten leave {at(plain, 'ten steps', 0.1):.1f} %" in page
    light = "labels, penalty 0.003"
    assert f"costs {clean(plain) - clean(light):.1f} points of clean" in page
    assert f"leaves {at(light, 'ten steps', 0.1):.1f} % after" in page
    for teacher in ("teacher", "penalized teacher"):
        way = f"logits + Jacobian, {teacher}"
        assert f"{at(way, 'ten steps', 0.1):.1f} %" in page
    alone = at("logits, penalized teacher", "ten steps", 0.1)
    assert f"its logits alone {alone:.1f} %" in page
    for way, row in rows.items():
        one, ten, many = (np.array(row[a]["accuracy"]) for a in list(row)[1:])
        assert max(one - ten) < 7.5
        assert max(ten - many) < 0.55
        if "penalty" in way:
            for attack in ("sign step", "ten steps"):
                assert all(at(way, attack, e) > at(plain, attack, e) for e in eps[2:])
