"""What a fit needs from an optimizer and from a sampler."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, PRNGKeyArray, PyTree

from ._objective import Objective
from ._samples import Samples

AllSamples = Mapping[str, Samples]


@runtime_checkable
class Optimizer(Protocol):
    """Moves the trained arrays of a model towards a smaller objective.

    All its methods are traced; the state is any pytree of arrays. An optimizer whose
    steps may be too long for the loss to stay finite also has `shorter(state) ->
    state`, after which its steps are shorter; a fit then goes back and asks for them.
    One that minimizes something else than the objective of the model, such as the mean
    over the members of an ensemble, also has `evaluate(objective, model, samples) ->
    (loss, parts)`, which a fit then records.
    """

    def init(
        self, objective: Objective, model: PyTree[Any], samples: AllSamples
    ) -> PyTree[Any]:
        """Returns the state before the first step."""
        ...

    def step(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: AllSamples,
        state: PyTree[Any],
    ) -> tuple[PyTree[Any], PyTree[Any]]:
        """Returns the model one step on, and the new state."""
        ...

    def notes(self, state: PyTree[Any]) -> dict[str, Array]:
        """Returns scalars worth recording, by name; they become columns of the history.

        Two names are not recorded: `"converged"`, true where further steps on the same
        samples would change nothing; the fit ends there. `"score"`: a fit without
        validation samples returns the iterate with the largest one.
        """
        ...

    def moved(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: AllSamples,
        state: PyTree[Any],
    ) -> PyTree[Any]:
        """Returns the state after the samples changed: curvature kept, values not."""
        ...


@runtime_checkable
class Sampler(Protocol):
    """Draws new samples: a minibatch, adaptive points, fresh noise, a rollout.

    It is traced; the shapes it returns are those it was given.
    """

    def __call__(
        self,
        objective: Objective,
        model: PyTree[Any],
        samples: AllSamples,
        key: PRNGKeyArray,
    ) -> AllSamples:
        """Returns samples of the same shapes."""
        ...
