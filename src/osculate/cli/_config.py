"""Options from a TOML file, under the same names as on the command line."""

import tomllib
from pathlib import Path
from typing import Any

from osculate.core import InputError, did_you_mean

KINDS: dict[str, type | tuple[type, ...]] = {
    "inputs": (list, str),
    "outputs": (list, str),
    "test": str,
    "compare": bool,
    "strict": bool,
    "loss": str,
    "width": int,
    "depth": int,
    "activation": str,
    "validation": (int, float),
    "budget": str,
    "seed": int,
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
        found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}.\nGive an existing file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}.\nCorrect that line.") from error
    return {key: _checked(path, key, value) for key, value in found.items()}


def _checked(path: str, key: str, value: Any) -> Any:
    if key not in KINDS:
        raise InputError(
            f"{path}: unknown key {key!r}.{did_you_mean(key, KINDS)}\n"
            f"Known: {', '.join(KINDS)}."
        )
    kinds = KINDS[key]
    if isinstance(value, bool) != (kinds is bool) or not isinstance(value, kinds):
        wanted = " or ".join(
            k.__name__ for k in (kinds if isinstance(kinds, tuple) else (kinds,))
        )
        raise InputError(
            f"{path}: {key} = {value!r} is a {type(value).__name__}; expected {wanted}."
        )
    if key in ("inputs", "outputs"):
        names = value.split(",") if isinstance(value, str) else value
        return tuple(str(name).strip() for name in names)
    return value
