"""The one door through which optional packages are imported."""

import importlib
from types import ModuleType

from ._errors import InputError


def require(module: str, *, extra: str | None, task: str) -> ModuleType:
    """Imports an optional module, or says how to install it.

    Args:
        module: Name of the module, `"pyarrow.parquet"`.
        extra: The extra of this package that brings it, `"io"`; `None` where none
            does, because who needs it has it.
        task: What it is needed for, `"reading Parquet"`.

    Returns:
        The imported module.

    Raises:
        InputError: If the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        install = f"'osculate[{extra}]'" if extra else package
        raise InputError(
            f"{task} needs {package!r}, which is not installed.\n"
            f"Run: python -m pip install {install}"
        ) from error
