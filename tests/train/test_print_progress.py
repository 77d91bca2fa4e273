"""The line that tells how far a fit is."""

import io

import numpy as np

from osculate.core import Status
from osculate.train import Progress, print_progress


def look(step, seconds, *, steps: int | None = 100, status=None, limit=None, **record):
    record = {"step": step, "loss": 0.125, **record}
    history = {"step": np.arange(step + 1)}
    return Progress(step, steps, None, record, history, seconds, status, limit)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_of_a_file():
    told = io.StringIO()
    observe = print_progress(told, every=0.0)
    observe(look(0, 3.0))  # compiled for three seconds
    observe(look(20, 7.0))
    observe(look(40, 11.0, validation=0.5))
    assert told.getvalue().splitlines() == [
        "step 0 of 100  loss 0.125  3 s",
        "step 20 of 100  loss 0.125  7 s, about 16 s left",
        "step 40 of 100  loss 0.125  validation 0.5  11 s, about 12 s left",
    ]
    observe(look(10, 1.0, steps=None))  # another fit
    observe(look(20, 2.0, steps=None, limit=60))
    observe(look(20, 2.0, limit=4))  # whichever of both ends first
    observe(look(21, 3.0, limit=4))
    assert told.getvalue().splitlines()[3:] == [
        "step 10  loss 0.125  1 s",
        "step 20  loss 0.125  2 s of 60 s",
        "step 20 of 100  loss 0.125  2 s of 4 s",
        "step 21 of 100  loss 0.125  3 s of 4 s, about 1 s left",
    ]


def test_a_terminal_has_one_line():
    told = Terminal()
    observe = print_progress(told, every=0.0)
    observe(look(50, 1.0))
    observe(look(100, 2.0))
    assert told.getvalue().count("\n") == 1
    assert told.getvalue().count("\r") == 2
    assert told.getvalue().endswith(
        "step 100 of 100  loss 0.125  2 s, about 0 s left\n"
    )


def test_only_now_and_then_but_always_the_last():
    told = io.StringIO()
    observe = print_progress(told, every=1e9)
    for step in range(0, 101, 10):
        observe(look(step, 1.0 + step))
    assert told.getvalue().splitlines() == [
        "step 100 of 100  loss 0.125  101 s, about 0 s left"
    ]


def test_an_early_end_is_told():
    told = Terminal()
    print_progress(told, every=1e9)(look(50, 1.0, status=Status.CONVERGED))
    assert told.getvalue().endswith("step 50 of 100  loss 0.125  1 s\n")
