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
        return self.loss(self.outputs(model, samples), samples)

    def outputs(
        self, model: PyTree[Any], samples: Mapping[str, Samples]
    ) -> dict[str, dict[str, Array]]:
        """Returns everything that is looked at: the model's half of the objective.

        Args:
            model: The model, any pytree.
            samples: Samples for every label.

        Returns:
            Arrays with leading axis N, by label and name.

        Raises:
            ValueError: If a label has no samples.
        """
        missing = [label for label in self.terms if label not in samples]
        if missing:
            raise ValueError(
                f"`Objective`: no samples for the terms {missing}; got samples for "
                f"{sorted(samples)}. Pass samples={{{missing[0]!r}: Samples(...)}}."
            )
        return {
            label: term.outputs(model, samples[label])
            for label, term in self.terms.items()
        }

    def loss(
        self,
        outputs: Mapping[str, Mapping[str, Array]],
        samples: Mapping[str, Samples],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """Returns the loss of given outputs, and its parts: the other half.

        Args:
            outputs: `outputs(model, samples)`.
            samples: Samples for every label.

        Returns:
            The sum of all parts, and the parts by `label.name`.
        """
        parts = self._named(lambda t, z, s: t.parts(z, s), outputs, samples)
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
        outputs = self.outputs(model, samples)
        return self._named(lambda t, z, s: t.residuals(z, s), outputs, samples)

    def _named(
        self, ask: Callable[..., dict], outputs: Mapping, samples: Mapping[str, Samples]
    ) -> dict:
        return {
            f"{label}.{name}" if name else label: value
            for label, term in self.terms.items()
            for name, value in ask(term, outputs[label], samples[label]).items()
        }
