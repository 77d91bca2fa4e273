"""What is wanted of a model: labelled terms, each averaged over its own samples."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, PyTree

from ._samples import Samples
from ._term import Term


class Objective(eqx.Module):
    """A sum of labelled Terms. It holds no data: samples are passed in by label.

    Attributes:
        terms: Terms by label.
    """

    terms: dict[str, Term]

    def __check_init__(self):
        """Checks that something is wanted.

        Raises:
            ValueError: If there is no term.
        """
        if not self.terms:
            raise ValueError(
                "`Objective`: no terms. Pass terms by label: {'data': Term(...)}."
            )

    def __call__(
        self, model: PyTree[Any], samples: Mapping[str, Samples]
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """Returns the loss, and its parts by `label.name` (`label` where unnamed).

        Args:
            model: The model, any pytree.
            samples: Samples for every label; others are ignored.

        Returns:
            The sum of all parts, and the parts.

        Raises:
            ValueError: If a label has no samples.
        """
        parts = self._collect(lambda t, s: t.parts(model, s), samples)
        return sum(parts.values()), parts  # pyright: ignore[reportReturnType]

    def residuals(
        self, model: PyTree[Any], samples: Mapping[str, Samples]
    ) -> dict[str, Float[Array, "N ..."]]:
        """Returns residuals by `label.name`, half whose sum of squares is the loss.

        Args:
            model: The model, any pytree.
            samples: Samples for every label.

        Returns:
            Arrays with leading axis N, scaled by `sqrt(weight * w / W)`.

        Raises:
            ValueError: If a label has no samples.
        """
        return self._collect(lambda t, s: t.residuals(model, s), samples)

    def _collect(
        self, ask: Callable[[Term, Samples], dict], samples: Mapping[str, Samples]
    ) -> dict:
        missing = [label for label in self.terms if label not in samples]
        if missing:
            raise ValueError(
                f"`Objective`: no samples for the terms {missing}; got samples for "
                f"{sorted(samples)}. Pass samples={{{missing[0]!r}: Samples(...)}}."
            )
        return {
            f"{label}.{name}" if name else label: value
            for label, term in self.terms.items()
            for name, value in ask(term, samples[label]).items()
        }
