"""From NumPy to JAX without losing a bit."""

import jax
import jax.numpy as jnp
import numpy as np


def fits_jax(dtype: np.dtype) -> bool:
    """Whether JAX has this dtype, with 64 bits on: no text, no long double.

    Args:
        dtype: A dtype that a file can hold.

    Returns:
        True for booleans, integers, floats of up to 8 and complex of up to 16 bytes.
    """
    return dtype.kind in "biufc" and dtype.itemsize <= (16 if dtype.kind == "c" else 8)


def as_jax(value: np.ndarray, where: str) -> jax.Array:
    """Returns a JAX array of the same dtype, in memory of its own.

    Args:
        value: Numbers or booleans.
        where: Its place, for messages.

    Returns:
        The copy. (`jnp.asarray` may share the memory of a NumPy array.)

    Raises:
        ValueError: If JAX would keep 32 of the array's 64 bits.
    """
    wanted = value.dtype.newbyteorder("=")
    if jax.dtypes.canonicalize_dtype(wanted) != wanted:
        raise ValueError(
            f"`store`: {where} was saved as {wanted}, which JAX would cut to 32 bits; "
            "expected 64 bits to be switched on.\n"
            'Call `jax.config.update("jax_enable_x64", True)` before loading.'
        )
    return jnp.array(value.astype(wanted, copy=False))
