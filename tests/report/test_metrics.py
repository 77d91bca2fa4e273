import json

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from osculate import report
from osculate.core import InputError

VALUES = hnp.arrays(np.float64, 8, elements=st.floats(-100, 100))


def test_closed_form():
    true = np.array([1.0, 2.0, 3.0, 4.0])
    error = np.array([0.1, -0.1, 0.3, -0.3])
    found = report.metrics({"h": true}, {"h": true + error})["h"]
    rrmse = np.sqrt(0.05) / np.sqrt(1.25)
    assert found["rrmse"] == pytest.approx(rrmse, rel=1e-12)
    assert found["r2"] == pytest.approx(1 - rrmse**2, rel=1e-12)
    assert found["max"] == pytest.approx(0.3, rel=1e-12)


def test_predicting_the_mean_scores_zero():
    true = np.array([1.0, 2.0, 6.0])
    found = report.metrics({"h": true}, {"h": np.full(3, 3.0)})["h"]
    assert found["rrmse"] == pytest.approx(1.0, rel=1e-12)
    assert found["r2"] == pytest.approx(0.0, abs=1e-12)


def test_unknown_entries_do_not_count():
    nan = np.nan
    truth = {"h": np.array([1.0, nan, 3.0]), "h_T": np.full(3, nan)}
    prediction = {"h": np.array([1.0, 1e9, 3.0]), "h_T": np.zeros(3)}
    assert report.metrics(truth, prediction) == {
        "h": {"rrmse": 0.0, "r2": 1.0, "max": 0.0}
    }


@pytest.mark.parametrize(
    ("true", "predicted", "largest"),
    [
        (np.full(7, 0.1), np.full(7, 0.3), 0.2),  # its floating mean is not 0.1
        (np.array([5.0]), np.array([5.0]), 0.0),
        (np.array([1.0, 2.0]), np.array([np.nan, 2.0]), None),
        (np.array([1.0, 2.0]), np.array([np.inf, 2.0]), None),
    ],
)
def test_json_never_holds_nan(true, predicted, largest):
    found = report.metrics({"h": true}, {"h": predicted})
    assert found["h"]["rrmse"] is None
    assert found["h"]["r2"] is None
    if largest is None:
        assert found["h"]["max"] is None
    else:
        assert found["h"]["max"] == pytest.approx(largest)
    json.dumps(found, allow_nan=False)


def test_huge_values_do_not_overflow():
    true = np.array([1e200, 2e200, 3e200])
    found = report.metrics({"h": true}, {"h": 1.01 * true})["h"]
    expected = 0.01 * np.sqrt(14 / 2)
    assert found["rrmse"] == pytest.approx(expected, rel=1e-10)


@given(VALUES, VALUES, st.floats(0.01, 100), st.floats(-100, 100))
def test_scale_and_shift(true, error, scale, shift):
    # A spread far above the rounding of the shift keeps the tolerance honest.
    true = true + 1000 * np.arange(8.0)
    one = report.metrics({"h": true}, {"h": true + error})["h"]
    moved = scale * true + shift
    two = report.metrics({"h": moved}, {"h": moved + scale * error})["h"]
    for name, factor in (("rrmse", 1.0), ("r2", 1.0), ("max", scale)):
        assert two[name] == pytest.approx(one[name] * factor, rel=1e-6, abs=1e-9)


@given(VALUES, VALUES)
def test_order_of_rows_does_not_matter(true, error):
    true = true + 1000 * np.arange(8.0)
    one = report.metrics({"h": true}, {"h": true + error})["h"]
    two = report.metrics({"h": true[::-1]}, {"h": (true + error)[::-1]})["h"]
    for name in one:
        assert two[name] == pytest.approx(one[name], rel=1e-9, abs=1e-12)


def test_a_missing_name_is_refused():
    with pytest.raises(InputError, match="prediction of 'h' is nothing"):
        report.metrics({"h": np.zeros(2)}, {})
