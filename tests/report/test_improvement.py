import math

import pytest
from hypothesis import given, strategies as st

from osculate import report
from osculate.report._improvement import side, times_smaller, typical

ERRORS = st.floats(1e-12, 1e12)


def row(rrmse):
    return {"rrmse": rrmse, "r2": None, "max": 0.0}


def test_by_name():
    ours = {"a": row(0.1), "b": row(0.0), "c": row(0.0), "d": row(None), "e": row(1.0)}
    theirs = {"a": row(0.3), "b": row(0.3), "c": row(0.0), "d": row(0.1)}
    assert report.improvement(ours, theirs) == {
        "a": pytest.approx(3.0),
        "b": math.inf,
        "c": None,
        "d": None,
        "e": None,
    }


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(None, 1.0), (1.0, None), (math.nan, 1.0), (1.0, math.inf), (0.0, 0.0)],
)
def test_nothing_to_compare(ours, theirs):
    assert times_smaller(ours, theirs) is None


@given(ERRORS, ERRORS)
def test_exchanged_errors_have_the_inverse_factor(ours, theirs):
    one, other = times_smaller(ours, theirs), times_smaller(theirs, ours)
    assert one * other == pytest.approx(1.0)
    assert {side(one), side(other)} in ({"good", "bad"}, {""})


def test_typical_is_the_median_of_what_is_known():
    assert typical([1.0, None, 4.0, 2.0]) == 2.0
    assert typical([1.0, math.inf]) == math.inf
    assert typical([None]) is None
    assert typical([]) is None


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1234.0, "1,234 times more accurate"),
        (3.21, "3.2 times more accurate"),
        (1.04, "no more accurate"),
        (0.96, "no more accurate"),
        (0.5, "2.0 times less accurate"),
        (0.001, "1,000 times less accurate"),
        (math.inf, "infinitely more accurate"),
        (0.0, "infinitely less accurate"),
        (None, "not comparable"),
    ],
)
def test_words(factor, words):
    assert report.improvement_words(factor) == words
