"""Curvature of an Objective, and the Optimizers made of it."""

from osculate.diff import Estimate as Estimate

from ._bayesian_regularization import (
    bayesian_regularization as bayesian_regularization,
)
from ._block_diagonal import block_diagonal as block_diagonal
from ._conjugate_gradients import (
    Solution as Solution,
    conjugate_gradients as conjugate_gradients,
)
from ._covariance import Covariance as Covariance, covariance as covariance
from ._covariance_of_gradients import gradient_covariance as gradient_covariance
from ._dual_gram import structured_dual_gram as structured_dual_gram
from ._eigenbasis import KroneckerEigenbasis as KroneckerEigenbasis
from ._ekfac import ekfac as ekfac
from ._fisher import empirical_fisher as empirical_fisher, fisher as fisher
from ._heavy_ball import HeavyBall as HeavyBall, heavy_ball as heavy_ball
from ._jacobian import (
    dual_gram as dual_gram,
    gram as gram,
    jacobian as jacobian,
    jacobian_matrix as jacobian_matrix,
)
from ._kfac import KroneckerFactored as KroneckerFactored, kfac as kfac
from ._kfac_descent import kfac_descent as kfac_descent
from ._levenberg_marquardt import levenberg_marquardt as levenberg_marquardt
from ._natural_gradient import natural_gradient as natural_gradient
from ._newton_cg import newton_cg as newton_cg
from ._noise_monitor import NoiseMonitor as NoiseMonitor
from ._noise_scale import (
    GradientNoise as GradientNoise,
    NoiseScale as NoiseScale,
    gradient_noise as gradient_noise,
    noise_scale as noise_scale,
    two_batch_noise as two_batch_noise,
)
from ._nonlinear_conjugate_gradients import (
    nonlinear_conjugate_gradients as nonlinear_conjugate_gradients,
)
from ._operators import (
    dense as dense,
    gauss_newton as gauss_newton,
    hessian as hessian,
    linearized as linearized,
    restrict as restrict,
)
from ._quasi_newton import ssbfgs as ssbfgs, ssbroyden as ssbroyden
from ._random_search import random_search as random_search
from ._spectrum import Spectrum as Spectrum, spectrum as spectrum
from ._stochastic import (
    condition_number as condition_number,
    diagonal as diagonal,
    logdet as logdet,
    squared_norm as squared_norm,
    trace as trace,
)
