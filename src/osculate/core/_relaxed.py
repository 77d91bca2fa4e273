"""For third parties whose own arithmetic promotes dtypes and ranks."""

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def relaxed() -> Iterator[None]:
    """Allows promotion inside, whatever the caller's strictness."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
