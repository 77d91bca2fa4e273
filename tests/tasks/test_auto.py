"""What is chosen, and what is said of it."""

import jax
import numpy as np
import pytest

from osculate import data, nets, tasks
from osculate.tasks import _auto
from smooth import truth


@pytest.mark.parametrize(
    ("width", "rows", "name", "batch", "why"),
    [
        (8, 100, "ssbroyden", None, "few enough for their whole curvature"),
        (8, 9000, "ssbroyden", 1024, "curvature; minibatches of 1024 for 9,000 rows"),
        (60, 8192, "lbfgs", None, "too many for their whole curvature"),
    ],
)
def test_the_choice_and_its_reason(width, rows, name, batch, why):
    net = nets.MLP(2, 1, width=width, depth=2, key=jax.random.key(0))
    choice = _auto.auto(net, rows)
    assert (choice.name, choice.batch) == (name, batch)
    assert choice.why.endswith(why)
    assert choice.why.startswith(f"{width * (2 + width + 1 + 2) + 1:,} trained numbers")


@pytest.mark.parametrize(
    ("width", "residuals", "name"),
    [
        (8, 300, "bayesian_regularization"),
        (8, 40_000, "ssbroyden"),  # too many products per step
        (20, 300, "ssbroyden"),  # too many parameters
        (8, None, "ssbroyden"),  # levels set by hand
    ],
)
def test_penalties_are_found_where_that_is_quick(width, residuals, name):
    net = nets.MLP(2, 1, width=width, depth=2, key=jax.random.key(0))
    choice = _auto.auto(net, 100, residuals)
    assert (choice.name, choice.by_evidence) == (name, name.startswith("bayes"))


def test_the_report_tells_why(tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, (40, 2))
    table = data.table(x, truth(x)[0])
    found = tasks.surrogate(
        table, model="network", width=4, depth=1, budget="20steps", out=tmp_path / "r"
    )
    why = found.result.stats["why"]
    assert why == "22 trained numbers, few enough to find penalties and noise levels"
    assert why in (tmp_path / "r" / "report.html").read_text("utf-8")
    assert tasks.load(tmp_path / "r").result.stats["why"] == why
