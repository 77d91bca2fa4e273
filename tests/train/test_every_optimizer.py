"""What all optimizers have in common: one protocol, and resumption through a file."""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from osculate import curve, nets, store
from osculate.core import Objective, Optimizer, Samples, Term
from osculate.train import first_order, fit, lbfgs, start

NET = nets.MLP(1, 1, width=5, depth=2, key=jr.key(0))
X = jnp.linspace(-1, 1, 24)[:, None]
OBJECTIVE = Objective({"d": Term(lambda net, x, y: net(x))})
SAMPLES = {"d": Samples(X, jnp.sin(3 * X))}
EVERY = {
    "adam": first_order(optax.adam, 1e-2),
    "momentum": first_order(optax.sgd, 1e-2, momentum=0.9),
    "lbfgs": lbfgs(memory=5),
    "ssbroyden": curve.ssbroyden(),
    "ssbfgs": curve.ssbfgs(),
    "levenberg_marquardt": curve.levenberg_marquardt(),
    "levenberg_marquardt free": curve.levenberg_marquardt(lane="free"),
    "newton_cg": curve.newton_cg(),
    "nonlinear_conjugate_gradients": curve.nonlinear_conjugate_gradients(),
    "kfac_descent": curve.kfac_descent(),
    "random_search": curve.random_search(jr.key(1)),
    "natural_gradient": curve.natural_gradient(damping=1e-2),
    "natural_gradient momentum": curve.natural_gradient(0.1, 1e-2, momentum=0.9),
}
every = pytest.mark.parametrize("optimizer", EVERY.values(), ids=EVERY)


@every
def test_resumed_from_a_file_it_ends_with_the_same_bits(optimizer, tmp_path):
    seen = []
    options: dict[str, Any] = {"steps": 12, "every": 4}
    whole = fit(OBJECTIVE, NET, SAMPLES, optimizer, watch=[seen.append], **options)
    assert isinstance(optimizer, Optimizer)
    middle = seen[1]
    path = tmp_path / "snapshot"
    path.write_bytes(store.pack(store.leaves(middle.carry), {}))
    arrays, _ = store.unpack(path.read_bytes(), path)
    template = start(OBJECTIVE, NET, SAMPLES, optimizer)
    snapshot = store.with_leaves(template, arrays, path)
    again = fit(
        OBJECTIVE,
        NET,
        SAMPLES,
        optimizer,
        resume=(snapshot, middle.history),
        **options,
    )
    for name, column in whole.history.items():
        np.testing.assert_array_equal(again.history[name], column, err_msg=name)
    for one, other in zip(
        jax.tree.leaves(whole.value), jax.tree.leaves(again.value), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert whole.history["loss"][-1] < whole.history["loss"][0]


@every
def test_a_snapshot_of_another_method_is_refused(optimizer):
    other = "lbfgs" if optimizer is not EVERY["lbfgs"] else "adam"
    snapshot = start(OBJECTIVE, NET, SAMPLES, EVERY[other])
    history = {"step": np.array([0]), "loss": np.array([1.0])}
    with pytest.raises(ValueError, match="`fit`: the snapshot to resume from is not"):
        fit(OBJECTIVE, NET, SAMPLES, optimizer, resume=(snapshot, history), steps=3)


def test_a_snapshot_of_another_network_is_refused():
    wider = nets.MLP(1, 1, width=6, depth=2, key=jr.key(0))
    adam = EVERY["adam"]
    snapshot = start(OBJECTIVE, wider, SAMPLES, adam)
    history = {"step": np.array([0]), "loss": np.array([1.0])}
    message = r"model\.weights\[0\] has shape \(6, 1\); expected \(5, 1\)"
    with pytest.raises(ValueError, match=message):
        fit(OBJECTIVE, NET, SAMPLES, adam, resume=(snapshot, history), steps=3)
