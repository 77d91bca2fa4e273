"""The loss of a fit: names and objects, gross errors in a table, saved and resumed."""

import jax
import numpy as np
import pytest

import osculate
from osculate import chance, core, data, tasks
from osculate.tasks import _build
from osculate.tasks._settings import LOSSES, loss_of
from smooth import truth

ROWS, SHARE = 400, 0.1
FIT = {"regularization": "none", "width": 8, "depth": 2, "budget": "600steps"}


def contaminated():
    """Points and values of which a tenth is replaced by gross errors."""
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (ROWS, 2))
    y = truth(x)[0]
    wrong = random.random(y.shape) < SHARE
    return x, np.where(wrong, random.uniform(-10, 20, y.shape), y)


def error(loss):
    """Root mean square error of values on clean rows, per spread."""
    found = tasks.surrogate(data.table(*contaminated()), loss=loss, **FIT)
    x = np.random.default_rng(1).uniform(-0.95, 0.95, (500, 2))
    y = truth(x)[0]
    return np.sqrt(np.mean(((found.predict(x) - y) / y.std(axis=0)) ** 2))


@pytest.fixture(scope="module")
def gaussian_error():
    return error("gaussian")


@pytest.mark.parametrize("name", ["huber", "student", "cauchy"])
def test_gross_errors_do_not_pull_a_robust_fit(gaussian_error, name):
    robust = error(name)
    assert robust < gaussian_error / 20
    assert robust < 0.05


def test_gaussian_is_the_loss_it_was():
    scales = _build.Scales(*np.array([[0.1, 0.2], [2.0, 3.0], [1.0, 1.0], [5.0, 0.3]]))
    with jax.enable_x64(True):
        term = _build.objective((0, 1), scales, loss_of("gaussian")).terms["fit"]
    np.testing.assert_array_equal(term.loss["value"].sigma, scales.y_scale)
    ratio = scales.y_scale[:, None] / scales.x_scale[None]
    np.testing.assert_array_max_ulp(np.asarray(term.loss["jacobian"].sigma), ratio)


def test_a_loss_is_measured_in_standardized_units():
    scales = _build.Scales(*np.array([[0.1, 0.2], [2.0, 3.0], [1.0, 1.0], [5.0, 0.3]]))
    loss = chance.HuberLoss(1.0, 0.1)
    term = _build.objective((0, 1), scales, loss).terms["fit"]
    z, y = np.random.default_rng(0).normal(size=(2, 2, 2))
    ratio = scales.y_scale[:, None] / scales.x_scale[None]
    found = term.loss["jacobian"](jax.numpy.asarray(z * ratio), y * ratio)
    np.testing.assert_allclose(found, loss(jax.numpy.asarray(z), y), rtol=1e-13)


@pytest.mark.parametrize("name", LOSSES)
def test_an_object_equal_to_a_named_loss_is_recorded_by_its_name(name):
    assert tasks.Settings(loss=LOSSES[name]).loss == name
    assert loss_of(name) == LOSSES[name]


@pytest.mark.parametrize(
    "loss",
    [
        chance.HuberLoss(1.0, 0.1),
        chance.HuberLoss(np.inf, 1 / 3),
        chance.StudentTLoss(3, 0.02),
        chance.LaplaceLoss(0.5),
        chance.Gaussian(1e-7),
    ],
)
def test_another_object_is_recorded_by_its_class_and_parameters(loss):
    text = tasks.Settings(loss=loss).loss
    assert text.startswith(f"{type(loss).__name__}(")
    assert tasks.Settings(loss=text).loss == text
    assert loss_of(text) == loss


def test_a_saved_run_knows_its_loss(tmp_path, table):
    out, loss = tmp_path / "run", chance.HuberLoss(1.0, 0.1)
    quick = {"width": 8, "depth": 2, "budget": "30steps"}
    found = tasks.surrogate(table, loss=loss, out=out, **quick)
    text = "HuberLoss(threshold=1.0, scale=0.1)"
    assert found.page.facts["Configuration"]["loss"] == text
    loaded = osculate.load(out)
    assert loaded.settings == found.settings
    assert loaded.recipe["settings"]["loss"] == text
    samples = {"fit": table.samples()}
    both = [r.objective(r.value, samples)[0] for r in (loaded.result, found.result)]
    assert both[0] == both[1]
    assert text in tasks.rewrite_report(out).read_text()
    again = tasks.surrogate(table, loss=text, out=out, resume=True, **quick)
    assert np.array_equal(again.predict(table), found.predict(table))
    with pytest.raises(core.InputError, match="was begun with loss = 'HuberLoss"):
        tasks.surrogate(table, loss="huber", out=out, resume=True, **quick)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("hubr", "loss 'hubr' is not known. Did you mean 'huber'"),
        (chance.PoissonLoss(), "loss is of type PoissonLoss; expected a name, or"),
        (abs, "loss is of type builtin_function_or_method"),
        (chance.LaplaceLoss(np.ones(2)), r"scale of LaplaceLoss has shape \(2,\)"),
        ("HuberLoss(width=1.0)", r"'HuberLoss\(width=1.0\)' cannot be made"),
        ("HuberLoss(scale=-1.0)", "scale is not positive"),
        ("PoissonLoss()", "is not known"),
    ],
)
def test_a_loss_that_cannot_be_used(loss, message):
    with pytest.raises(core.InputError, match=message):
        tasks.Settings(loss=loss)
