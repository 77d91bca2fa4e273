"""Rules of primitives that compute: linear, bilinear, elementwise."""

from typing import Any

import jax.numpy as jnp

from ._interpret import Trace, bind, rule
from ._space import Bundle
from ._towers import RATES, tower_of

Bundles = list[Bundle]


@rule(
    "broadcast_in_dim",
    "conj",
    "convert_element_type",
    "copy",
    "copy_p",
    "cumsum",
    "expand_dims",
    "imag",
    "neg",
    "optimization_barrier",
    "real",
    "reduce_precision",
    "reduce_sum",
    "reduce_window_sum",
    "reshape",
    "rev",
    "sharding_constraint",
    "slice",
    "squeeze",
    "transpose",
)
def _linear(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles | None:
    """Linear in its only operand: stream by stream."""
    if len(bundles) != 1:
        return None
    if not jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.inexact):
        return [{(): bind(eqn, bundles[0][()])[0]}]
    return [{key: bind(eqn, a)[0] for key, a in bundles[0].items()}]


@rule("add", "add_any", "sub")
def _additive(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    a, b = bundles
    found: Bundle = {(): bind(eqn, a[()], b[()])[0]}
    shape = found[()].shape
    sign = jnp.negative if eqn.primitive.name == "sub" else lambda y: y
    for key in trace.space.keys:
        if key in a and key in b:
            found[key] = bind(eqn, a[key], b[key])[0]
        elif key in a:
            found[key] = jnp.broadcast_to(a[key], shape)
        elif key in b:
            found[key] = jnp.broadcast_to(sign(b[key]), shape)
    return [found]


@rule("mul", "conv_general_dilated")
def _bilinear(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    return [trace.space.multiply(lambda a, b: bind(eqn, a, b)[0], *bundles)]


@rule("dot_general")
def _product(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    """`W x` as `x W^T`: under `vmap` points then stay rows, and all streams alike.

    Left to XLA, some streams are transposed: 1.6 times the training step of the set u,
    u_t, u_x, u_xx in float32, 1.25 times in float64 (`benchmarks/operators.py`).
    """
    a, b = bundles
    contracted, batched = eqn.params["dimension_numbers"]
    whole = b[()].ndim == len(contracted[1]) + len(batched[1])
    if len(a) > 1 or not whole:
        return _bilinear(trace, eqn, bundles)
    precision = eqn.params["precision"]
    turned = eqn.params | {
        "dimension_numbers": (contracted[::-1], batched[::-1]),
        "precision": precision[::-1] if isinstance(precision, tuple) else precision,
    }
    of = lambda stream: eqn.primitive.bind(stream, a[()], **turned)
    return [{key: of(stream) for key, stream in b.items()}]


@rule("div")
def _quotient(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    a, b = bundles
    if len(b) == 1:
        return [{key: bind(eqn, x, b[()])[0] for key, x in a.items()}]
    return [trace.space.divide(a, b)]


@rule(
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "erf_inv",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "integer_pow",
    "lgamma",
    "log",
    "log1p",
    "logistic",
    "pow",
    "rsqrt",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
)
def _elementwise(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles | None:
    u, *fixed = bundles
    tower = tower_of(eqn.primitive, eqn.params)
    real = jnp.issubdtype(u[()].dtype, jnp.floating)
    if tower is None or not real or any(len(b) > 1 for b in fixed):
        return None
    if trace.space.order > 2 and (rate := RATES.get(eqn.primitive.name)):
        return [trace.space.integrate(bind(eqn, u[()])[0], rate, u)]
    values = tower(u[()], trace.space.order, *(b[()] for b in fixed))
    return [trace.space.compose(values, u)]


@rule("max", "min")
def _extremum(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    """The slope at a tie is the mean of both, as in JAX."""
    a, b = bundles
    x, y = a[()], b[()]
    wins = x > y if eqn.primitive.name == "max" else x < y
    share = jnp.where(x == y, 0.5, wins.astype(eqn.outvars[0].aval.dtype))
    found: Bundle = {(): bind(eqn, x, y)[0]}
    for key in trace.space.keys:
        parts = [w * c[key] for w, c in ((share, a), (1 - share, b)) if key in c]
        if parts:
            found[key] = sum(parts[1:], parts[0])
    return [found]


@rule("select_n")
def _select(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    return [_jointly(eqn, bundles, set(range(1, len(bundles))))]


@rule("concatenate")
def _concatenate(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    return [_jointly(eqn, bundles, set(range(len(bundles))))]


@rule("dynamic_slice")
def _window(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    return [_jointly(eqn, bundles, {0})]


@rule("gather")
def _gather(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    """What stands in for entries outside has no derivatives."""
    x, index = (b[()] for b in bundles)
    inside = eqn.params | {"fill_value": 0}
    streams = {
        key: eqn.primitive.bind(stream, index, **inside)
        for key, stream in bundles[0].items()
    }
    return [streams | {(): bind(eqn, x, index)[0]}]


@rule("dynamic_update_slice", "pad")
def _two_places(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    return [_jointly(eqn, bundles, {0, 1})]


@rule("scatter", "scatter-add", "scatter_add")
def _scatter(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles | None:
    if eqn.primitive.name == "scatter" and not eqn.params["unique_indices"]:
        return None
    return [_jointly(eqn, bundles, {0, 2})]


def _jointly(eqn: Any, bundles: Bundles, linear: set[int]) -> Bundle:
    """Linear in these operands at once, the others being indices: stream by stream."""
    keys = set().union(*(bundles[i] for i in linear))
    of = lambda i, key: bundles[i].get(key, jnp.zeros_like(bundles[i][()]))
    return {
        key: bind(
            eqn, *(of(i, key) if i in linear else b[()] for i, b in enumerate(bundles))
        )[0]
        for key in sorted(keys)
    }
