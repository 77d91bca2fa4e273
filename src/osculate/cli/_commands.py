"""What each command does, in terms of tasks."""

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from osculate import data, report, store, tasks
from osculate.core import InputError

from ._cache import use_cache
from ._config import read_config
from ._doctor import findings
from ._interrupt import Interrupt
from ._progress import Bar

BAD_INPUT = (InputError, store.CorruptFileError, store.NewerFormatError)
CHOICES = [
    "inputs",
    "outputs",
    "test",
    "compare",
    "strict",
    "loss",
    "width",
    "depth",
    "activation",
    "validation",
    "budget",
    "seed",
]


def demo(options: argparse.Namespace) -> int:
    """Fits the embedded water table with and without derivatives."""
    options.out = options.out or str(tasks.next_free(Path("runs"), "water"))
    choices = {"compare": True, **_given(options)}
    return _fit(options, data.water(), {"test": data.water_test(), **choices})


def fit(options: argparse.Namespace) -> int:
    """Fits a surrogate to a table."""
    choices = {} if options.config is None else read_config(options.config)
    if options.resume and options.out is None:
        raise InputError("--resume needs the run to continue.\nGive it: --out RUN.")
    stem = Path(options.table).stem
    options.out = options.out or str(tasks.next_free(Path("runs"), stem))
    return _fit(options, options.table, {**choices, **_given(options)})


def predict(options: argparse.Namespace) -> int:
    """Writes predictions, and derivatives if wanted, as CSV."""
    if options.derivatives not in (0, 1, 2):
        raise InputError(
            f"--derivatives {options.derivatives}: orders 0, 1 and 2 are written."
        )
    use_cache()
    surrogate = tasks.load(options.run)
    points = data.read_points(options.table, surrogate.inputs)
    text = _csv(tasks.columns(surrogate, points, options.derivatives))
    if options.out is None:
        sys.stdout.write(text)
        return 0
    if Path(options.out).resolve() == Path(options.table).resolve():
        raise InputError(
            f"--out {options.out}: is the table itself.\nGive another file."
        )
    store.write(options.out, text.encode("utf-8"))
    return 0


def write_report(options: argparse.Namespace) -> int:
    """Writes the report of a run again."""
    if options.out is not None:
        sys.stdout.write(f"{tasks.load(options.run).report(options.out)}\n")
        return 0
    sys.stdout.write(f"{tasks.rewrite_report(options.run)}\n")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Shows what this installation has."""
    found = findings()
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    width = max(map(len, found))
    for name, value in found.items():
        sys.stdout.write(f"{name:<{width}}  {value}\n")
    return 0


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The choices that were made on the command line."""
    return {name: getattr(options, name) for name in CHOICES if hasattr(options, name)}


def _fit(options: argparse.Namespace, table: Any, choices: dict[str, Any]) -> int:
    use_cache()
    with Interrupt() as interrupt, Bar(quiet=options.quiet or options.json) as bar:

        def watch(leg, progress):
            bar.watch(leg, progress)
            interrupt.check()

        surrogate = tasks.surrogate(
            table,
            out=options.out,
            force=options.force,
            resume=getattr(options, "resume", False),
            watch=watch,
            **choices,
        )
    page = Path(options.out) / "report.html"
    if options.json:
        document = tasks.summary(surrogate)
        document |= {"run": options.out, "report": str(page)}
        sys.stdout.write(json.dumps(document) + "\n")
    elif not options.quiet:
        _show(surrogate, options.out, page)
    return 0


def _show(surrogate: tasks.Surrogate, run: str, page: Path) -> None:
    """Prints the result table, one sentence, and where to look."""
    units = surrogate.page.evaluation.all_units()
    console = Console(highlight=False)
    console.print(report.table(surrogate.metrics, surrogate.values_only, units=units))
    console.print(f"\n{surrogate.page.verdict}")
    seconds = surrogate.result.stats["seconds"]
    console.print(f"\nrun     {run}  ({seconds:.0f} s)\nreport  {page}", soft_wrap=True)


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
    "predict": predict,
    "report": write_report,
    "doctor": doctor,
}
