"""Fits over several devices against those on one, in processes of their own.

    python sharded_fits.py
    python sharded_fits.py ADDRESS INDEX

The first compares within a process; the second is one of two processes, each of which
has a part of the rows. Both print what they found as one line of JSON.
"""

import functools
import json
import sys
import time
import types
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh

from osculate import curve, diff, nets, store, train
from osculate.core import Objective, Samples, Term

NUM_ROWS = 37  # no multiple of any number of devices


@functools.cache
def methods():
    """Optimizers and steps by name; made after JAX has been told of other processes."""
    return {
        "adam": (train.first_order(optax.adam, 1e-2), 60),
        "lbfgs": (train.lbfgs(), 30),
        "ssbroyden": (curve.ssbroyden(), 15),
        "lm_primal": (curve.levenberg_marquardt(lane="primal"), 10),
        "lm_dual": (curve.levenberg_marquardt(lane="dual"), 10),
        "lm_free": (curve.levenberg_marquardt(lane="free"), 4),
    }


class Inside(eqx.Module):
    """The residual of Poisson's equation, and the solution where it was measured."""

    def __call__(self, net, x, y):
        u = lambda x: net(x)[0]
        return {"equation": diff.laplacian(u)(x) - jnp.sin(x[0]), "value": u(x)}


class Value(eqx.Module):
    traces: list = eqx.field(static=True, default_factory=list)

    def __call__(self, net, x, y):
        self.traces.append(1)
        return net(x)


OBJECTIVE = Objective(
    {
        "inside": Term(Inside(), weight={"equation": 0.1, "value": 1.0}),
        "walls": Term(Value()),
    }
)


def make_net():
    return nets.MLP(2, 1, width=5, depth=1, key=jr.key(0))


def make_rows(num_rows=NUM_ROWS):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(num_rows, 2))
    return {
        "inside": Samples(
            x,
            {"equation": np.zeros(num_rows), "value": np.sin(x[:, 0])},
            {"equation": None, "value": rng.uniform(size=num_rows)},
        ),
        "walls": Samples(np.eye(2), np.zeros((2, 1))),  # fewer rows than devices
    }


def fit(samples, name, net=None, **options):
    optimizer, steps = methods()[name]
    net = make_net() if net is None else net
    options = {"steps": steps, "every": 10} | options
    return train.fit(OBJECTIVE, net, samples, optimizer, **options)


def flat(net):
    return np.asarray(ravel_pytree(net)[0])


def gap(one, other):
    """The largest difference of two fits, in their parameters and in their losses."""
    moved = np.abs(flat(one.value) - flat(make_net())).max()
    steps = [result.history["step"].tolist() for result in (one, other)]
    if moved < 1e-2 or steps[0] != steps[1]:
        return float("inf")
    losses = np.abs(one.history["loss"] - other.history["loss"]).max()
    return float(max(np.abs(flat(one.value) - flat(other.value)).max(), losses))


def in_batches(rows):
    sampler = train.Minibatch(rows, 8)
    options = {"sampler": sampler, "sample_every": 3, "key": jr.key(1)}
    return fit(sampler.first(), "adam", validation=rows, **options)


def resumed(samples, whole):
    """Breaks a fit off, keeps its snapshot as arrays, goes on: the largest change."""
    kept = {}

    def keep(now):
        if now.step == 10:
            kept.update(arrays=store.leaves(now.carry), history=now.history)

    optimizer, _ = methods()["ssbroyden"]
    fit(samples, "ssbroyden", steps=10, watch=[keep])
    template = train.start(OBJECTIVE, make_net(), samples, optimizer)
    snapshot = store.with_leaves(template, kept["arrays"], "kept")
    return gap(fit(samples, "ssbroyden", resume=(snapshot, kept["history"])), whole)


def message(function, *arguments, **options):
    """What a function says that refuses its arguments."""
    try:
        function(*arguments, **options)
    except ValueError as error:
        return str(error)
    return ""


def first_warning(function, *arguments, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments, **options)
    return str(caught[0].message)


def flops(samples):
    """Of one gradient, on one of the devices."""
    samples = jax.tree.map(jnp.asarray, samples)
    gradient = eqx.filter_grad(lambda net, samples: OBJECTIVE(net, samples)[0])
    lowered = eqx.filter_jit(gradient).lower(make_net(), samples)  # pyright: ignore[reportFunctionMemberAccess]
    compiled = lowered.compile()
    return compiled.compiled.cost_analysis()["flops"]


def traces(samples):
    """How often the chunks after the first one trace the objective."""
    counts = []
    tally: Any = OBJECTIVE.terms["walls"].probe
    look = lambda now: counts.append(len(tally.traces))
    fit(samples, "lm_dual", every=2, watch=[look])  # its R x R matrix is tempting
    return counts[-1] - counts[0]


def on_one_device(net, index):
    put = lambda leaf: jax.device_put(leaf, jax.devices()[index])
    return jax.tree.map(lambda a: put(a) if eqx.is_array(a) else a, net)


def compare_devices():
    rows = make_rows()
    spread = train.shard(rows)
    alone = {name: fit(rows, name) for name in methods()}
    over = {name: fit(spread, name) for name in methods()}
    arrays = jax.tree.leaves(eqx.filter(over["ssbroyden"].value, eqx.is_array))
    grid = jax.make_mesh((2, 2), ("copies", "points"))
    single = Mesh(np.asarray(jax.devices()[:1]), ("rows",))
    gaps = {name: gap(over[name], alone[name]) for name in methods()} | {
        "minibatch": gap(in_batches(spread), in_batches(rows)),
        "resumed": resumed(spread, over["ssbroyden"]),
        "grid": gap(fit(train.shard(rows, grid, axis="points"), "adam"), alone["adam"]),
        "single": gap(fit(train.shard(rows, single), "adam"), alone["adam"]),
        "moved": gap(fit(spread, "adam", on_one_device(make_net(), 1)), alone["adam"]),
    }
    bad = make_rows(8)
    bad["inside"].y["value"][5] = np.inf
    nothing = Samples(np.ones((0, 1)))
    messages = {
        "axis": message(train.shard, rows, single, axis="points"),
        "few": message(train.shard, {"a": Samples(np.ones((3, 1)))}),
        "empty": message(train.shard, rows | {"a": nothing}),
        "lengths": message(train.shard, {"a": Samples(np.ones((8, 1)), np.ones(7))}),
        "batch": message(train.Minibatch, spread, 6),
        "diagnosis": first_warning(fit, train.shard(bad), "adam"),
    }
    large = make_rows(400)
    return {
        "gaps": gaps,
        "messages": messages,
        "shards": [s.data.shape for s in spread["inside"].x.addressable_shards],
        "is_on_all": [
            a.sharding.is_fully_replicated and len(a.devices()) == 4 for a in arrays
        ],
        "flops": flops(train.shard(large)) / flops(large),
        "traces": traces(spread),
    }


def compare_processes(index):
    rows = make_rows()
    # 20 rows here, 17 there; of the walls one in each.
    split = {"inside": 20, "walls": 1}
    part = {
        label: jax.tree.map(lambda a, n=split[label]: np.split(a, [n])[index], samples)
        for label, samples in rows.items()
    }
    spread = train.shard(part)
    names = ("adam", "lbfgs", "ssbroyden", "lm_primal")
    alone = {name: fit(rows, name) for name in names}
    over = {name: fit(spread, name) for name in names}
    gaps = {name: gap(over[name], alone[name]) for name in names} | {
        "minibatch": gap(in_batches(spread), in_batches(rows)),
        "resumed": resumed(spread, over["ssbroyden"]),
    }
    other_net = jax.tree.map(lambda a: a + index if eqx.is_array(a) else a, make_net())
    bad = make_rows(8)
    bad["inside"].y["value"][5 + index] = np.inf
    own = Mesh(np.asarray(jax.local_devices()), ("rows",))
    first = [device for device in jax.devices() if device.process_index == 0]
    nothing = Samples(np.ones((3 * index, 1)))
    as_ints = Samples(np.ones((4, 1), int if index else float))
    messages = {
        "empty": message(train.shard, part | {"a": nothing}),
        "form": message(train.shard, part | {"a": as_ints}),
        "mesh": message(train.shard, rows, Mesh(np.asarray(first), ("rows",))),
        "net": message(fit, spread, "adam", other_net),
        "diagnosis": first_warning(fit, train.shard(bad), "adam"),
    }
    local = fit(train.shard(rows, own), "adam") if index else alone["adam"]
    gaps["local"] = gap(local, alone["adam"])
    return {"gaps": gaps, "messages": messages, "timed": timed(spread, index)}


def timed(spread, index):
    """Steps of a fit limited by time, where the clock of one process runs fast."""
    real = time.perf_counter
    train._loop.time = types.SimpleNamespace(perf_counter=lambda: (1 + index) * real())
    result = fit(spread, "adam", steps=None, seconds=2.0)
    train._loop.time = time
    return result.history["step"].tolist()


def main(address="", index="0"):
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.config.update("jax_numpy_rank_promotion", "raise")
    if not address:
        found = compare_devices()
    else:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(address, num_processes=2, process_id=int(index))
        found = compare_processes(int(index))
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
