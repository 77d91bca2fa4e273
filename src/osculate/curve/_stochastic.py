"""Figures of an operator from products with random vectors, each with its error."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray
from matfree import stochtrace

from osculate.core import relaxed
from osculate.diff import Estimate

from ._operators import flat_product
from ._spectrum import mean, on_sphere, refuse_unsymmetric, spectrum

# Made once: a new function would be compiled anew.
XTRACE = stochtrace.leave_one_out_xtrace()
XDIAG = stochtrace.leave_one_out_xdiag()


def trace(
    operator: lineax.AbstractLinearOperator, key: PRNGKeyArray, *, num_matvecs: int = 64
) -> Estimate:
    """Returns the trace of a square operator, by XTrace.

    Half of the products find a space that holds most of the operator, whose trace is
    exact; every vector of it estimates, left out, the trace of the rest. Exact, with
    the error 0, where there are no more parameters than products, and nearly so where
    the rank is below half of the products. The estimates share most of their vectors:
    their standard error comes out up to a third too small.

    Args:
        operator: A square operator.
        key: A random key.
        num_matvecs: Products, 4 or more.

    Returns:
        An unbiased estimate and its standard error.

    Raises:
        ValueError: If there are too few products, or the operator is not square.

    Reference: Epperly, Tropp and Webber (2024), XTrace: making the most of every sample
        in stochastic trace estimation, SIAM J. Matrix Anal. Appl. 45, section 2.2.

    Example:
        >>> found = trace(gauss_newton(objective, model, samples), jr.key(0))
    """
    _refuse(operator, num_matvecs, "trace")
    return _leave_one_out(operator, key, num_matvecs, XTRACE)


def diagonal(
    operator: lineax.AbstractLinearOperator, key: PRNGKeyArray, *, num_matvecs: int = 64
) -> Estimate:
    """Returns the diagonal of a square operator, by XDiag.

    As `trace`, entry by entry; half of the products are with the transpose.

    Args:
        operator: A square operator.
        key: A random key.
        num_matvecs: Products, 4 or more.

    Returns:
        Unbiased estimates in trees like `core.trainable(model)[0]`, and their standard
        errors.

    Raises:
        ValueError: If there are too few products, or the operator is not square.

    Reference: Epperly, Tropp and Webber (2024), section 2.4.

    Example:
        >>> found = diagonal(hessian(objective, model, samples), jr.key(0))
    """
    _refuse(operator, num_matvecs, "diagonal")
    found = _leave_one_out(operator, key, num_matvecs, XDIAG)
    zero = lambda s: jnp.zeros(s.shape, s.dtype)
    unravel = ravel_pytree(jax.tree.map(zero, operator.in_structure()))[1]
    return Estimate(unravel(found.value), unravel(found.standard_error))


def squared_norm(
    operator: lineax.AbstractLinearOperator, key: PRNGKeyArray, *, num_matvecs: int = 64
) -> Estimate:
    """Returns the squared Frobenius norm of an operator of any shape.

    It is the trace of `A^T A`, taken as by `trace`: half of the products are with the
    transpose, and half of the others find the space that is taken exactly. Exact, with
    the error 0, where there are no more parameters than a quarter of the products, and
    nearly so where the rank is below that.

    Args:
        operator: Any operator A.
        key: A random key.
        num_matvecs: Products, 8 or more.

    Returns:
        An unbiased estimate of the sum of the squares of all entries, and its standard
        error, with the reservation of `trace`.

    Raises:
        ValueError: If there are too few products.

    Reference: as `trace`.

    Example:
        >>> found = squared_norm(hessian(objective, model, samples), jr.key(0))
    """
    _refuse_few(num_matvecs, 8, "squared_norm")
    return _squared_norm(operator, key, num_matvecs)


def logdet(
    operator: lineax.AbstractLinearOperator,
    key: PRNGKeyArray,
    *,
    num_matvecs: int = 64,
    num_probes: int = 16,
) -> Estimate:
    """Returns the logarithm of the determinant of a positive definite operator.

    Stochastic Lanczos quadrature: the mean of the logarithm over `spectrum`. Cost:
    `num_matvecs * num_probes` products. The standard error is that of the probes; the
    quadrature itself is exact with as many products as there are different eigenvalues,
    and else converges the faster the better the condition.

    Args:
        operator: A positive definite operator, such as
            `gauss_newton(...) + damping * lineax.IdentityLinearOperator(...)`.
        key: A random key.
        num_matvecs: Products per probe.
        num_probes: Random vectors, 2 or more.

    Returns:
        An estimate and its standard error.

    Raises:
        ValueError: If the operator is not tagged symmetric, or there are fewer than two
            probes.
        RuntimeError: If an eigenvalue is not positive.

    Reference: Ubaru, Chen and Saad (2017), Fast estimation of tr(f(A)) via stochastic
        Lanczos quadrature, algorithm 1.

    Example:
        >>> G = gauss_newton(objective, model, samples)
        >>> damped = G + 0.1 * lineax.IdentityLinearOperator(G.in_structure())
        >>> found = logdet(damped, jr.key(0))
    """
    refuse_unsymmetric("logdet", operator)
    found = spectrum(operator, key, num_matvecs=num_matvecs, num_probes=num_probes)
    nodes = _refuse_not_positive(found.nodes, found.low, found.high, "logdet")
    logs = jnp.sum(found.weights * jnp.log(nodes), -1)
    return mean(operator.in_size() * logs, "logdet")


def condition_number(
    operator: lineax.AbstractLinearOperator,
    key: PRNGKeyArray,
    *,
    num_matvecs: int = 64,
) -> Estimate:
    """Returns the largest over the smallest eigenvalue of a positive definite operator.

    Cost: `num_matvecs` products. From the extremes of `spectrum`: a lower bound, unless
    the smallest eigenvalue was found.

    Args:
        operator: A positive definite operator.
        key: A random key.
        num_matvecs: Products.

    Returns:
        The number; in place of the standard error, what the residuals of both ends
        leave open, to first order.

    Raises:
        ValueError: If the operator is not tagged symmetric.
        RuntimeError: If an eigenvalue is not positive.

    Example:
        >>> found = condition_number(damped, jr.key(0), num_matvecs=200)
    """
    refuse_unsymmetric("condition_number", operator)
    found = spectrum(operator, key, num_matvecs=num_matvecs, num_probes=1)
    low = _refuse_not_positive(found.low, found.low, found.high, "condition_number")
    value = found.high / low
    return Estimate(
        value, value * (found.high_error / found.high + found.low_error / low)
    )


@eqx.filter_jit
def _squared_norm(
    operator: lineax.AbstractLinearOperator, key: PRNGKeyArray, num_matvecs: int
) -> Estimate:
    # Inside, as the transpose is a new function whenever it is taken.
    return _leave_one_out(operator.T @ operator, key, num_matvecs // 2, XTRACE)


@eqx.filter_jit
def _leave_one_out(
    operator: lineax.AbstractLinearOperator, key: PRNGKeyArray, num_matvecs: int, how
) -> Estimate:
    """Returns the mean of the estimates that leave one vector out each.

    The operator is scaled to order 1: what is below rounding is recognized by its size.
    """
    product, size, dtype = flat_product(operator)
    number = min(num_matvecs // 2, size)
    probes = on_sphere(key, max(number, 1), size, dtype)
    scale = jnp.linalg.norm(product(probes[0])) / size**0.5
    scale = jnp.where(scale > 0, scale, 1)
    with relaxed():
        found = scale * how(lambda v: product(v) / scale, probes)
    if size == 1:  # one vector, which is all there are
        return Estimate(found[0], jnp.zeros_like(found[0]))
    return mean(found, "trace")


def _refuse(
    operator: lineax.AbstractLinearOperator, num_matvecs: int, owner: str
) -> None:
    if operator.in_size() != operator.out_size():
        raise ValueError(
            f"`{owner}`: the operator is {operator.out_size()} x {operator.in_size()}; "
            "expected a square one, such as `gauss_newton`."
        )
    _refuse_few(num_matvecs, 4, owner)


def _refuse_few(num_matvecs: int, least: int, owner: str) -> None:
    if num_matvecs < least:
        raise ValueError(
            f"`{owner}`: num_matvecs is {num_matvecs}; a standard error needs {least} "
            "or more."
        )


def _refuse_not_positive(
    value: Float[Array, "..."], low: Array, high: Array, owner: str
) -> Float[Array, "..."]:
    """Returns the value; an error where the operator is singular or indefinite."""
    slack = 100 * jnp.finfo(low.dtype).eps * jnp.abs(high)
    return eqx.error_if(
        value,
        ~(low > slack),
        f"`{owner}`: the operator has an eigenvalue that is negative or 0 to rounding; "
        "expected a positive definite one. Add damping: `operator + damping * "
        "lineax.IdentityLinearOperator(operator.in_structure())`.",
    )
