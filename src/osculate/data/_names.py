"""Names of derivatives, written and read: `h_T` in print, `dh/dT` in headers."""

import itertools
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from osculate.core import InputError
from osculate.diff import partial_name, readings


class Derivative(NamedTuple):
    """What a name says: the output, and the inputs it is differentiated by."""

    output: str
    inputs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.output!r} by " + " and ".join(map(repr, self.inputs))


class DerivativeName(NamedTuple):
    """One partial derivative: its two names, and where it stands in the tensor."""

    print: str
    slash: str
    entry: tuple[int, ...]


def slash_name(output: str, inputs: Sequence[str]) -> str:
    """Returns `dh/dT`, `d2h/dT2` or `d2h/dTdp`; the output itself by no input."""
    match tuple(inputs):
        case ():
            return output
        case (x,):
            return f"d{output}/d{x}"
        case (x1, x2) if x1 == x2:
            return f"d2{output}/d{x1}2"
        case _:
            below = "".join(f"d{x}" for x in inputs)
            return f"d{len(inputs)}{output}/{below}"


def _entries(M: int, D: int, order: int) -> Iterator[tuple[int, ...]]:
    """Yields (m, d, e, ...) with d <= e <= ... for every partial of one order."""
    for m in range(M):
        for below in itertools.combinations_with_replacement(range(D), order):
            yield (m, *below)


def _print_is_unique(outputs: Sequence[str], inputs: Sequence[str]) -> bool:
    """Returns whether no two of values, first and second partials share a name."""
    names = list(inputs)
    for order in (0, 1, 2):
        for m, *below in _entries(len(outputs), len(inputs), order):
            names.append(
                partial_name(outputs[m], [inputs[d] for d in below], over=inputs)
            )
    return len(set(names)) == len(names)


def derivative_names(
    outputs: Sequence[str], inputs: Sequence[str], order: int
) -> list[DerivativeName]:
    """Returns the names of all partial derivatives of one order.

    Print notation is `h_T`, `h_Tp` where every input is a single letter, and
    `lift_alpha_mach` otherwise. Where two of the values, first and second partials
    of these outputs would share such a name (outputs `h` and `h_T`, say), the print
    name is the slash name: `dh/dT`, `d2h/dT2`, `d2h/dTdp`.

    Args:
        outputs: Names of the outputs.
        inputs: Names of the inputs.
        order: 0 (the values), 1 or 2.

    Returns:
        A list of (print name, slash name, index), the index `(m,)`, `(m, d)` or
        `(m, d, e)` with `d <= e`: a mixed second partial is named once.

    Raises:
        InputError: If the order is not 0, 1 or 2.
    """
    if order not in (0, 1, 2):
        raise InputError(
            f"`derivative_names`: got order {order!r}; orders 0, 1 and 2 have names.\n"
            "Pass `order=1` or `order=2`."
        )
    unique = _print_is_unique(outputs, inputs)
    names = []
    for index in _entries(len(outputs), len(inputs), order):
        output, below = outputs[index[0]], [inputs[d] for d in index[1:]]
        slash = slash_name(output, below)
        shown = partial_name(output, below, over=inputs) if unique else slash
        names.append(DerivativeName(shown, slash, index))
    return names


def in_slashes(name: str) -> str:
    """Returns `d2h/dT2` for `∂²h/∂T²`, `d^2h/dT^2` and `d2 h / d T2`."""
    text = unicodedata.normalize("NFKC", name).replace("\N{PARTIAL DIFFERENTIAL}", "d")
    return re.sub(r"[\s^()]", "", text)


def _splits(text: str, joint: str) -> Iterator[tuple[str, str]]:
    """Yields (head, tail) for every place where `joint` stands in `text`."""
    at = text.find(joint)
    while at >= 0:
        yield text[:at], text[at + len(joint) :]
        at = text.find(joint, at + 1)


def read_slash(
    name: str, outputs: Collection[str], inputs: Collection[str]
) -> list[Derivative]:
    """Returns every way to read `name` as a first or a second derivative.

    Read are `d<y>/d<x>`, `d2<y>/d<x>2`, `d2<y>/d<x1>d<x2>` and the same with `_d` in
    place of `/d`. Names may hold digits and underscores, so that there can be more
    than one way.

    Args:
        name: Name of a column, without its unit.
        outputs: Names that may be differentiated.
        inputs: Names that they may be differentiated by.

    Returns:
        The readings; none where the name is no derivative of these.
    """
    found = []
    for joint in ("/d", "_d"):
        for head, tail in _splits(name, joint):
            if head[:1] == "d" and head[1:] in outputs and tail in inputs:
                found.append(Derivative(head[1:], (tail,)))
            if head[:2] == "d2" and head[2:] in outputs:
                if tail[-1:] == "2" and tail[:-1] in inputs:
                    found.append(Derivative(head[2:], (tail[:-1], tail[:-1])))
                for x1, x2 in _splits(tail, "d"):
                    if x1 in inputs and x2 in inputs:
                        found.append(Derivative(head[2:], (x1, x2)))
    return _distinct(found)


def read_print(
    name: str, outputs: Collection[str], inputs: Collection[str]
) -> list[Derivative]:
    """Returns every way to read `name` in print notation, `h_T`, `h_Tp`, `h_x1_x2`.

    Args:
        name: Name of a column, without its unit.
        outputs: Names of the outputs.
        inputs: Names of the inputs.

    Returns:
        The readings; none where the name is no derivative of these.
    """
    inputs = list(inputs)
    return [
        Derivative(p.field, tuple(inputs[i] for i in p.key))
        for p in readings(name, fields=list(outputs), over=inputs)
        if len(p.key) in (1, 2)
    ]


def _distinct(found: list[Derivative]) -> list[Derivative]:
    """Returns the readings that differ by more than the order of differentiation."""
    return list({(d.output, tuple(sorted(d.inputs))): d for d in found}.values())
