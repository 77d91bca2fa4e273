"""Names of partial derivatives, read and written."""

import pytest
from hypothesis import assume, given, strategies as st

from osculate import diff
from osculate.diff import Partial

LETTERS = st.lists(st.sampled_from("txyz"), min_size=1, max_size=3, unique=True)
WORDS = st.lists(
    st.text("abx", min_size=1, max_size=3), min_size=1, max_size=3, unique=True
)


def orders(below, over):
    return tuple(below.count(coordinate) for coordinate in over)


def test_written_as_printed():
    assert diff.partial_name("h", [], over="Tp") == "h"
    assert diff.partial_name("h", ["T", "p"], over="Tp") == "h_Tp"
    assert diff.partial_name("h", ["p", "p", "T"], over=("T", "p")) == "h_ppT"
    over = ("alpha", "M")
    assert diff.partial_name("lift", ["alpha", "M"], over=over) == "lift_alpha_M"
    assert diff.partial_name("lift", ["M"], over=over) == "lift_M"


@given(LETTERS, st.data())
def test_names_of_single_letters_have_one_reading(over, data):
    below = data.draw(st.lists(st.sampled_from(over), max_size=4))
    name = diff.partial_name("u", below, over=over)
    found = diff.readings(name, fields=["u"], over=over)
    assert found == [Partial(name, "u", orders(below, over))]


@given(WORDS, st.data())
def test_what_is_written_can_be_read(over, data):
    below = data.draw(st.lists(st.sampled_from(over), max_size=3))
    name = diff.partial_name("u", below, over=over)
    found = diff.readings(name, fields=["u"], over=over)
    assert Partial(name, "u", orders(below, over)) in found
    assert len(set(found)) == len(found)
    assert [sum(p.orders) for p in found] == sorted(sum(p.orders) for p in found)


@given(WORDS, st.text("abx_", max_size=6))
def test_every_reading_spells_the_name(over, tail):
    for p in diff.readings("u_" + tail, fields=["u"], over=over):
        letters = "".join(c * n for c, n in zip(over, p.orders, strict=True))
        assert sorted(letters) == sorted(tail.replace("_", ""))
        assert p.key == tuple(sorted(p.key))
        assert orders([over[i] for i in p.key], over) == p.orders


def test_the_longest_field_that_leaves_coordinates():
    fields, over = ["lift", "lift_alpha", "lift_beta"], ["alpha", "mach"]
    read = lambda name: diff.readings(name, fields=fields, over=over)
    assert read("lift_alpha") == [Partial("lift_alpha", "lift_alpha", (0, 0))]
    assert read("lift_alpha_mach")[0][1:] == ("lift_alpha", (0, 1))
    assert read("lift_mach_alpha")[0][1:] == ("lift", (1, 1))
    assert read("lift_beta_mach")[0][1:] == ("lift_beta", (0, 1))
    assert read("lift_beta_beta") == []


@pytest.mark.parametrize(
    "name", ["", "u_", "_x", "u__x", "u_x_", "u_x__x", "w_x", "u_z", "ux", "u_X"]
)
def test_names_without_a_reading(name):
    assert diff.readings(name, fields=["u"], over=["t", "x"]) == []


def test_underscores_may_stand_between_coordinates():
    read = lambda name: diff.readings(name, fields=["u"], over=["x", "xy", "y"])
    assert [p.orders for p in read("u_x_y")] == [(1, 0, 1)]
    assert [p.orders for p in read("u_xy")] == [(0, 1, 0), (1, 0, 1)]


@given(st.lists(st.text("abx_", min_size=1, max_size=3), min_size=1, max_size=3))
def test_a_declared_field_has_one_reading(fields):
    assume(len(set(fields)) == len(fields))
    for field in fields:
        found = diff.readings(field, fields=fields, over=["a", "b", "x"])
        assert found == [Partial(field, field, (0, 0, 0))]
