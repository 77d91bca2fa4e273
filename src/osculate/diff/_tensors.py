"""What the derivative tensors are called in samples, losses and tables."""

TENSORS = ("value", "jacobian", "hessian")


def tensor_name(order: int) -> str:
    """Returns `value`, `jacobian`, `hessian`, then `derivative3`, `derivative4`, ...

    Args:
        order: Order of derivative.

    Returns:
        The name.

    Raises:
        ValueError: If the order is negative.
    """
    if order < 0:
        raise ValueError(f"`tensor_name`: order is {order}; expected 0 or more.")
    return TENSORS[order] if order < len(TENSORS) else f"derivative{order}"
