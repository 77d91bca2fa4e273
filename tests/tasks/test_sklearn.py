"""The estimators by scikit-learn's own checks, and with derivatives."""

import sys

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from osculate import tasks
from osculate.core import InputError

QUICK = tasks.SobolevRegressor(budget="300steps", width=8, depth=2)
PROCESS = tasks.GradientEnhancedGP(kernel="matern52", noise=True, starts=1)


@pytest.fixture(scope="module")
def waves():
    """24 points in the plane, two outputs and their slopes."""
    X = np.random.default_rng(0).uniform(-1, 1, (24, 2))
    a, b = X.T
    y = np.stack([np.sin(2 * a) * b, a + b**2], 1)
    slopes = [[2 * np.cos(2 * a) * b, np.sin(2 * a)], [np.ones_like(a), 2 * b]]
    return X, y, np.moveaxis(np.array(slopes), -1, 0)


PLAIN = clone(QUICK).set_params(regularization="none")  # a fifth of the compilation
SOME = ("check_regressors_train", "check_estimators_pickle")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(
    ("model", "only"),
    [(PLAIN, ()), (QUICK, SOME), (PROCESS, ())],
    ids=["network", "penalized network", "process"],
)
def test_scikit_learns_own_checks(model, only):
    names = set()
    for estimator, check in estimator_checks_generator(model, mark="skip"):
        name = getattr(check, "func", check).__name__
        if "array_api" in name:  # optional, and of one library for all
            continue
        if not only or name in only:
            check(estimator)
            names.add(name)
    assert names.issuperset(SOME)


def test_values_and_slopes(waves, tmp_path):
    X, y, J = waves
    model = clone(QUICK).set_params(budget="600steps").fit(X, y, J)
    assert model.score(X, y) > 0.999
    slopes = model.predict_gradient(X)
    assert slopes.shape == J.shape
    assert np.abs(slopes - J).max() < 0.1
    np.testing.assert_array_equal(model.predict(X), model.surrogate_.predict(X))
    joblib.dump(model, tmp_path / "model")
    again = joblib.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_gradient(X), slopes)


def test_a_process_and_its_deviations(waves, tmp_path):
    X, y, J = waves
    model = tasks.GradientEnhancedGP().fit(X, y, J)
    assert model.process_.kernel == "squared_exponential"
    np.testing.assert_allclose(model.predict(X), y, atol=1e-5)
    np.testing.assert_allclose(model.predict_gradient(X), J, atol=1e-4)
    new = np.random.default_rng(1).uniform(-0.9, 0.9, (200, 2))
    truth = np.stack([np.sin(2 * new[:, 0]) * new[:, 1], new[:, 0] + new[:, 1] ** 2], 1)
    mean, deviation = model.predict(new, return_std=True)
    assert np.abs(mean - truth).max() < 1e-3
    assert mean.shape == deviation.shape == (200, 2)
    slopes, errors = model.predict_gradient(new, return_std=True)
    assert slopes.shape == errors.shape == (200, 2, 2)
    assert (deviation >= 0).all()
    assert (errors >= 0).all()
    joblib.dump(model, tmp_path / "model")
    again = joblib.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(new), mean)
    with pytest.raises(InputError, match="Did you mean 'matern52'"):
        tasks.GradientEnhancedGP(kernel="matern").fit(X, y)


def test_one_output_has_no_axis(waves):
    X, y, J = waves
    flat = clone(QUICK).fit(X, y[:, 0], J[:, 0])
    assert flat.predict(X).shape == (24,)
    assert flat.predict_gradient(X).shape == (24, 2)
    column = clone(QUICK).fit(X, y[:, :1], J[:, :1])
    np.testing.assert_array_equal(column.predict(X)[:, 0], flat.predict(X))


def test_slopes_go_with_their_rows(waves):
    """Cross-validation and grid search cut them as they cut X and y."""
    X, y, J = waves
    model = clone(QUICK)
    without = cross_val_score(model, X, y, cv=2)
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(dydx=True)
        scores = cross_val_score(model, X, y, cv=2, params={"dydx": J})
        search = GridSearchCV(model, {"seed": [0, 1]}, cv=2).fit(X, y, dydx=J)
    assert (scores > without).all()
    assert search.best_estimator_.predict_gradient(X).shape == J.shape


def test_a_pipeline_and_a_column_that_does_not_vary(waves):
    X, y, J = waves
    wide = np.column_stack([X[:, 0], np.full(24, 3.0), X[:, 1]])
    slopes = np.insert(J, 1, np.nan, axis=2)
    narrow = clone(QUICK).fit(X, y, J)
    model = clone(QUICK).fit(wide, y, slopes)
    np.testing.assert_array_equal(model.predict(wide), narrow.predict(X))
    assert (model.predict_gradient(wide)[..., 1] == 0).all()
    assert make_pipeline(StandardScaler(), clone(QUICK)).fit(wide, y).score(wide, y) > 0


def test_slopes_of_another_layout_are_refused(waves):
    X, y, J = waves
    with pytest.raises(InputError, match=r"dydx has shape \(2, 24, 2\).*\(24, 2, 2\)"):
        clone(QUICK).fit(X, y, np.moveaxis(J, 0, 1))
    with pytest.raises(InputError, match=r"n_samples=3; expected at least 4"):
        clone(QUICK).fit(X[:3], y[:3])


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    monkeypatch.delitem(sys.modules, "osculate.tasks._sklearn")
    with pytest.raises(InputError, match=r"osculate\[sklearn\]"):
        _ = tasks.SobolevRegressor
    with pytest.raises(AttributeError, match="no attribute 'Regressor'"):
        _ = tasks.Regressor
