"""Equations and their conditions on a domain, as Terms of an Objective."""

from ._adaptive import (
    ResidualAdaptive as ResidualAdaptive,
    residual_adaptive as residual_adaptive,
)
from ._ball import ball as ball, shell as shell
from ._box import box as box, interval as interval, parameter as parameter, time as time
from ._certificate import (
    Certificate as Certificate,
    certify as certify,
    certify_windows as certify_windows,
)
from ._cloud import points as points
from ._combined import (
    difference as difference,
    intersection as intersection,
    union as union,
)
from ._conditions import periodic as periodic
from ._domain import Domain as Domain, Side as Side
from ._energy import energy as energy
from ._estimate import Estimate as Estimate, estimate as estimate
from ._gridded import gridded as gridded
from ._integral import integral as integral
from ._linear import is_linear as is_linear
from ._mesh import mesh as mesh
from ._polygon import polygon as polygon
from ._problem import (
    EQUATION as EQUATION,
    Problem as Problem,
    problem as problem,
)
from ._ritz import ritz as ritz, ritz_samples as ritz_samples
from ._signed import signed_distance as signed_distance
from ._simplex import simplex as simplex
from ._terms import (
    Counts as Counts,
    fields_of as fields_of,
    model_of as model_of,
    objective_of as objective_of,
    samples_of as samples_of,
)
from ._trial import Trial as Trial
from ._weights import balanced as balanced
from ._windows import (
    Times as Times,
    Windows as Windows,
    all_windows as all_windows,
    first_window as first_window,
    next_window as next_window,
    windowed as windowed,
)
