"""Equations from the shell."""

import json

import pytest

FILE = """
import jax.numpy as jnp
from osculate import solve

line = solve.problem(
    solve.interval(x=(0, 1)), lambda u_x, x: u_x - 2 * x, boundary={"x=lower": 1.0}
)
number = 3
"""


def test_the_library_is_listed(osculate):
    names = json.loads(osculate("problems", "--json").out)
    assert {"poisson", "burgers", "heat"} <= set(names)
    assert "burgers" in osculate("problems").out


def test_a_file_of_the_user_is_solved(osculate, here):
    (here / "mine.py").write_text(FILE)
    words = ("--budget", "3steps", "--width", "3", "--depth", "1", "--points", "16")
    said = osculate("solve", "mine.py:line", *words, "--out", "r", "--json")
    assert said.code == 0
    found = json.loads(said.out)
    assert list(found) == [
        "problem",
        "seconds",
        "seed",
        "method",
        "relative_l2",
        "error_estimate",
        "verdict",
        "residual",
        "out",
    ]
    assert (found["problem"], found["out"]) == ("mine.py:line", "r")
    assert found["relative_l2"] is None
    assert (here / "r" / "report.html").exists()
    again = osculate("solve", "mine.py:line", *words, "--out", "r")
    assert again.code == 2
    assert "already exists" in again.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("burger", "Did you mean 'burgers'"),
        ("none.py:line", "there is no such file"),
        ("mine.py", "which problem"),
        ("mine.py:lines", "Did you mean 'line'"),
        ("mine.py:number", "is of type int"),
    ],
)
def test_what_is_no_problem_is_refused(osculate, here, name, said):
    (here / "mine.py").write_text(FILE)
    found = osculate("solve", name)
    assert found.code == 2
    assert said in found.err


def test_a_file_that_raises_shows_its_own_lines_alone(osculate, here):
    (here / "mine.py").write_text(FILE + "\n\ndef f():\n    return 1 / 0\n\n\nf()\n")
    found = osculate("solve", "mine.py:line")
    assert found.code == 2
    assert "ZeroDivisionError" in found.err
    assert "return 1 / 0" in found.err
    assert "runpy" not in found.err
    assert "_problem_file" not in found.err
