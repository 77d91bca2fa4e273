"""Choices are checked before anything is done."""

import pytest

from osculate import tasks
from osculate.core import InputError
from osculate.tasks._budget import parse_budget


@pytest.mark.parametrize(
    ("text", "steps", "seconds"),
    [
        ("5000steps", 5000, None),
        (" 1 step", 1, None),
        ("60s", None, 60.0),
        ("0.5 s", None, 0.5),
        ("0.5e-1s", None, 0.05),
        ("1E2s", None, 100.0),
    ],
)
def test_budgets(text, steps, seconds):
    assert parse_budget(text) == (steps, seconds)


@pytest.mark.parametrize(
    "text",
    ["", "60", "0s", "0steps", "-5s", "1.2.3s", "1h", "error=1e-3", "1e400s", "infs"],
)
def test_what_is_no_budget(text):
    with pytest.raises(InputError, match="Write for instance 2000steps or 60s"):
        parse_budget(text)


@pytest.mark.parametrize("number", [100, 1.5])
def test_a_budget_without_its_unit(number):
    with pytest.raises(InputError, match=f"Write '{number}steps' or '{number}s'"):
        parse_budget(number)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"loss": "gausian"}, "Did you mean 'gaussian'"),
        ({"activation": "tan"}, "Did you mean 'tanh'"),
        ({"width": 0}, "width is 0"),
        ({"depth": 0}, "depth is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
        ({"jacobian": -0.5}, "jacobian is -0.5"),
        ({"validation": 1.0}, "validation is 1.0"),
        ({"budget": "soon"}, "budget 'soon'"),
    ],
)
def test_choices_out_of_range(choice, message):
    with pytest.raises(InputError, match=message):
        tasks.Settings(**choice)
