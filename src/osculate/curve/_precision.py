"""Methods that go beyond single precision say so where it is not there."""

from typing import Any


def refuse_precision(owner: str, found: Any, wanted: str) -> None:
    """Checks the precision of the parameters.

    Args:
        owner: Whose parameters they are.
        found: Their type.
        wanted: What the method was asked for.

    Raises:
        ValueError: If they differ.
    """
    if str(found) != wanted:
        raise ValueError(
            f"`{owner}`: the parameters are of type {found}; expected {wanted}.\n"
            'Call jax.config.update("jax_enable_x64", True) before the model is made, '
            f'or settle for less: `{owner}(dtype="{found}")`.'
        )
