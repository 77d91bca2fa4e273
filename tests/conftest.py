"""Strict numerics for every test: float64, no silent promotion, warnings are errors."""

import gc
import os

# Threads of LAPACK beside those of XLA wait for each other where cores are few.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile(
    "osculate", deadline=None, max_examples=30, derandomize=True, database=None
)
settings.load_profile("osculate")


@pytest.fixture(autouse=True, scope="module")
def forget_compiled_programs():
    """Thousands of programs in one process use up its memory maps: it then crashes."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture
def key():
    return jax.random.key(0)
