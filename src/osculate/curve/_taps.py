"""Inputs of the layers of a model and derivatives by their outputs, at every row.

The derivative of a row by a weight that is used in products only is a sum of outer
products of these two, so that much can be told of it that is never formed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from osculate.core import Objective, Samples, trainable

from ._rows import Rows, refuse_empty, rows_of
from ._uses import Found, Use, bind, evaluate, find_uses, inlined


class Layer(NamedTuple):
    """A trained array that is used in products only, with its bias: one matrix.

    Attributes:
        weight: Index of the array among the leaves of the trained tree.
        bias: Index of what is added to every product with it, the last row.
        rows: Axes of the array that count the rows of the matrix.
        columns: Axes that count its columns. Axes of length 1 are in neither.
        shape: Of the array.
    """

    weight: int
    bias: int | None
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def height(self) -> int:
        """Rows of the matrix, that of the bias included."""
        return math.prod(self.shape[a] for a in self.rows) + (self.bias is not None)

    @property
    def width(self) -> int:
        """Columns of the matrix."""
        return math.prod(self.shape[a] for a in self.columns)


class Pair(NamedTuple):
    """Vectors whose outer products, summed over uses s, are derivatives by a matrix.

    Attributes:
        left: `(S, height)` inputs, or `(m, S, height)` derivatives by outputs where
            the matrix was used transposed.
        right: `(m, S, width)` derivatives by outputs, or `(S, width)` inputs.
    """

    left: Float[Array, "... S height"]
    right: Float[Array, "... S width"]


class Slopes(NamedTuple):
    """The derivatives of the m numbers that a row makes.

    Attributes:
        values: These numbers, `(m,)`.
        layers: By layer, the uses of its matrix as it is, and those of its transpose.
        direct: By array that is no layer, derivatives `(m, size)`.
    """

    values: Float[Array, " m"]
    layers: list[tuple[Pair | None, Pair | None]]
    direct: list[Float[Array, "m size"]]


class Program(NamedTuple):
    """A function of the trained arrays and one row, as equations."""

    jaxpr: Any
    consts: list[Any]
    found: Found


class Taps(NamedTuple):
    """Functions of the trained arrays and one row, and how they use these arrays.

    Attributes:
        theta: The trained tree.
        programs: One per function.
        layers: Arrays used in products only, by all of them and in one way.
        direct: Indices of the other arrays: derivatives by them are taken in full.
    """

    theta: PyTree[Array]
    programs: list[Program]
    layers: list[Layer]
    direct: list[int]

    def slopes(self, k: int, row: PyTree[Any]) -> Slopes:
        """Returns the derivatives of function k at one row; batch it by `vmap`.

        Cost: one evaluation, and a reverse pass for each of the m numbers.

        Args:
            k: Which function.
            row: One row.

        Returns:
            The derivatives by all layers and all other arrays.
        """
        program = self.programs[k]
        leaves = jax.tree.leaves(self.theta)
        uses = program.found.uses
        tapped = {layer.weight for layer in self.layers}
        at: dict[int, list[int]] = {}
        for j, use in enumerate(uses):
            if use.leaf in tapped:
                at.setdefault(use.equation, []).append(j)
        inputs: dict[int, Array] = {}

        def run(shifts: dict[int, Array], free: list[Array]) -> Any:
            given = list(leaves)
            for j, leaf in zip(self.direct, free, strict=True):
                given[j] = leaf

            def apply(i: int, eqn: Any, operands: list[Any]) -> list[Any]:
                outs = bind(eqn, operands)
                if i not in at:
                    return outs
                inputs.update((j, uses[j].read(operands)) for j in at[i])
                return [outs[0] + shifts[i]]

            args = [*given, *jax.tree.leaves(row)]
            (out,) = evaluate(program.jaxpr, program.consts, args, apply)
            return jnp.ravel(out), inputs

        shifts = {i: _zeros(program.jaxpr.eqns[i].outvars[0].aval) for i in at}
        free = [leaves[j] for j in self.direct]
        values, pull, read = jax.vjp(run, shifts, free, has_aux=True)
        slopes, direct = _pulled(pull, values)
        return Slopes(
            values,
            [self._pairs(layer, uses, read, slopes) for layer in self.layers],
            [d.reshape(len(d), -1) for d in direct],
        )

    def gradient(self, matrices: Sequence[Array], direct: Sequence[Array]) -> Any:
        """Puts one matrix per layer and one vector per other array into the tree.

        Args:
            matrices: `(height, width)` per layer.
            direct: `(size,)` per other array.

        Returns:
            A tree like the trained one.
        """
        leaves, tree = jax.tree.flatten(self.theta)
        out = [jnp.zeros_like(leaf) for leaf in leaves]
        for layer, matrix in zip(self.layers, matrices, strict=True):
            if layer.bias is not None:
                bias = leaves[layer.bias]
                out[layer.bias] = matrix[-1].reshape(bias.shape).astype(bias.dtype)
                matrix = matrix[:-1]
            out[layer.weight] = _unfolded(layer, matrix).astype(out[layer.weight].dtype)
        for j, vector in zip(self.direct, direct, strict=True):
            out[j] = vector.reshape(out[j].shape)
        return jax.tree.unflatten(tree, out)

    def matrices(self, tree: PyTree[Array]) -> tuple[list[Array], list[Array]]:
        """Takes a tree apart; the inverse of `gradient`.

        Args:
            tree: A tree like the trained one.

        Returns:
            One matrix per layer, and one vector per other array.
        """
        leaves = jax.tree.leaves(tree)
        matrices = []
        for layer in self.layers:
            W = jnp.transpose(leaves[layer.weight], _axes(layer))
            W = W.reshape(-1, layer.width)
            if layer.bias is not None:
                W = jnp.concatenate([W, leaves[layer.bias].reshape(1, -1)])
            matrices.append(W)
        return matrices, [leaves[j].reshape(-1) for j in self.direct]

    def _pairs(
        self,
        layer: Layer,
        uses: Sequence[Use],
        inputs: Mapping[int, Array],
        slopes: Mapping[int, Array],
    ) -> tuple[Pair | None, Pair | None]:
        plain, swapped = [], []
        for j, use in enumerate(uses):
            if use.leaf != layer.weight:
                continue
            a = inputs[j]
            delta = slopes[use.equation]
            order = (0, *[1 + i for i in use.order])
            delta = jnp.transpose(delta, order).reshape(len(delta), -1, use.size)
            if use.rows == frozenset(layer.rows):
                if layer.bias is not None:
                    a = _widened(a, 1.0 if use.bias == layer.bias else 0.0)
                plain.append((a, delta))
            else:
                delta = delta if layer.bias is None else _widened(delta, 0.0)
                swapped.append((delta, a))
        return _joined(plain), _joined(swapped)


def tap(
    functions: Sequence[Callable[..., Any]],
    theta: PyTree[Array],
    rows: Sequence[PyTree[Any]],
    *,
    transposed: bool = True,
) -> Taps:
    """Finds the layers of functions of one row.

    An array is a layer where every function uses it in matrix products and
    convolutions only (behind transpositions and conversions at most, without batch
    axes or groups of channels), and all of them sum over the same of its axes, or over
    all others. A bias belongs to it where it is added to its products and to nothing
    else. In all other cases (loops, powers, scales) derivatives are taken in full.

    Args:
        functions: `(theta, row) -> (m,)` or a scalar.
        theta: The trained tree.
        rows: One row per function, or its shapes.
        transposed: Whether an array that is used transposed too is a layer.

    Returns:
        The layers.
    """
    count = len(jax.tree.leaves(theta))
    programs = []
    for f, row in zip(functions, rows, strict=True):
        leaves, tree = jax.tree.flatten((theta, row))
        call = lambda *a, f=f, tree=tree: f(*jax.tree.unflatten(tree, a))
        closed = inlined(call, *leaves)
        found = find_uses(closed.jaxpr, count)
        programs.append(Program(closed.jaxpr, closed.consts, found))
    shapes = [a.shape for a in jax.tree.leaves(theta)]
    layers = _layers([p.found for p in programs], shapes, transposed)
    used = {k for layer in layers for k in (layer.weight, layer.bias)}
    return Taps(theta, programs, layers, [k for k in range(count) if k not in used])


def tap_rows(
    owner: str,
    objective: Objective,
    model: PyTree[Any],
    samples: Mapping[str, Samples],
    what: Callable[[Rows, PyTree[Any], PyTree[Any]], Array],
    *,
    transposed: bool = True,
) -> tuple[Taps, list[Rows]]:
    """Finds the layers of an objective.

    Args:
        owner: Who asks.
        objective: What is wanted.
        model: The model.
        samples: Samples for every label.
        what: `(rows, model, row) -> (m,)` or a scalar: what is made of one row.
        transposed: As for `tap`.

    Returns:
        The layers, one function per term, and the rows of every term.

    Raises:
        ValueError: If a term has no rows, a row makes no number, or nothing is trained.
    """
    refuse_empty(owner, objective, samples)
    theta, build = trainable(model)
    terms = list(rows_of(objective, model, samples))
    functions = [
        lambda theta, row, rows=rows: what(rows, build(theta), row) for rows in terms
    ]
    first = [jax.eval_shape(_first, rows.data) for rows in terms]
    sizes = [
        jax.eval_shape(f, theta, row).size
        for f, row in zip(functions, first, strict=True)
    ]
    if not all(sizes) or not jax.tree.leaves(theta):
        raise ValueError(
            f"`{owner}`: rows of {list(objective.terms)} make {sizes} numbers, of "
            f"{len(jax.tree.leaves(theta))} trained arrays; expected one or more of "
            "each. Look at what the probe returns and at `core.trainable(model)`."
        )
    return tap(functions, theta, first, transposed=transposed), terms


def row_shares(rows: Rows) -> Float[Array, " N"]:
    """Returns how much each row counts: the mean over its entries of its shares."""
    _, _, share = rows.data
    each = [jnp.ravel(s).reshape(rows.num_rows, -1) for s in share.values()]
    return jnp.mean(jnp.concatenate(each, axis=1), axis=1)


def _layers(
    found: Sequence[Found], shapes: Sequence[tuple[int, ...]], transposed: bool
) -> list[Layer]:
    others = set().union(*(f.others for f in found), *(f.adds for f in found))
    uses = [use for f in found for use in f.uses]
    layers = []
    for k, shape in enumerate(shapes):
        mine = [use for use in uses if use.leaf == k]
        if k in others or not mine:
            continue
        rows = mine[0].rows
        columns = frozenset(a for a, n in enumerate(shape) if n != 1) - rows
        allowed = (rows, columns) if transposed else (rows,)
        if all(use.rows in allowed for use in mine):
            bias = _bias([use for use in mine if use.rows == rows], uses, found)
            layers.append(
                Layer(k, bias, tuple(sorted(rows)), tuple(sorted(columns)), shape)
            )
    return layers


def _bias(mine: list[Use], uses: list[Use], found: Sequence[Found]) -> int | None:
    """Returns the one bias of these uses, where it is added to nothing else."""
    names = {use.bias for use in mine if use.bias is not None}
    if len(names) != 1:
        return None
    (bias,) = names
    adds = sum(f.adds.count(bias) for f in found)
    elsewhere = any(bias in f.others for f in found) or any(
        use.leaf == bias for use in uses
    )
    attached = sum(use.bias == bias for use in mine)
    return bias if adds == attached and not elsewhere else None


def _first(data: PyTree[Any]) -> PyTree[Any]:
    return jax.tree.map(lambda a: a[0], data)


def _zeros(aval: Any) -> Array:
    return jnp.zeros(aval.shape, aval.dtype)


def _pulled(pull: Callable[..., Any], values: Float[Array, " m"]) -> Any:
    """Returns the derivatives of every value, with leading axis m."""
    if values.size == 1:
        return jax.tree.map(lambda a: a[None], pull(jnp.ones_like(values)))
    return jax.vmap(pull)(jnp.eye(values.size, dtype=values.dtype))


def _widened(a: Float[Array, "... n"], value: float) -> Float[Array, "... n+1"]:
    return jnp.concatenate([a, jnp.full_like(a[..., :1], value)], axis=-1)


def _joined(pairs: list[tuple[Array, Array]]) -> Pair | None:
    if not pairs:
        return None
    lefts, rights = zip(*pairs, strict=True)
    if len(pairs) == 1:
        return Pair(lefts[0], rights[0])
    return Pair(jnp.concatenate(lefts, -2), jnp.concatenate(rights, -2))


def _axes(layer: Layer) -> tuple[int, ...]:
    """Returns all axes of the array: those of length 1, the rows, the columns."""
    short = [a for a, n in enumerate(layer.shape) if n == 1]
    return (*short, *layer.rows, *layer.columns)


def _unfolded(layer: Layer, matrix: Float[Array, "rows width"]) -> Array:
    order = _axes(layer)
    W = matrix.reshape([layer.shape[a] for a in order])
    return jnp.transpose(W, sorted(range(len(order)), key=order.__getitem__))
