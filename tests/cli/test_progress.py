"""The bar on a terminal."""

import re
import time

import pytest

from osculate.cli._progress import Bar
from osculate.train import Progress


@pytest.fixture
def shown(monkeypatch, capsys):
    """Returns what a bar on a terminal has written, given what it is to watch."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")

    def run(*seen):
        with Bar(quiet=False) as bar:
            for progress in seen:
                bar.watch("solve", progress)
            time.sleep(1)  # it is drawn eight times a second
        return capsys.readouterr().err

    return run


def at(step, seconds, **limits):
    record = {"step": step, "estimated_error": 2e-6, "equation.loss": 3e-9}
    return Progress(
        step, limits.get("steps"), None, record, {}, seconds, None, limits.get("limit")
    )


@pytest.mark.parametrize(
    "limits",
    [{"steps": 100}, {"limit": 60.0}, {"steps": 100, "limit": 600.0}],
    ids=["steps", "seconds", "both"],
)
def test_steps_and_the_time_that_is_left(shown, limits):
    text = shown(at(10, 6.0, **limits), at(50, 30.0, **limits))
    *_, line = (line for line in text.splitlines() if "50 steps" in line)
    assert re.search(r"\d:\d\d:\d\d", line)
    assert re.search(r"m(━{10})\x1b", line)  # half of the bar's 20


def test_losses_and_the_estimated_error(shown):
    text = shown(at(10, 6.0, steps=100))
    assert "estimated_error 2.0e-06  loss 3.0e-09" in text


def test_nothing_where_it_is_quiet(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Bar(quiet=True) as bar:
        bar.watch("solve", at(10, 6.0, steps=100))
    assert capsys.readouterr().err == ""
