"""Options from a TOML file, under the same names as on the command line."""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from osculate.core import InputError, did_you_mean

from ._parser import SEEDS


class Key(NamedTuple):
    """What a key may hold, and how it is written."""

    kinds: tuple[type, ...]
    example: str


KEYS = {
    "inputs": Key((list, str), '["T", "p"]'),
    "outputs": Key((list, str), '["h", "rho"]'),
    "test": Key((str,), '"steam_test.csv"'),
    "compare": Key((bool,), "true"),
    "strict": Key((bool,), "true"),
    "loss": Key((str,), '"gaussian"'),
    "model": Key((str,), '"network"'),
    "regularization": Key((str,), '"none"'),
    "members": Key((int,), "5"),
    "jacobian": Key((float, int), "0.1"),
    "width": Key((int,), "32"),
    "depth": Key((int,), "3"),
    "activation": Key((str,), '"tanh"'),
    "validation": Key((float, int), "0.2"),
    "budget": Key((str,), '"60s"'),
    "seed": Key((int,), "0"),
}
WORDS = {
    list: "a list of names",
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    dict: "a table",
}


def read_config(path: str) -> dict[str, Any]:
    """Reads options of `fit` from a TOML file.

    Args:
        path: The file.

    Returns:
        Options by name.

    Raises:
        InputError: If the file cannot be read, or a key or a value is not known.
    """
    try:
        found = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}.\nGive an existing file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}.\nCorrect that line.") from error
    return {key: _checked(path, key, value) for key, value in found.items()}


def _checked(path: str, key: str, value: Any) -> Any:
    if key not in KEYS:
        raise InputError(
            f"{path}: unknown key {key!r}.{did_you_mean(key, KEYS)}\n"
            f"Use the keys {', '.join(KEYS)}."
        )
    kinds = KEYS[key].kinds
    if type(value) not in kinds:
        found = WORDS.get(type(value), "a date or time")
        wanted = " or ".join(WORDS[kind] for kind in kinds)
        raise _refusal(path, key, value, f"is {found}; expected {wanted}")
    if key == "seed" and value not in SEEDS:
        raise _refusal(path, key, value, f"is out of range; expected 0 to {SEEDS[-1]}")
    if key not in ("inputs", "outputs"):
        return value
    names = value.split(",") if isinstance(value, str) else value
    if not names or not all(isinstance(n, str) and n.strip() for n in names):
        raise _refusal(path, key, value, "does not hold names only")
    return tuple(name.strip() for name in names)


def _refusal(path: str, key: str, value: Any, what: str) -> InputError:
    shown = repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:76]} ..."
    return InputError(
        f"{path}: {key} = {shown} {what}.\n"
        f"Write for instance: {key} = {KEYS[key].example}"
    )
