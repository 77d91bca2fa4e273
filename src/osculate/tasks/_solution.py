"""The answer of solving: a function with derivatives, and its certificate."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, PyTree
from numpy import ndarray

from osculate import curve, diff, report
from osculate.core import InputError, Result, Term
from osculate.solve import (
    EQUATION,
    Certificate,
    Counts,
    Problem,
    fields_of,
    objective_of,
    samples_of,
)

from ._animate_fields import animate_fields
from ._draw_fields import draw_fields
from ._export_fields import export_fields
from ._files import HISTORY, METRICS, MODEL, REPORT
from ._folder import RunFolder
from ._pack import pack_history, pack_solution, pack_solution_metrics
from ._predict import in_blocks
from ._reference import relative_l2
from ._solution_page import solution_page
from ._solver import SolveSettings


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """A solved problem: its fields as functions of coordinates by name.

    Arrays in and out are NumPy float64, whatever the caller's x64 setting.

    Attributes:
        problem: What was solved.
        result: The fit; `value` is `{"net", "unknowns"}`.
        certificate: What is known of its error without the answer.
        settings: The choices it was made with.
        words: What the choices came to.
        recipe: What `run.json` says of the run.
    """

    problem: Problem
    result: Result
    certificate: Certificate
    settings: SolveSettings
    words: dict[str, str]
    recipe: dict[str, Any]

    def __repr__(self) -> str:
        """Says what it is, in one line."""
        fields = ", ".join(name for name, _ in self.problem.fields)
        names = ", ".join(self.problem.domain.names)
        return f"Solution({fields} of {names}; {self.verdict})"

    def __call__(self, **coordinates: ArrayLike) -> Any:
        """Returns the fields at points.

        Args:
            **coordinates: Every coordinate by name; numbers or arrays that broadcast.

        Returns:
            An array of the shape of the points (vectors with their components last), or
            several by name where there are several fields.

        Raises:
            InputError: If a coordinate is missing or not known, or not finite.
        """
        names = [name for name, _ in self.problem.fields]
        found = self._at(names, coordinates)
        return found[names[0]] if len(names) == 1 else found

    def derivative(self, name: str, **coordinates: ArrayLike) -> ndarray:
        """Returns a derivative at points, in the notation of print.

        Args:
            name: `"u_x"`, `"u_xx"`, `"lap_u"`, `"grad_u"`.
            **coordinates: As for the call.

        Returns:
            An array of the shape of the points; axes of components come last.

        Raises:
            InputError: As for the call, and if the name has no reading.
        """
        return self._at([name], coordinates)[name]

    def residual(self, **coordinates: ArrayLike) -> dict[str, ndarray]:
        """Returns what is left of the equation at points, by name.

        Args:
            **coordinates: As for the call.

        Returns:
            Arrays of the shape of the points.
        """
        x, shape = self._points(coordinates)
        term = self._equation
        names = self.problem.residuals
        found = in_blocks(lambda rows: _residual(term, self.result.value, rows), x)
        return {
            n: a.reshape((*shape, *a.shape[1:]))
            for n, a in zip(names, found, strict=True)
        }

    @property
    def error_estimate(self) -> float:
        """Estimated norm of the error over that of the solution; the worst field's."""
        return self.certificate.relative

    @property
    def verdict(self) -> str:
        """What the certificate says, in one sentence."""
        return self.certificate.verdict

    @property
    def unknowns(self) -> dict[str, ndarray]:
        """The unknowns that were found, by name."""
        return {n: np.asarray(v) for n, v in self.result.value["unknowns"].items()}

    def covariance(self, *, points: int = 2000) -> curve.Covariance:
        """Returns how sure the unknowns are, with the equation as a constraint.

        Args:
            points: Of the equation, denser than those of the fit should be.

        Returns:
            See `curve.covariance`; `.interval()` gives limits by name.

        Raises:
            InputError: If there are no unknowns or no data.
        """
        if not self.problem.unknowns or self.problem.observed is None:
            raise InputError(
                "`Solution.covariance`: the problem has no unknowns, or no data.\n"
                "Declare unknowns={'nu': 0.1} and data={...}."
            )
        with jax.enable_x64(True):
            key = jax.random.key(self.settings.seed + 1)
            samples = samples_of(self.problem, Counts(points, points // 10), key)
            return curve.covariance(
                self.result.objective,
                self.result.value,
                samples,
                of=lambda model: model["unknowns"],
                observed="data",
                sigma=self.problem.observed.sigma,
            )

    def relative_l2(self) -> float | None:
        """Returns the distance to the reference of the problem, if it has one.

        Returns:
            The norm of the difference over that of the reference, on its grid; the
            worst field's.
        """
        return self._relative_l2

    @functools.cached_property
    def _relative_l2(self) -> float | None:
        """Kept: report, metrics and the command line all ask for it."""
        return relative_l2(self.problem, self, self.recipe["problem"]["grid"])

    @functools.cached_property
    def _equation(self) -> Term:
        """Kept: a problem declared by a Term is compiled once."""
        return objective_of(self.problem).terms[EQUATION]

    def plot(self, path: str | Path) -> Path:
        """Draws the fields over the first two coordinates, or over the only one.

        Args:
            path: The file; its ending says the format, `.png`, `.svg` or `.pdf`.

        Returns:
            Its path.
        """
        return draw_fields(self, Path(path))

    def animate(self, path: str | Path, *, frames: int = 60) -> Path:
        """Draws the fields over space, at one time after the other.

        Args:
            path: A file that ends in `.html`, with its own controls, or in `.gif`.
            frames: Number of times.

        Returns:
            Its path.

        Raises:
            InputError: If the ending is not known, or there is no time, or only time.
        """
        return animate_fields(self, Path(path), frames)

    def report(self, path: str | Path) -> Path:
        """Writes the report as one HTML file without scripts or remote content.

        Args:
            path: The file, replaced if it exists.

        Returns:
            Its path.
        """
        path = Path(path)
        page = report.solution_html(solution_page(self))
        path.write_text(page, encoding="utf-8")
        return path

    def export(self, path: str | Path, *, points: int = 101) -> Path:
        """Writes coordinates and fields on a grid: NPZ, NetCDF or a mesh.

        Args:
            path: A file that ends in `.npz`, `.nc` (NetCDF 3), or `.vtu` (for up to
                three coordinates, time among them; needs the extra `mesh`).
            points: Of each coordinate.

        Returns:
            Its path.

        Raises:
            InputError: If the ending is not known, or a mesh would have more than three
                coordinates.
        """
        return export_fields(self, Path(path), points)

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Saves as a run folder.

        Args:
            path: The folder; it must not exist, unless `force`.
            force: Replace the run that is there.

        Returns:
            Its path.
        """
        with RunFolder.create(path, self.recipe, force=force) as run:
            finish_solution(run, self)
        return run.path

    def _at(
        self, names: list[str], coordinates: Mapping[str, ArrayLike]
    ) -> dict[str, ndarray]:
        x, shape = self._points(coordinates)
        domain = self.problem.domain
        fields = tuple(name for name, _ in self.problem.fields)
        kept = (tuple(names), domain.names, fields, domain.apart)
        try:
            found = in_blocks(lambda rows: _fields(kept, self.result.value, rows), x)
        except ValueError as error:
            said = str(error).partition(": ")[2]
            raise InputError(f"`Solution`: {said}") from error
        return {
            n: a.reshape((*shape, *a.shape[1:]))
            for n, a in zip(names, found, strict=True)
        }

    def _points(
        self, coordinates: Mapping[str, ArrayLike]
    ) -> tuple[ndarray, tuple[int, ...]]:
        names = self.problem.domain.names
        if set(coordinates) != set(names):
            raise InputError(
                f"`Solution`: got the coordinates {sorted(coordinates)}; expected "
                f"{list(names)}.\nCall it as solution({'=..., '.join(names)}=...)."
            )
        try:
            arrays = [np.asarray(coordinates[name], np.float64) for name in names]
            arrays = np.broadcast_arrays(*arrays)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"`Solution`: the coordinates do not fit together: {error}.\n"
                "Pass numbers, or arrays of shapes that broadcast."
            ) from error
        x = np.stack([np.ravel(a) for a in arrays], axis=1)
        if not np.isfinite(x).all():
            raise InputError(
                "`Solution`: a coordinate is not finite.\nPass finite numbers."
            )
        return x, arrays[0].shape


@eqx.filter_jit
def _fields(
    kept: tuple[tuple[str, ...], ...], model: PyTree[Any], rows: Any
) -> tuple[Any, ...]:
    """Returns what is asked for at rows of points."""
    wanted, over, fields, time = kept
    at = diff.partials(fields_of(model), wanted, over, fields=fields, time=time)
    return tuple(jax.vmap(at)(jnp.asarray(rows)))


@eqx.filter_jit
def _residual(term: Any, model: PyTree[Any], rows: Any) -> tuple[Any, ...]:
    at: Callable[[Any], dict[str, Any]] = lambda x: term.at(model, x, None)
    return tuple(jax.vmap(at)(jnp.asarray(rows)).values())


def finish_solution(run: RunFolder, solution: Solution) -> None:
    """Writes everything a finished run holds, the report included."""
    page = solution_page(solution)
    run.write_files(
        {
            MODEL: pack_solution(solution.result.value),
            HISTORY: pack_history(solution.result.history),
            METRICS: pack_solution_metrics(solution),
            REPORT: report.solution_html(page).encode("utf-8"),
        }
    )
    run.end()
