"""What each command does, in terms of tasks."""

import argparse
import contextlib
import csv
import functools
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from osculate import data, report, store, tasks
from osculate.core import InputError
from osculate.solve.problems import PROBLEMS

from ._cache import use_cache
from ._config import read_config
from ._doctor import findings
from ._interrupt import Interrupt
from ._output import output_file
from ._problem_file import read_problem
from ._progress import Bar

EQUATION = "heat"  # of the demo
BAD_INPUT = (InputError, store.CorruptFileError, store.NewerFormatError)
CHOICES = [
    "inputs",
    "outputs",
    "test",
    "compare",
    "strict",
    "loss",
    "model",
    "regularization",
    "members",
    "jacobian",
    "width",
    "depth",
    "activation",
    "validation",
    "budget",
    "seed",
]


def demo(options: argparse.Namespace) -> int:
    """Fits the water table with and without derivatives, and solves an equation."""
    choices = {"test": data.water_test(), "compare": True}
    return _fit(options, data.water(), "water", choices, then=_equation)


def _equation(options: argparse.Namespace) -> dict[str, Any]:
    """Solves an equation into a run beside the other, in whose report it is shown."""
    run = Path(options.out)
    out = run.with_name(f"{run.name}-equation")
    if not (options.force or options.resume):
        out = tasks.next_free(run.parent, out.name)
    with _watched(options) as (manners, _):
        solution = tasks.solve(EQUATION, budget="300steps", out=out, **manners)
    tasks.rewrite_report(run, [solution])
    if not (options.quiet or options.json):
        sys.stdout.write(f"\nand an equation, {PROBLEMS[EQUATION].title}:\n\n")
        _show_solution(solution, str(out))
    return {"equation": {**tasks.solution_summary(solution), "out": str(out)}}


def fit(options: argparse.Namespace) -> int:
    """Fits a surrogate to a table."""
    choices = {} if options.config is None else read_config(options.config)
    return _fit(options, options.table, Path(options.table).stem, choices)


def distill(options: argparse.Namespace) -> int:
    """Fits a smaller network to what a saved run or a table says."""
    table, choices = tasks.lesson(options.teacher, options.points)
    choices = {"model": "network", **choices}
    return _fit(options, table, f"{Path(options.teacher).stem}-student", choices)


def solve(options: argparse.Namespace) -> int:
    """Solves a problem of the library, or one that a file declares."""
    names = (
        *("budget", "width", "depth", "points", "method", "form"),
        *("starts", "windows", "seed"),
    )
    typed = {name: getattr(options, name) for name in names if hasattr(options, name)}
    if options.resume and options.out is None:
        raise InputError("--resume needs the run to continue.\nGive it: --out RUN.")
    use_cache()
    stem, problem = read_problem(options.problem)
    choices = {"name": options.problem, **typed}
    with _watched(options) as (manners, shown):
        choices["live_error"] = shown
        job = functools.partial(tasks.solve, problem, **manners, **choices)
        solution = _into(options, stem, job)
    if options.json:
        document = {**tasks.solution_summary(solution), "out": str(options.out)}
        sys.stdout.write(json.dumps(document) + "\n")
    elif not options.quiet:
        _show_solution(solution, str(options.out))
    return 0


def problems(options: argparse.Namespace) -> int:
    """Lists the problems of the library."""
    return _list(options, {name: entry.title for name, entry in PROBLEMS.items()})


def predict(options: argparse.Namespace) -> int:
    """Writes predictions, and derivatives if wanted, as CSV."""
    target = None if options.out is None else _prediction_file(options)
    use_cache()
    surrogate = tasks.load_surrogate(options.run)
    points = data.read_points(
        options.table, surrogate.inputs, units=surrogate.recipe["data"]["units"]
    )
    text = _csv(tasks.columns(surrogate, points, options.derivatives))
    if target is None:
        sys.stdout.write(text)
    else:
        store.write(target, text.encode("utf-8"))
    return 0


def write_report(options: argparse.Namespace) -> int:
    """Writes the report of a run again, in its folder or elsewhere."""
    own = Path(options.run) / "report.html"
    if options.out is None or Path(options.out).resolve() == own.resolve():
        sys.stdout.write(f"{tasks.rewrite_report(options.run)}\n")
        return 0
    target = output_file(options.out, ".html", force=options.force)
    page = tasks.load_surrogate(options.run).page
    store.write(target, report.html(page).encode("utf-8"))
    sys.stdout.write(f"{options.out}\n")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Shows what this installation has."""
    return _list(options, findings())


def _list(options: argparse.Namespace, found: dict[str, Any]) -> int:
    """Prints names with what they stand for."""
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    width = max(map(len, found))
    for name, value in found.items():
        sys.stdout.write(f"{name:<{width}}  {value}\n")
    return 0


def _prediction_file(options: argparse.Namespace) -> Path:
    if Path(options.out).resolve() == Path(options.table).resolve():
        raise InputError(
            f"--out {options.out}: is the table itself.\nGive another file."
        )
    return output_file(options.out, ".csv", force=options.force)


def _choices(options: argparse.Namespace, otherwise: dict[str, Any]) -> dict[str, Any]:
    """What is typed wins over the rest; a run that is continued keeps its choices."""
    if options.resume and options.out is None:
        raise InputError("--resume needs the run to continue.\nGive it: --out RUN.")
    before = tasks.begun_with(options.out) if options.resume else {}
    typed = {name: getattr(options, name) for name in CHOICES if hasattr(options, name)}
    return before | otherwise | typed


def _fit(
    options: argparse.Namespace,
    table: Any,
    stem: str,
    otherwise: dict[str, Any],
    then: Callable[..., dict[str, Any]] | None = None,
) -> int:
    """Fits, and says what came of it; `then` adds to that."""
    choices = _choices(options, otherwise)
    use_cache()
    with _watched(options) as (manners, _):
        surrogate = _fit_into(options, table, stem, {**manners, **choices})
    run = str(options.out)
    page, document = Path(run) / "report.html", {}
    if options.json:
        document = {"run": run, **tasks.summary(surrogate), "report": str(page)}
    elif not options.quiet:
        _show(surrogate, run, page)
    more = then(options) if then else {}
    if options.json:
        sys.stdout.write(json.dumps(document | more) + "\n")
    return 0


@contextlib.contextmanager
def _watched(options: argparse.Namespace) -> Iterator[tuple[dict[str, Any], bool]]:
    """Shows progress and minds Ctrl-C; yields how a job is run, and if it is shown."""
    with Interrupt() as interrupt, Bar(quiet=options.quiet or options.json) as bar:

        def watch(leg, progress):
            bar.watch(leg, progress)
            interrupt.check()

        manners = {"force": options.force, "resume": options.resume, "watch": watch}
        yield manners, bar.shown


def _fit_into(
    options: argparse.Namespace, table: Any, stem: str, choices: dict[str, Any]
) -> tasks.Surrogate:
    return _into(options, stem, functools.partial(tasks.surrogate, table, **choices))


def _into(options: argparse.Namespace, stem: str, job: Callable[..., Any]) -> Any:
    """Runs into `--out`, or the next free folder of `runs`, which `--out` then is."""
    if options.out is not None:
        return job(out=options.out)
    while True:
        options.out = str(tasks.next_free(Path("runs"), stem))
        try:
            return job(out=options.out)
        except tasks.TakenError:
            continue  # someone took it between the look and the claim


def _show(surrogate: tasks.Surrogate, run: str, page: Path) -> None:
    """Prints the result table, the verdict, what limits it, and where to look."""
    units = surrogate.page.evaluation.all_units()
    console = Console(highlight=False)
    console.print(report.table(surrogate.metrics, surrogate.values_only, units=units))
    console.print(f"\n{surrogate.page.verdict}", markup=False)
    for note in surrogate.page.warnings:
        console.print(f"\nnote: {note}", markup=False)
    seconds = surrogate.result.stats["seconds"]
    where = f"\nrun     {run}  ({seconds:.0f} s)\nreport  {page}"
    console.print(where, markup=False, soft_wrap=True)


def _show_solution(solution: tasks.Solution, run: str) -> None:
    """Prints the verdict, what speaks against it, and where to look."""
    console = Console(highlight=False)
    found = tasks.solution_summary(solution)
    lines = [("estimated error", f"{found['error_estimate']:.1e}")]
    if found["relative_l2"] is not None:
        lines.append(("relative L2 to the reference", f"{found['relative_l2']:.1e}"))
    lines.append(("largest residual", f"{found['residual']:.1e}"))
    lines += [(name, f"{value}") for name, value in solution.unknowns.items()]
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        console.print(f"{name:<{width}}  {value}", markup=False)
    console.print(f"\n{solution.verdict}", markup=False)
    for doubt in solution.certificate.doubts[1:]:
        console.print(f"note: {doubt}", markup=False)
    where = f"\nrun     {run}  ({found['seconds']:.0f} s)"
    page = Path(run) / "report.html"
    console.print(f"{where}\nreport  {page}", markup=False, soft_wrap=True)


def _csv(columns: dict[str, Any]) -> str:
    """Spells numbers so that reading them gives the same bits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(c.tolist() for c in columns.values()), strict=True))
    return text.getvalue()


RUN = {
    "demo": demo,
    "fit": fit,
    "distill": distill,
    "solve": solve,
    "problems": problems,
    "predict": predict,
    "report": write_report,
    "doctor": doctor,
}
