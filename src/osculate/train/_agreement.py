"""One decision for all processes of a fit: their clocks differ."""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import PyTree

from osculate.core import Status

_ANSWERS = (None, *Status)


class Agreement:
    """What process 0 says, wherever a tree lies on devices of several processes.

    All processes ask in the same order; elsewhere every answer is the process's own.
    """

    def __init__(self, tree: PyTree[Any]):
        arrays = [a for a in jax.tree.leaves(tree) if isinstance(a, jax.Array)]
        self._wanted = any(not a.is_fully_addressable for a in arrays)

    def number(self, own: int) -> int:
        """Returns the number of process 0, below 2**31."""
        if not self._wanted:
            return own
        return int(multihost_utils.broadcast_one_to_all(np.int32(own)))

    def status(self, own: Status | None) -> Status | None:
        """Returns the status of process 0."""
        return _ANSWERS[self.number(_ANSWERS.index(own))]
