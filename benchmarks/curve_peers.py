"""Second-order steps of ours against those of four other libraries, in one process.

The problem is a regression with 1,117 parameters on 1,200 rows, in float64; dual steps
and SSBroyden are measured in units of one gradient. Needs an environment of its own:

    uv venv peers --python 3.11
    uv pip install --python peers -e . optimistix==0.1.0 python-somax==1.0.1
    OPENBLAS_NUM_THREADS=1 peers/bin/python benchmarks/curve_peers.py [--smoke]
        [--only same_step steps descents dual ssbroyden]

`somax` knows mean squares only, which is why the problem is one; its damping must be a
number of float32. SciPy is given the Jacobian matrix of ours.
"""

import argparse
import contextlib
import functools
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import lineax as lx
import numpy as np
import optax
import optimistix as optx
import somax
from jax.flatten_util import ravel_pytree
from scipy.optimize import least_squares

import curve as equations
from _common import interleaved, keep, spread
from osculate import curve, nets
from osculate.core import Objective, Optimizer, Samples, Term, trainable

PACKAGES = ("optimistix", "python-somax", "optax", "scipy")
DAMPINGS = (1.0, 2.0**-10)
TOLERANCE = 1e-8  # of the same step, relative to its length
CALL = 0.2  # seconds of one compiled call of a descent


class Problem(NamedTuple):
    """A regression in the forms that libraries want.

    Attributes:
        objective: For ours.
        net: The network at the start.
        samples: For ours.
        theta: Its arrays.
        residuals: From arrays like theta to `(N,)`, half whose sum of squares is loss.
        predict: From such arrays and points to `(N,)`.
    """

    objective: Objective
    net: nets.MLP
    samples: dict[str, Samples]
    theta: Any
    residuals: Callable[[Any], jax.Array]
    predict: Callable[[Any, jax.Array], jax.Array]

    def loss(self, theta: Any) -> jax.Array:
        """Returns half the mean square."""
        return 0.5 * jnp.sum(self.residuals(theta) ** 2)


class Way(NamedTuple):
    """A method one step at a time.

    Attributes:
        first: What it carries before the first step.
        step: To what it carries after one more.
        at: From what it carries to arrays like theta.
    """

    first: Any
    step: Callable[[Any], Any]
    at: Callable[[Any], Any] = lambda carry: carry[0]


def regression(width: int, N: int, seed: int = 0) -> Problem:
    """Returns the fit of a smooth function of two inputs."""
    net = nets.MLP(2, 1, width=width, depth=2, key=jr.key(seed))
    x = jr.uniform(jr.key(seed + 1), (N, 2))
    y = jnp.sin(3 * x[:, :1]) * x[:, 1:]
    objective = Objective({"fit": Term(lambda m, x, y: m(x))})
    samples = {"fit": Samples(x, y)}
    theta, build = trainable(net)

    def residuals(t: Any) -> jax.Array:
        return objective.residuals(build(t), samples)["fit"][:, 0]

    predict = lambda t, x: jax.vmap(build(t))(x)[:, 0]
    return Problem(objective, net, samples, theta, residuals, predict)


def size(tree: Any) -> int:
    """Returns the number of entries of all arrays."""
    return sum(a.size for a in jax.tree.leaves(tree))


def of_ours(given: Problem, optimizer: Optimizer) -> Way:
    """Returns one of our methods."""
    start = eqx.filter_jit(optimizer.init)(given.objective, given.net, given.samples)
    step = lambda now: optimizer.step(given.objective, now[0], given.samples, now[1])
    return Way((given.net, start), step, lambda now: trainable(now[0])[0])


def damped(way: Way, damping: float = 1.0) -> Way:
    """Returns ours with a damping to begin with: 1 is that of Optimistix."""
    net, state = way.first
    state = state._replace(damping=jnp.full_like(state.damping, damping))
    return way._replace(first=(net, state))


def refuse_rejected(state: Any) -> None:
    """Checks that the last step was taken: a rejected one costs less."""
    assert state.growth == 2.0, "a step was rejected: there is nothing to see"


def of_optimistix(f: Callable[[Any], Any], theta: Any, solver: Any) -> Way:
    """Returns one of Optimistix's, of residuals or of a loss."""
    fn = lambda y, args: (f(y), None)
    struct, tags = jax.eval_shape(f, theta), frozenset()
    start = solver.init(fn, theta, None, {}, struct, None, tags)
    step = lambda now: solver.step(fn, now[0], None, {}, now[1], tags)[:2]
    return Way((theta, start), step)


def of_optax(given: Problem, method: optax.GradientTransformationExtraArgs) -> Way:
    """Returns one of Optax's; the value at the end of a line search is kept."""
    kept = optax.value_and_grad_from_state(given.loss)
    search = optax.tree_utils.tree_get(method.init(given.theta), "value") is not None

    def step(now: Any) -> Any:
        theta, state = now
        if search:
            value, gradient = kept(theta, state=state)
        else:
            value, gradient = jax.value_and_grad(given.loss)(theta)
        updates, state = method.update(
            gradient, state, theta, value=value, grad=gradient, value_fn=given.loss
        )
        return optax.apply_updates(theta, updates), state

    return Way((given.theta, method.init(given.theta)), step)


def of_somax(given: Problem, method: Any) -> Way:
    """Returns one of somax's."""
    rows = given.samples["fit"]
    batch = {"x": rows.x, "y": rows.y}
    step = lambda now: method.step(now[0], batch, now[1], jr.key(0))[:2]
    return Way((given.theta, method.init(given.theta)), step)


def ways(given: Problem) -> dict[str, Way]:
    """Returns all methods that step."""
    solve = functools.partial(optx.LevenbergMarquardt, rtol=1e-12, atol=1e-12)
    normal = lx.Normal(lx.Cholesky())
    egn = somax.egn_mse(
        predict_fn=given.predict,
        lam_policy="trust_region",
        lam0=1e-3,
        lam_kwargs={"dtype": jnp.float64},
        record_rho_every_k=1,
    )
    theta = given.theta
    plain = curve.levenberg_marquardt(acceleration=False)
    return {
        "ours, LM": damped(of_ours(given, plain)),
        "ours, LM, accelerated": damped(of_ours(given, curve.levenberg_marquardt())),
        "ours, SSBroyden": of_ours(given, curve.ssbroyden()),
        "optimistix, LM": of_optimistix(given.residuals, theta, solve()),
        "optimistix, LM, normal equations": of_optimistix(
            given.residuals, theta, solve(linear_solver=normal)
        ),
        "optimistix, BFGS": of_optimistix(given.loss, theta, optx.BFGS(1e-12, 1e-12)),
        "optax, L-BFGS": of_optax(given, optax.lbfgs(memory_size=20)),
        "optax, Adam": of_optax(given, optax.adam(1e-3)),
        "somax, EGN": of_somax(given, egn),
    }


def repeated(way: Way) -> Callable[[Any, int], Any]:
    """Returns a compiled function of what is carried and a number of steps."""
    static = eqx.filter(way.first, eqx.is_array, inverse=True)
    # A weak type, lost in the first call, would compile the second anew.
    strong = lambda a: a.astype(a.dtype) if getattr(a, "weak_type", False) else a
    took = lambda now: eqx.filter(way.step(eqx.combine(now, static)), eqx.is_array)
    run = jax.jit(lambda now, n: jax.lax.fori_loop(0, n, lambda _, a: took(a), now))

    def call(carry: Any, n: int) -> Any:
        return eqx.combine(run(jax.tree.map(strong, arrays(carry)), n), static)

    return call


def arrays(carry: Any) -> Any:
    """Returns what can be waited for."""
    return eqx.filter(carry, eqx.is_array)


def same_step(smoke: bool) -> dict[str, Any]:
    """Returns how far steps of the same J, r and damping are from the dense one."""
    given = improved(regression(6, 40) if smoke else regression(31, 1200))
    start, _ = ravel_pytree(given.theta)
    r = given.residuals(given.theta)
    J = curve.jacobian_matrix(given.objective, given.net, given.samples)
    found = {}
    for damping in DAMPINGS:
        dense = -jnp.linalg.solve(J.T @ J + damping * jnp.eye(len(start)), J.T @ r)
        for name, delta in deltas(given, damping).items():
            error = float(jnp.linalg.norm(delta - dense) / jnp.linalg.norm(dense))
            assert error < TOLERANCE, f"{name}, damping {damping}: {error}"
            found[f"{name}, damping {damping}"] = error
    return {"P": len(start), "N": len(r), "relative errors": found}


def improved(given: Problem, steps: int = 20) -> Problem:
    """Returns the problem after some steps, where no step is rejected."""
    way = of_ours(given, curve.levenberg_marquardt())
    after = repeated(way)(way.first, steps)
    return given._replace(net=after[0], theta=way.at(after))


def deltas(given: Problem, damping: float) -> dict[str, jax.Array]:
    """Returns the damped step of every library that has one."""
    flat = lambda tree: ravel_pytree(tree)[0]
    start = flat(given.theta)
    found = {}
    for lane in ("primal", "dual"):
        method = curve.levenberg_marquardt(lane=lane, acceleration=False)
        way = damped(of_ours(given, method), damping)
        after = eqx.filter_jit(way.step)(way.first)
        refuse_rejected(after[1])
        found[f"ours, {lane}"] = flat(way.at(after)) - start
    residual, push = jax.linearize(given.residuals, given.theta)
    J = lx.FunctionLinearOperator(push, jax.eval_shape(lambda: given.theta))
    for name, solver in (("QR", lx.QR()), ("normal", lx.Normal(lx.Cholesky()))):
        descent = optx.DampedNewtonDescent(linear_solver=solver)
        info = optx.FunctionInfo.ResidualJac(residual, J)
        state = descent.query(given.theta, info, descent.init(given.theta, info))
        found[f"optimistix, {name}"] = flat(
            eqx.filter_jit(descent.step)(jnp.asarray(1 / damping), state)[0]
        )
    way = of_somax(given, somax.egn_mse(predict_fn=given.predict, lam0=damping))
    found["somax, EGN"] = flat(way.at(jax.jit(way.step)(way.first))) - start
    return found


def steps(smoke: bool) -> dict[str, Any]:
    """Returns times of three steps, Jacobian and solution included."""
    given = improved(regression(6, 40) if smoke else regression(31, 1200))
    rounds, count = (2, 3) if smoke else (5, 3)
    found: dict[str, Callable[[], Any]] = {}
    first = {}
    for name, way in ways(given).items():
        run = repeated(way)
        call = lambda run=run, way=way: arrays(run(way.first, count))
        began = time.perf_counter()
        jax.block_until_ready(call())
        first[name] = time.perf_counter() - began
        if name.startswith("ours, LM"):
            for k in range(count):
                refuse_rejected(run(way.first, k + 1)[1])
        found[name] = call
    scipy = for_scipy(given)
    found["scipy, trf"] = lambda: scipy(evaluations=count + 1)[0]
    found["scipy, trf"]()
    times = interleaved(found, rounds=rounds)
    head = {"P": size(given.theta), "N": len(given.samples["fit"].x), "steps": count}
    return {**head, "first seconds": first, "times": times}


class _Over(Exception):
    """The time is over."""


def for_scipy(given: Problem) -> Callable[..., tuple[float, int]]:
    """Returns SciPy's trust region, with residuals and Jacobian compiled."""
    theta, unravel = ravel_pytree(given.theta)
    build = trainable(given.net)[1]
    matrix = lambda net: curve.jacobian_matrix(given.objective, net, given.samples)
    fun = jax.jit(lambda t: given.residuals(unravel(t)))
    jac = jax.jit(lambda t: matrix(build(unravel(t))))
    jax.block_until_ready((fun(theta), jac(theta)))
    return functools.partial(_scipy, fun, jac, np.asarray(theta))


def _scipy(
    fun: Callable[[Any], jax.Array],
    jac: Callable[[Any], jax.Array],
    theta: np.ndarray,
    seconds: float = np.inf,
    evaluations: int = 1_000_000,
) -> tuple[float, int]:
    """Returns the loss that is reached, and the number of Jacobians evaluated."""
    began, lowest, count = time.perf_counter(), np.inf, 0

    def residuals(t: np.ndarray) -> np.ndarray:
        nonlocal lowest
        found = np.asarray(fun(t))
        if time.perf_counter() - began > seconds:
            raise _Over
        lowest = min(lowest, 0.5 * float(found @ found))
        return found

    def derivatives(t: np.ndarray) -> np.ndarray:
        nonlocal count
        count += 1
        return np.asarray(jac(t))

    choices: dict[str, Any] = {"jac": derivatives, "max_nfev": evaluations}
    choices |= dict.fromkeys(("ftol", "xtol", "gtol"), 1e-15)
    with contextlib.suppress(_Over):
        least_squares(residuals, theta, **choices)
    return lowest, count


def descents(smoke: bool) -> dict[str, Any]:
    """Returns losses at equal seconds from the same start, compilation excluded."""
    seconds, seeds = (0.5, 2) if smoke else (8.0, 3)
    losses: dict[str, list[float]] = {}
    taken: dict[str, list[float]] = {}
    for seed in range(seeds):
        given = regression(6, 40, seed) if smoke else regression(31, 1200, seed)
        loss = jax.jit(given.loss)
        for name, way in ways(given).items():
            theta, count = descended(way, seconds)
            losses.setdefault(name, []).append(float(loss(theta)))
            taken.setdefault(name, []).append(count)
        lowest, count = for_scipy(given)(seconds)
        losses.setdefault("scipy, trf", []).append(lowest)
        taken.setdefault("scipy, trf", []).append(count)
    found = {n: {"loss": spread(losses[n]), "steps": spread(taken[n])} for n in losses}
    for name, entry in found.items():
        print(name, entry, flush=True)
    return {"seconds": seconds, "seeds": seeds, "cases": found}


def descended(way: Way, seconds: float) -> tuple[Any, int]:
    """Returns where a method is after so many seconds, and the steps it took."""
    run = repeated(way)
    jax.block_until_ready(arrays(run(way.first, 1)))
    carry, taken, count = way.first, 0, 1
    began = ticked = time.perf_counter()
    while time.perf_counter() - began < seconds:
        carry = run(carry, count)
        jax.block_until_ready(arrays(carry))
        taken += count
        now = time.perf_counter()
        pace, ticked = (now - ticked) / count, now
        left = min(CALL, seconds - (now - began))
        count = max(1, int(left / pace))
    return way.at(carry), taken


def dual(smoke: bool) -> dict[str, Any]:
    """Returns times of a step in the space of residuals, in units of one gradient."""
    width, N, rounds = (12, 40, 2) if smoke else (62, 1000, 15)
    found = {}
    for dtype in ("float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            given = regression(width, N)
            gradient = jax.jit(jax.grad(given.loss))
            call: dict[str, Callable[[], Any]] = {}
            call["gradient"] = lambda g=gradient, t=given.theta: g(t)
            for acceleration in (False, True):
                method = curve.levenberg_marquardt(
                    lane="dual", acceleration=acceleration, dtype=dtype
                )
                way = damped(of_ours(given, method))
                step = eqx.filter_jit(way.step)
                refuse_rejected(step(way.first)[1])
                name = "step, accelerated" if acceleration else "step"
                call[name] = lambda f=step, now=way.first: arrays(f(now))
            for way in call.values():
                jax.block_until_ready(way())
            found[dtype] = interleaved(call, rounds=rounds)
    return {"P": size(given.theta), "N": N, "times": found}


class _Counted(eqx.Module):
    """An objective that tells whenever it is evaluated."""

    objective: Objective
    tell: Callable[[], None] = eqx.field(static=True)

    def __call__(self, model: Any, samples: Any) -> Any:
        jax.debug.callback(self.tell)
        return self.objective(model, samples)


def ssbroyden(smoke: bool) -> dict[str, Any]:
    """Returns times of an iteration in units of one value and gradient.

    The problem is Poisson's equation with a boundary condition that is built in; the
    iterations are those after the first hundred.
    """
    cases = ((2, 50),) if smoke else ((2, 900), (3, 4000))
    rounds, before, count = (2, 3, 2) if smoke else (15, 100, 20)
    found = {}
    for depth, N in cases:
        given = equations.problem(0, True, N, depth)
        name = f"P = {size(trainable(given[1])[0])}, N = {N}"
        found[name] = iterations(*given, before, count, rounds)
    return {"calls": count, "cases": found}


def iterations(
    objective: Objective,
    u: Any,
    samples: Any,
    before: int,
    count: int,
    rounds: int,
) -> dict[str, Any]:
    """Times iterations, and evaluations on their own.

    Args:
        objective: What is wanted.
        u: The network at the start.
        samples: Points.
        before: Iterations before the clock starts.
        count: Iterations, or evaluations, in a call.
        rounds: Calls of each.

    Returns:
        Times of calls; evaluations per iteration, counted in a run of its own.
    """
    method = curve.ssbroyden()
    theta, build = trainable(u)

    def iteration(wanted: Any) -> Callable[[Any], Any]:
        return lambda now: method.step(wanted, now[0], samples, now[1])

    def evaluation(now: Any) -> Any:
        loss = lambda t: objective(build(t), samples)[0]
        value, gradient = jax.value_and_grad(loss)(now[0])
        # A step, though one that changes nothing: else it would be computed once.
        return jax.tree.map(lambda a, g: a - 1e-15 * g, now[0], gradient), value

    start = eqx.filter_jit(method.init)(objective, u, samples)
    way, plain = (
        Way((u, start), iteration(objective)),
        Way((theta, start.loss), evaluation),
    )
    run, evaluate = repeated(way), repeated(plain)
    warm = run(way.first, before)
    calls = {
        "value and gradient": lambda: arrays(evaluate(plain.first, count)),
        "iteration": lambda: arrays(run(warm, count)),
    }
    for call in calls.values():
        jax.block_until_ready(call())
    told: list[None] = []
    counted = _Counted(objective, functools.partial(told.append, None))
    again = repeated(Way(warm, iteration(counted)))
    jax.block_until_ready(arrays(again(warm, count)))
    jax.effects_barrier()
    return {
        "evaluations per iteration": len(told) / count,
        "times": interleaved(calls, rounds=rounds),
    }


PARTS = {
    "same_step": same_step,
    "steps": steps,
    "descents": descents,
    "dual": dual,
    "ssbroyden": ssbroyden,
}


def main() -> None:
    """Measures the parts that are asked for; keeps the results unless a smoke test."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="small, nothing is kept")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    versions = {name: version(name) for name in PACKAGES}
    for name in options.only:
        with jax.enable_x64(True):
            found = PARTS[name](options.smoke)
        if options.smoke:
            print(name, found)
        else:
            keep(f"curve_peers_{name}", {"peers": versions, **found})


if __name__ == "__main__":
    main()
