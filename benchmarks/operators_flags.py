"""Training steps of the engine under compile options of XLA for CPUs.

Ratios are to the default options: below 1, the options are faster. The figure of merit
is the time with default options by that with the best. Options that a version of XLA
does not know, or with which it computes something else, are named and left out.

    python benchmarks/operators_flags.py [--rounds 11] [--dtype float64] [CASE ...]
"""

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from _cases import CASES, TOLERANCES, Case, arguments, chosen, precisions
from _clock import merge
from _common import interleaved, place
from _ways import WAYS
from operators import STEPS, Problem, descent, flat, problem

STUDIED = [
    case
    for case in CASES
    if case.width == 64
    and not case.trial
    and (case.operator, case.size) in {("u u_t u_x u_xx", 2), ("laplacian", 10)}
]
FUSION = "xla_cpu_experimental_ynn_fusion_type"
KINDS = "LIBRARY_FUSION_TYPE_"
OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "no library fusion": {FUSION: ""},
    "library: dot": {FUSION: f"{KINDS}DOT"},
    "library: one dot": {FUSION: f"{KINDS}INDIVIDUAL_DOT"},
    "library: reduce": {FUSION: f"{KINDS}REDUCE"},
    "library: dot, elementwise": {FUSION: f"{KINDS}DOT,{KINDS}ELTWISE"},
    "library: dot, elementwise, reduce": {
        FUSION: f"{KINDS}DOT,{KINDS}ELTWISE,{KINDS}REDUCE"
    },
    "fast math": {"xla_cpu_enable_fast_math": True},
    "fast min and max": {"xla_cpu_enable_fast_min_max": True},
    "vectors of 512 bits": {"xla_cpu_prefer_vector_width": 512},
    "AVX2": {"xla_cpu_max_isa": "AVX2"},
    "one thread for dot": {"xla_cpu_multi_thread_eigen": False},
    "one part of code": {"xla_cpu_parallel_codegen_split_count": 1},
    "old fusions": {"xla_cpu_use_fusion_emitters": False},
    "concurrent order": {
        "xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_CONCURRENCY_OPTIMIZED"
    },
}


def programs(given: Problem, steps: Callable) -> dict[str, Callable]:
    """Compiles a descent once for all options that this XLA knows."""
    lowered = jax.jit(steps).lower(given.theta, given.batches)
    call = lambda program: lambda: program(given.theta, given.batches)
    found: dict[str, Callable] = {}
    for name, options in OPTIONS.items():
        try:
            found[name] = call(lowered.compile(compiler_options=options))
        except jax.errors.JaxRuntimeError as error:
            print(f"{name}: {str(error).splitlines()[0]}")
    return found


def deviations(found: dict[str, Callable]) -> dict[str, float]:
    """Returns how far gradients are from those of the default, by their length."""
    gradients = {name: flat(run()) for name, run in found.items()}
    truth = gradients["default"]
    far = lambda a: np.linalg.norm(a - truth) / np.linalg.norm(truth)
    return {name: float(far(a)) for name, a in gradients.items()}


def measure(case: Case, dtype: str, rounds: int) -> dict[str, Any]:
    """Times the training step of a case under all options that compute the same."""
    given = problem(case, dtype)
    found = programs(given, descent(given, WAYS[case.operator]["engine"]))
    far = deviations(found)
    same = {n: run for n, run in found.items() if far[n] <= TOLERANCES[dtype]}
    times = interleaved(same, rounds=rounds)
    ratios = {n: times[n]["ratio"]["median"] for n in same}
    best = min(ratios, key=ratios.__getitem__)
    return {
        "load": os.getloadavg()[0],
        "best": best,
        "default by best": 1 / ratios[best],
        "wrong": [n for n in found if n not in same],
        "deviations": far,
        "times": times,
    }


def main() -> None:
    """Runs the chosen cases and adds them to the result."""
    options = arguments(__doc__, STUDIED).parse_args()
    head = {"machine": place(), "steps in a call": STEPS, "options": OPTIONS}
    for dtype in precisions(options.dtype):
        with jax.enable_x64(dtype == "float64"):
            for case in chosen(options.cases, STUDIED):
                entry = measure(case, dtype, options.rounds)
                merge("operators_flags", head, case.name, {dtype: entry})
                merit = f"default / best = {entry['default by best']:.2f}"
                print(f"{dtype}, {case.name}: {merit} ({entry['best']})")
                print("    wrong:", entry["wrong"])
                for name, t in entry["times"].items():
                    print(f"    {name}: {t['ratio']['median']:.2f}", flush=True)


if __name__ == "__main__":
    main()
