"""Where a traced function multiplies by its trained arrays, and where it adds them."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core
from jaxtyping import Array, Float

CALLS = {"closed_call", "core_call", "jit", "pjit"}
SAME = {"convert_element_type", "copy", "copy_p"}


class Use(NamedTuple):
    """One product with a trained array: `out[s, o] = sum_i a[s, i] W[i, o]`.

    Attributes:
        leaf: Which trained array.
        equation: Index of the equation.
        rows: Axes of the array that are summed over, those of length 1 left out.
        read: From the operands of the equation to `a`, `(S, I)`, with I in the order of
            the array's axes.
        order: Axes of the output, those of S first, then those of O in the order of the
            array's axes.
        size: O.
        bias: The trained array that is added to the output and to nothing else of it.
    """

    leaf: int
    equation: int
    rows: frozenset[int]
    read: Callable[[Sequence[Array]], Float[Array, "S I"]]
    order: tuple[int, ...]
    size: int
    bias: int | None = None


class Found(NamedTuple):
    """What a program does with its trained arrays.

    Attributes:
        uses: All products with one.
        others: Arrays that are used in another way too.
        adds: Arrays that are added to something, once for every time.
    """

    uses: list[Use]
    others: set[int]
    adds: list[int]


class _View(NamedTuple):
    """An array that holds another one: which axis of that each of its axes is."""

    of: int
    axes: tuple[int | None, ...]


def evaluate(
    jaxpr: Any,
    consts: Sequence[Any],
    args: Sequence[Any],
    apply: Callable[[int, Any, list[Any]], list[Any]],
) -> list[Any]:
    """Runs a jaxpr with another meaning of its equations.

    Args:
        jaxpr: The jaxpr.
        consts: Values of its constants.
        args: Values of its arguments.
        apply: `(index, equation, operands) -> results`.

    Returns:
        Its results.
    """
    known = dict(zip(jaxpr.invars, args, strict=True))
    known |= dict(zip(jaxpr.constvars, consts, strict=True))

    def read(v: Any) -> Any:
        literal = isinstance(v, core.Literal)
        return jnp.asarray(v.val, v.aval.dtype) if literal else known[v]  # pyright: ignore

    for i, eqn in enumerate(jaxpr.eqns):
        with eqn.ctx.manager:
            outs = apply(i, eqn, [read(v) for v in eqn.invars])
        known.update(zip(eqn.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def bind(eqn: Any, args: Sequence[Any]) -> list[Any]:
    """Applies the primitive of an equation to other arguments."""
    out = eqn.primitive.bind(*args, **eqn.primitive.get_bind_params(eqn.params))
    return list(out) if eqn.primitive.multiple_results else [out]


def inlined(f: Callable[..., Any], *args: Any) -> core.ClosedJaxpr:
    """Traces a function, calls of compiled functions opened.

    Functions with derivative rules of their own stay closed: what is inside of them
    has another derivative.

    Args:
        f: A function of arrays.
        *args: Arrays, or their shapes.

    Returns:
        Its jaxpr, without calls.
    """
    closed = jax.make_jaxpr(f)(*args)
    return jax.make_jaxpr(lambda *a: _open(closed.jaxpr, closed.consts, a))(*args)


def _open(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    def apply(_: int, eqn: Any, operands: list[Any]) -> list[Any]:
        if eqn.primitive.name not in CALLS:
            return bind(eqn, operands)
        inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
        return _open(inner.jaxpr, inner.consts, operands)

    return evaluate(jaxpr, consts, args, apply)


def find_uses(jaxpr: Any, num_leaves: int) -> Found:
    """Finds all that a jaxpr does with its first arguments.

    Args:
        jaxpr: A jaxpr without calls.
        num_leaves: How many of its arguments are trained arrays.

    Returns:
        The products, their biases, and what is used otherwise.
    """
    leaves = jaxpr.invars[:num_leaves]
    shapes = [v.aval.shape for v in leaves]
    views = {v: _View(k, tuple(range(len(shapes[k])))) for k, v in enumerate(leaves)}
    chains: dict[Any, _View] = {}
    times = Counter(v for eqn in _live(jaxpr) for v in _variables(eqn.invars))
    times.update(_variables(jaxpr.outvars))
    found = Found(
        [], {views[v].of for v in _variables(jaxpr.outvars) if v in views}, []
    )
    index = {id(eqn): i for i, eqn in enumerate(jaxpr.eqns)}
    for eqn in _live(jaxpr):
        held = [(j, views[v]) for j, v in _enumerated(eqn.invars) if v in views]
        if eqn.primitive.name == "add" and held:
            found.adds.extend(view.of for _, view in held)
            _attach(found, eqn, held, chains, times, shapes)
            continue
        for j, view in held:
            axes = _carried(eqn, view.axes)
            if axes is not None:
                views[eqn.outvars[0]] = _View(view.of, axes)
            elif (use := _use(eqn, index[id(eqn)], j, view, shapes)) is not None:
                found.uses.append(use[0])
                chains[eqn.outvars[0]] = _View(len(found.uses) - 1, use[1])
            else:
                found.others.add(view.of)
        for _, v in _enumerated(eqn.invars):
            if v in chains and times[v] == 1 and _is_bijective(eqn):
                axes = _carried(eqn, chains[v].axes)
                if axes is not None:
                    chains[eqn.outvars[0]] = _View(chains[v].of, axes)
    return found


def _attach(
    found: Found,
    eqn: Any,
    held: list[tuple[int, _View]],
    chains: dict[Any, _View],
    times: Counter,
    shapes: list[tuple[int, ...]],
) -> None:
    """Notes the bias of a use: the same numbers are added to all of its outputs."""
    if len(held) != 1:
        return
    ((j, view),) = held
    other = eqn.invars[1 - j]
    if isinstance(other, core.Literal) or other not in chains or times[other] != 1:
        return
    k, axes = chains[other]
    use = found.uses[k]
    if use.bias is None and other.aval.shape == eqn.outvars[0].aval.shape:
        columns = _positions(axes, shapes[use.leaf])
        if columns == _positions(view.axes, shapes[view.of]):
            found.uses[k] = use._replace(bias=view.of)


def _positions(axes: Sequence[int | None], shape: tuple[int, ...]) -> list[int]:
    """Returns where the axes longer than 1 are, in the order of the array's."""
    at = [(a, i) for i, a in enumerate(axes) if a is not None and shape[a] != 1]
    return [i for _, i in sorted(at)]


def _carried(eqn: Any, axes: tuple[int | None, ...]) -> tuple[int | None, ...] | None:
    """Returns the axes after an equation that only moves its operand, else None."""
    name, params = eqn.primitive.name, eqn.params
    if name in SAME:
        given = eqn.invars[0].aval.dtype
        kept = jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.floating)
        return axes if kept and jnp.issubdtype(given, jnp.floating) else None
    if name == "transpose":
        return tuple(axes[i] for i in params["permutation"])
    if name == "squeeze":
        return tuple(a for i, a in enumerate(axes) if i not in params["dimensions"])
    shape = eqn.outvars[0].aval.shape
    if name == "broadcast_in_dim":
        places = params["broadcast_dimensions"]
        at = dict(zip(places, axes, strict=True))
        given = dict(zip(places, eqn.invars[0].aval.shape, strict=True))
        return tuple(
            at[i] if i in at and given[i] == n else None for i, n in enumerate(shape)
        )
    if name in ("reshape", "expand_dims"):
        long = [a for a, n in zip(axes, eqn.invars[0].aval.shape, strict=True) if n > 1]
        sizes = [n for n in eqn.invars[0].aval.shape if n > 1]
        if sizes != [n for n in shape if n > 1]:
            return None
        rest = iter(long)
        return tuple(next(rest) if n > 1 else None for n in shape)
    return None


def _is_bijective(eqn: Any) -> bool:
    """Whether an equation that moves its operand repeats none of its numbers."""
    return math.prod(eqn.invars[0].aval.shape) == math.prod(eqn.outvars[0].aval.shape)


def _use(
    eqn: Any, index: int, side: int, view: _View, shapes: list[tuple[int, ...]]
) -> tuple[Use, tuple[int | None, ...]] | None:
    """Returns a use, and which axis of the trained array each axis of its output is."""
    shape = eqn.invars[side].aval.shape
    if math.prod(shape) != math.prod(shapes[view.of]):
        return None
    if eqn.primitive.name == "dot_general":
        parts = _dot(eqn, side, view)
    elif eqn.primitive.name == "conv_general_dilated" and side == 1:
        parts = _convolution(eqn, view)
    else:
        parts = None
    if parts is None:
        return None
    rows = (a for a in parts.summed if a is not None and shapes[view.of][a] != 1)
    columns = sorted(parts.columns, key=lambda i: _rank(parts.axes[i]))
    size = math.prod(eqn.outvars[0].aval.shape[i] for i in columns)
    order = (*parts.free, *columns)
    use = Use(view.of, index, frozenset(rows), parts.read, order, size)
    return use, parts.axes


class _Product(NamedTuple):
    """A product with a trained array W.

    Attributes:
        summed: Axes of W that are summed over.
        read: As of `Use`.
        axes: Which axis of W each axis of the output is.
        free: Axes of the output that W does not have.
        columns: The others.
    """

    summed: list[int | None]
    read: Callable[[Sequence[Array]], Float[Array, "S I"]]
    axes: tuple[int | None, ...]
    free: list[int]
    columns: list[int]


def _rank(axis: int | None) -> int:
    """Sorts axes of length 1 that the array does not have before the others."""
    return -1 if axis is None else axis


def _dot(eqn: Any, side: int, view: _View) -> _Product | None:
    contract, batch = eqn.params["dimension_numbers"]
    if batch[0]:
        return None
    ours, theirs = contract[side], contract[1 - side]
    pairs = sorted(zip(ours, theirs, strict=True), key=lambda p: _rank(view.axes[p[0]]))
    num = [len(v.aval.shape) for v in eqn.invars]
    free = [i for i in range(num[1 - side]) if i not in theirs]
    order = (*free, *[p[1] for p in pairs])

    def read(operands: Sequence[Array]) -> Float[Array, "S I"]:
        a = operands[1 - side]
        inner = math.prod(a.shape[p[1]] for p in pairs)
        return jnp.transpose(a, order).reshape(-1, inner)

    mine = tuple(view.axes[i] for i in range(num[side]) if i not in ours)
    none = (None,) * len(free)
    axes = (*mine, *none) if side == 0 else (*none, *mine)
    at = list(range(len(axes)))
    cut = len(mine) if side == 0 else len(free)
    first, second = at[:cut], at[cut:]
    spread, columns = (second, first) if side == 0 else (first, second)
    return _Product([view.axes[i] for i in ours], read, axes, spread, columns)


def _convolution(eqn: Any, view: _View) -> _Product | None:
    params = eqn.params
    if params["feature_group_count"] != 1 or params["batch_group_count"] != 1:
        return None
    numbers, kernel = params["dimension_numbers"], eqn.invars[1].aval.shape
    inner = numbers.rhs_spec[1:]
    order = sorted(range(len(inner)), key=lambda j: _rank(view.axes[inner[j]]))
    window = [kernel[i] for i in inner[1:]]

    def read(operands: Sequence[Array]) -> Float[Array, "S I"]:
        patches = lax.conv_general_dilated_patches(
            jnp.transpose(operands[0], numbers.lhs_spec),
            window,
            params["window_strides"],
            params["padding"],
            params["lhs_dilation"],
            params["rhs_dilation"],
            precision=lax.Precision.HIGHEST,
        )
        a = jnp.moveaxis(patches, 1, -1).reshape(-1, *[kernel[i] for i in inner])
        a = jnp.transpose(a, (0, *[1 + j for j in order]))
        return a.reshape(len(a), math.prod(a.shape[1:]))

    out = numbers.out_spec
    column = view.axes[numbers.rhs_spec[0]]
    axes = tuple(column if i == out[1] else None for i in range(len(out)))
    summed = [view.axes[i] for i in inner]
    return _Product(summed, read, axes, [out[0], *out[2:]], [out[1]])


def _variables(atoms: Sequence[Any]) -> Iterator[Any]:
    return (v for v in atoms if not isinstance(v, core.Literal))


def _enumerated(atoms: Sequence[Any]) -> list[tuple[int, Any]]:
    return [(j, v) for j, v in enumerate(atoms) if not isinstance(v, core.Literal)]


def _live(jaxpr: Any) -> list[Any]:
    """Returns the equations on which a result depends."""
    wanted, eqns = set(_variables(jaxpr.outvars)), []
    for eqn in reversed(jaxpr.eqns):
        if not wanted.isdisjoint(eqn.outvars):
            wanted.update(_variables(eqn.invars))
            eqns.append(eqn)
    return eqns[::-1]
