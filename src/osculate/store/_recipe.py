"""A tree as a recipe, which is JSON, and the arrays that the recipe names.

None, bool, int, finite float, str    themselves
other floats                          {"float": "nan" | "inf" | "-inf"}
list                                  a list
tuple                                 {"tuple": [...]}
dict                                  {"keys": [...], "values": [...]}, in order
jax.Array                             {"jax": name of the array}
np.ndarray                            {"numpy": name of the array}
module                                {"module": class name, "fields": {...}}
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from ._arrays import is_storable
from ._errors import CorruptFileError, FilePath
from ._jax import as_jax, fits_jax


def encode(tree: PyTree, allowed: Sequence[type]) -> tuple[Any, dict[str, np.ndarray]]:
    """Returns a tree as a recipe and arrays, from which `decode` builds it again.

    Args:
        tree: None, numbers, text, lists, tuples, dictionaries with text keys, NumPy
            and JAX arrays, and modules of the allowed classes, nested in any way.
        allowed: Final module classes, each with a name of its own. All their fields
            are saved, static ones too; subclasses are not accepted.

    Returns:
        The recipe, which is JSON, and the arrays it names by their place in the tree,
        such as `tree.layers[0].weight`.
    """
    arrays: dict[str, np.ndarray] = {}
    return _encode(tree, "tree", _by_name(allowed), arrays), arrays


def decode(
    recipe: Any,
    arrays: Mapping[str, np.ndarray],
    allowed: Sequence[type],
    path: FilePath,
) -> PyTree:
    """Returns the tree of which `encode` made this recipe and these arrays.

    Modules are built field by field; neither `__init__` nor `__check_init__` runs.

    Args:
        recipe: The recipe, from anywhere.
        arrays: The arrays it names.
        allowed: The module classes it may name.
        path: The file it comes from, for messages.

    Returns:
        The tree; JAX arrays come back as JAX arrays, NumPy arrays as NumPy arrays. An
        array of 64 bits raises ValueError where JAX would keep 32 of them.

    Raises:
        CorruptFileError: If the recipe names an unknown class, other fields than the
            class has, an array that is missing, or is no recipe at all.
    """
    try:
        return _decode(recipe, "tree", _by_name(allowed), arrays, path)
    except RecursionError as error:
        raise CorruptFileError(path, "the recipe", "nested too deeply") from error


def _encode(
    tree: Any, at: str, classes: dict[str, type], arrays: dict[str, np.ndarray]
) -> Any:
    kind = type(tree)
    if tree is None or kind in (bool, int, str):
        return tree
    if kind is float:
        return tree if math.isfinite(tree) else {"float": str(tree)}
    if kind in (list, tuple):
        items = [
            _encode(item, f"{at}[{i}]", classes, arrays) for i, item in enumerate(tree)
        ]
        return items if kind is list else {"tuple": items}
    if kind is dict and all(type(key) is str for key in tree):
        values = [
            _encode(value, f"{at}[{key!r}]", classes, arrays)
            for key, value in tree.items()
        ]
        return {"keys": list(tree), "values": values}
    if kind is np.ndarray or isinstance(tree, jax.Array):
        if is_storable(tree.dtype):
            arrays[at] = np.asarray(tree)
            return {"numpy" if kind is np.ndarray else "jax": at}
    elif classes.get(kind.__name__) is kind:
        fields = {
            name: _encode(getattr(tree, name), f"{at}.{name}", classes, arrays)
            for name in _field_names(kind)
        }
        return {"module": kind.__name__, "fields": fields}
    raise TypeError(_refusal(tree, at, classes))


def _refusal(tree: Any, at: str, classes: dict[str, type]) -> str:
    came = f"a {type(tree).__module__}.{type(tree).__qualname__}"
    if isinstance(tree, np.ndarray | jax.Array):
        came += f" of dtype {tree.dtype}"
    elif type(tree) is dict:
        came += f" with keys {list(tree)[:5]}, not all of them text"
    return (
        f"`encode`: {at} is {came}; expected None, bool, int, float, str, list, tuple, "
        "dict, arrays of numbers, booleans or text, or one of the modules "
        f"{sorted(classes)}.\nTake it out of the tree, or replace it by one of these."
    )


def _decode(
    recipe: Any,
    at: str,
    classes: dict[str, type],
    arrays: Mapping[str, np.ndarray],
    path: FilePath,
) -> Any:
    def inner(recipe: Any, step: str) -> Any:
        return _decode(recipe, at + step, classes, arrays, path)

    match recipe:
        case None | bool() | int() | float() | str():
            return recipe
        case {"float": "nan" | "inf" | "-inf" as text}:
            return float(text)
        case list(items):
            return [inner(item, f"[{i}]") for i, item in enumerate(items)]
        case {"tuple": list(items)}:
            return tuple(inner(item, f"[{i}]") for i, item in enumerate(items))
        case {"keys": list(keys), "values": list(values)} if _are_keys(keys, values):
            pairs = zip(keys, values, strict=True)
            return {key: inner(value, f"[{key!r}]") for key, value in pairs}
        case {"jax": str(name)} if name in arrays:
            if fits_jax(arrays[name].dtype):
                return as_jax(arrays[name], at)
        case {"numpy": str(name)} if name in arrays:
            return arrays[name]
        case {"jax": name} | {"numpy": name}:
            raise CorruptFileError(path, at, f"array {name!r} is missing")
        case {"module": str(name), "fields": dict(fields)}:
            kind = _class(name, fields, at, classes, path)
            values = {
                name: inner(fields[name], f".{name}") for name in _field_names(kind)
            }
            return _build(kind, values)
    raise CorruptFileError(path, at, f"not a part of a recipe: {str(recipe)[:80]}")


def _are_keys(keys: list[Any], values: list[Any]) -> bool:
    return (
        len(keys) == len(values)
        and all(type(key) is str for key in keys)
        and len(set(keys)) == len(keys)
    )


def _class(
    name: str,
    fields: dict[str, Any],
    at: str,
    classes: dict[str, type],
    path: FilePath,
) -> type:
    if name not in classes:
        what = f"unknown module {name!r}, known are {sorted(classes)}"
        raise CorruptFileError(path, at, what)
    expected = _field_names(classes[name])
    if set(fields) != set(expected):
        what = f"{name} has fields {sorted(expected)}, found {sorted(fields)}"
        raise CorruptFileError(path, at, what)
    return classes[name]


def _field_names(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _build(kind: type, values: dict[str, Any]) -> Any:
    """Makes a frozen module as its own `__init__` would have left it."""
    module = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(module, name, value)
    return module


def _by_name(allowed: Sequence[type]) -> dict[str, type]:
    classes = {kind.__name__: kind for kind in allowed}
    if len(classes) < len(set(allowed)):
        names = sorted(kind.__name__ for kind in allowed)
        raise ValueError(
            f"`allowed` has two classes of one name: {names}; "
            "a recipe tells classes apart by name. Rename one of them."
        )
    return classes
