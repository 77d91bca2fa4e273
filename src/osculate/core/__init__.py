"""The nouns every other room speaks in, and the errors they share."""

from ._errors import InputError as InputError, did_you_mean as did_you_mean
from ._extras import require as require
from ._fixed import Fixed as Fixed, trainable as trainable
from ._flatten import flatten as flatten
from ._gaussian import Gaussian as Gaussian
from ._objective import Objective as Objective
from ._protocols import Optimizer as Optimizer, Sampler as Sampler
from ._relaxed import relaxed as relaxed
from ._result import (
    FitError as FitError,
    FitWarning as FitWarning,
    Result as Result,
    Status as Status,
)
from ._samples import Samples as Samples
from ._term import Term as Term, is_square as is_square
