import math

import numpy as np
import optax
import pytest
from hypothesis import given, strategies as st

from osculate import core, train
from osculate.core import InputError, did_you_mean, require

WORD = st.text("abcdefgh_", min_size=1, max_size=8)


def test_closest_name():
    known = ["tanh", "sin", "softplus"]
    assert did_you_mean("tnah", known) == " Did you mean 'tanh'?"
    assert did_you_mean("softpuls", iter(known)) == " Did you mean 'softplus'?"
    assert did_you_mean("zzz", known) == ""
    assert did_you_mean("planes", known) == ""  # shares letters with each, too few
    assert did_you_mean("tanh", []) == ""


@given(WORD, st.lists(WORD, max_size=5))
def test_a_known_name_is_its_own_closest(name, others):
    assert did_you_mean(name, [*others, name]) == f" Did you mean {name!r}?"


def test_require_imports():
    assert require("math", extra="io", task="arithmetic") is math
    assert require("os.path", extra="io", task="paths").__name__.endswith("path")


def test_require_says_how_to_install():
    message = (
        r"^reading Parquet needs 'no_such_module', which is not installed\.\n"
        r"Run: python -m pip install 'osculate\[io\]'$"
    )
    with pytest.raises(InputError, match=message) as caught:
        require("no_such_module.parquet", extra="io", task="reading Parquet")
    assert isinstance(caught.value.__cause__, ImportError)


def test_input_errors_are_value_errors():
    assert issubclass(InputError, ValueError)
    assert issubclass(core.FitError, RuntimeError)


def test_the_protocols_know_their_own():
    assert isinstance(train.lbfgs(), core.Optimizer)
    assert isinstance(train.first_order(optax.sgd, 0.1), core.Optimizer)
    assert not isinstance(optax.sgd(0.1), core.Optimizer)
    assert isinstance(train.Minibatch({}, 1), core.Sampler)


def test_samples_hold_what_they_are_given():
    x = np.zeros((3, 2))
    samples = core.Samples(x)
    assert samples.x is x
    assert samples.y is None
    assert samples.weight is None
