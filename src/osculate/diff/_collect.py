"""What is told while a function is traced: collected by whoever asked, per thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def collected(told: ContextVar[list[T] | None]) -> Iterator[list[T]]:
    """Collects what is told inside, in this thread alone.

    Args:
        told: Where tellers look for a list; None where no one asked.

    Yields:
        The list.
    """
    found: list[T] = []
    token = told.set(found)
    try:
        yield found
    finally:
        told.reset(token)
