"""Rules of primitives that hold programs: calls, branches, loops, custom rules."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ._interpret import Trace, bind, rule
from ._keys import Key
from ._space import Bundle
from ._towers import logistic, relu

Bundles = list[Bundle]


@rule("closed_call", "core_call", "jit", "pjit")
def _call(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    closed = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
    return trace.run(closed.jaxpr, closed.consts, bundles)


@rule("checkpoint", "remat", "remat2")
def _checkpoint(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    inside = lambda b: trace.run(eqn.params["jaxpr"], (), b)
    options = {name: eqn.params[name] for name in ("prevent_cse", "policy")}
    return jax.checkpoint(inside, **options)(bundles)


@rule("custom_jvp_call")
def _custom(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles | None:
    """Only JAX's own are taken apart: others have their rule for a reason."""
    u, *fixed = bundles
    if any(len(b) > 1 for b in fixed):
        return None
    order, name = trace.space.order, _name(eqn)
    value = lambda: bind(eqn, *(b[()] for b in bundles))[0]
    if name == "relu" and _is(eqn, jax.nn.relu):
        trace.note_kink(name)
        return [trace.space.compose([value(), *relu(u[()], order)[1:]], u)]
    if name == "logaddexp" and _is(eqn, jnp.logaddexp):
        other = fixed[0][()]
        # Where both are infinite, the slope is 1, as in JAX.
        ahead = jnp.where(jnp.isinf(u[()]), u[()], u[()] - other)
        slopes = logistic(ahead, order - 1)
        return [trace.space.compose([value(), *slopes], u)]
    return None


@rule("custom_vjp_call", "custom_vjp_call_jaxpr")
def _reverse_only(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    raise ValueError(
        f"`diff`: {_name(eqn)!r} has a custom reverse rule (`jax.custom_vjp`) and no "
        "forward one. Use `gradient` of a scalar, or give it a `jax.custom_jvp`."
    )


@rule("cond")
def _cond(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    index, *operands = bundles
    branches = [
        lambda ops, closed=closed: trace.run(closed.jaxpr, closed.consts, ops)
        for closed in eqn.params["branches"]
    ]
    shapes = [jax.eval_shape(branch, operands) for branch in branches]
    keys = [set().union(*outs) for outs in zip(*shapes, strict=True)]
    same = lambda branch: lambda ops: _all_filled(branch(ops), keys)
    return lax.switch(index[()], [same(branch) for branch in branches], operands)


@rule("scan")
def _scan(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    num_consts, num_carry = eqn.params["num_consts"], eqn.params["num_carry"]
    consts, xs = bundles[:num_consts], bundles[num_consts + num_carry :]
    first = bundles[num_consts : num_consts + num_carry]
    closed = eqn.params["jaxpr"]
    body = lambda carry, x: trace.run(
        closed.jaxpr, closed.consts, [*consts, *carry, *x]
    )
    row = jax.tree.map(lambda a: jnp.zeros(a.shape[1:], a.dtype), xs)
    keys = _fixed_point(first, lambda carry: body(carry, row)[:num_carry])

    def step(carry, x):
        outs = body(carry, x)
        return _all_filled(outs[:num_carry], keys), outs[num_carry:]

    options = {name: eqn.params[name] for name in ("length", "reverse", "unroll")}
    carry, ys = lax.scan(step, _all_filled(first, keys), xs, **options)
    return [*carry, *ys]


@rule("while")
def _while(trace: Trace, eqn: Any, bundles: Bundles) -> Bundles:
    a = eqn.params["cond_nconsts"]
    b = a + eqn.params["body_nconsts"]
    test, inner = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
    first = bundles[b:]
    body = lambda carry: trace.run(inner.jaxpr, inner.consts, [*bundles[a:b], *carry])
    values = lambda carry: [{(): v[()]} for v in [*bundles[:a], *carry]]
    goes_on = lambda carry: trace.run(test.jaxpr, test.consts, values(carry))[0][()]
    keys = _fixed_point(first, body)
    step = lambda carry: _all_filled(body(carry), keys)
    return lax.while_loop(goes_on, step, _all_filled(first, keys))


def _fixed_point(first: Bundles, body: Callable[[Bundles], Bundles]) -> list[set[Key]]:
    """Returns the keys that a carry has once nothing new appears."""
    keys = [set(bundle) for bundle in first]
    while True:
        outs = jax.eval_shape(body, _all_filled(first, keys))
        grown = [known | set(out) for known, out in zip(keys, outs, strict=True)]
        if grown == keys:
            return keys
        keys = grown


def _all_filled(bundles: Bundles, keys: list[set[Key]]) -> Bundles:
    return [_filled(b, k) for b, k in zip(bundles, keys, strict=True)]


def _filled(bundle: Bundle, keys: set[Key]) -> Bundle:
    """Returns the bundle with all these keys, zeros where they were absent."""
    value = jnp.asarray(bundle[()])
    absent = {key: jnp.zeros_like(value) for key in keys if key not in bundle}
    return dict(sorted((bundle | absent | {(): value}).items()))


def _name(eqn: Any) -> str:
    closed = eqn.params.get("call_jaxpr", eqn.params.get("fun_jaxpr"))
    return closed.jaxpr.debug_info.func_name


def _is(eqn: Any, function: Callable[..., Any]) -> bool:
    """Whether an equation is what tracing this function of JAX gives."""
    shapes = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in eqn.invars]
    program, where = eqn.params["call_jaxpr"], _place(eqn)
    return any(
        _place(e) == where and str(e.params["call_jaxpr"]) == str(program)
        for e in jax.make_jaxpr(function)(*shapes).eqns
        if e.primitive is eqn.primitive
    )


def _place(eqn: Any) -> str:
    """Returns where the function was written: another one may look the same."""
    return eqn.params["call_jaxpr"].jaxpr.debug_info.func_src_info
