"""Fits shared by the tests of the main job."""

import numpy as np
import pytest

from osculate import data, tasks
from smooth import QUICK, truth


@pytest.fixture(scope="session")
def points():
    return np.random.default_rng(0).uniform(-1, 1, (40, 2))


@pytest.fixture(scope="session")
def table(points):
    y, J, _ = truth(points)
    return data.table(points, y, jacobian=J, inputs=("a", "b"), outputs=("f", "g"))


@pytest.fixture(scope="session")
def quick(table):
    return tasks.surrogate(table, compare=True, **QUICK)
