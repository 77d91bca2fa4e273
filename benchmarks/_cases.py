"""The cases of the operator benchmarks and their networks, with numpy alone.

JAX and PyTorch are timed in different processes; both take shapes, weights and points
from here, so that their results can be compared number by number.
"""

import argparse
import itertools
from typing import NamedTuple

import numpy as np

STEPS, RATE, DEPTH = 10, 1e-6, 4
TOLERANCES = {"float32": 1e-3, "float64": 1e-9}


class Case(NamedTuple):
    """What is computed, of which network, at how many points.

    Attributes:
        operator: A set of derivatives; every process has its ways to compute it.
        size: Coordinates of a point, `(t, x)` where there are two.
        points: Points of one batch.
        width: Of the tanh network, whose depth is `DEPTH`.
        trial: Whether the field is the trial function
            `u(t, x) = -sin(pi x) + t (1 - x^2) n(t, x)` of a network n, which meets
            initial and boundary conditions whatever n is, or n itself.
    """

    operator: str
    size: int
    points: int
    width: int = 64
    trial: bool = False

    @property
    def name(self) -> str:
        """Its name in results and on the command line."""
        trial = ", trial function" if self.trial else ""
        return f"{self.operator}{trial}, D = {self.size}, width {self.width}"


CASES = [
    Case("value, gradient", 2, 2048),
    Case("value, gradient", 10, 1024),
    Case("u u_t u_x u_xx", 2, 2048),
    Case("u u_t u_x u_xx", 2, 2048, trial=True),
    Case("u u_t u_x u_xx", 2, 2048, width=20, trial=True),
    Case("laplacian", 2, 2048),
    Case("laplacian", 10, 1024),
    Case("laplacian", 100, 128),
    Case("laplacian", 2, 512, width=256),
    Case("laplacian", 10, 128, width=256),
    Case("laplacian", 100, 16, width=256),
    Case("u_xxxx", 2, 2048),
    Case("u_ttxx", 2, 1024),
    Case("biharmonic", 2, 1024),
    Case("biharmonic", 3, 512),
    Case("biharmonic", 5, 256),
]


def draw(case: Case) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Draws a network as `nets.MLP` does, and points from the cube [-1, 1]^D.

    Args:
        case: The case; the same numbers for the same case.

    Returns:
        Weights `(outputs, inputs)` and biases of every layer, and `STEPS` batches of
        points `(STEPS, points, D)`, in double precision.
    """
    rng = np.random.default_rng(0)
    sizes = [case.size, *[case.width] * DEPTH, 1]
    weights = [rng.normal(size=(b, a)) / a**0.5 for a, b in itertools.pairwise(sizes)]
    biases = [0.5 * rng.normal(size=b) for b in sizes[1:-1]]
    batches = rng.uniform(-1, 1, (STEPS, case.points, case.size))
    return weights, [*biases, np.zeros(1)], batches


def arguments(description: str, cases: list[Case]) -> argparse.ArgumentParser:
    """Returns a parser of which cases to run, how often, and in which precision."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog="cases:\n" + "\n".join(f"  {case.name}" for case in cases),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="part of a name")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--dtype", choices=list(TOLERANCES), help="by default both")
    return parser


def precisions(dtype: str | None) -> list[str]:
    """Returns the chosen precision, or all."""
    return [dtype] if dtype else list(TOLERANCES)


def chosen(parts: list[str], cases: list[Case]) -> list[Case]:
    """Returns the cases whose names hold any of these parts, all without parts.

    Args:
        parts: Parts of names; a whole name chooses that case alone.
        cases: The cases to choose from.

    Returns:
        The chosen ones.

    Raises:
        ValueError: If a part is in no name.
    """
    found: list[Case] = []
    for part in parts or [""]:
        fits = [c for c in cases if part == c.name]
        fits = fits or [c for c in cases if part in c.name]
        if not fits:
            raise ValueError(f"no case has {part!r} in its name; see --help.")
        found += [c for c in fits if c not in found]
    return found


def compare(found: np.ndarray, truth: np.ndarray, tolerance: float, what: str) -> None:
    """Fails where two ways do not compute the same.

    Args:
        found: Numbers, one row per point.
        truth: What they should be.
        tolerance: Largest difference, by the largest true number of a column.
        what: Whose numbers they are.

    Raises:
        ValueError: If they differ, or are not finite.
    """
    difference = np.max(np.abs(found - truth), axis=0)
    error = np.max(difference / np.max(np.abs(truth), axis=0))
    if not error <= tolerance:
        raise ValueError(f"{what}: differs by {error:.1e}, allowed are {tolerance:.0e}")
