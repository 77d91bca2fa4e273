"""The grammar of the command line."""

import argparse
import difflib
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from osculate._version import __version__

NOT_GIVEN = argparse.SUPPRESS
SEEDS = range(2**32)
ACTIVATIONS = ("tanh", "sin", "softplus", "silu", "gelu", "relu", "sigmoid")
LOSSES = ("gaussian", "laplace", "cauchy", "student", "huber")
METHODS = ("auto", "ssbroyden", "levenberg_marquardt")
MODELS = ("auto", "network", "process")
TABLES = "CSV, NPZ or Parquet"
TOP = (
    "Derivative-informed machine learning: fit values and derivatives, solve equations."
)
COMMANDS = {
    "demo": "fit the embedded water table, compare, write a report",
    "fit": "fit a surrogate to a table of values and derivatives",
    "distill": "fit a smaller network to what a saved run says",
    "solve": "solve an equation of the library, or of a file of yours",
    "problems": "list the equations of the library",
    "predict": "evaluate a saved run, with derivatives if wanted",
    "report": "write the report of a saved run again",
    "doctor": "show versions, devices and folders",
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one or two lines, with the nearest known word."""

    def error(self, message: str) -> NoReturn:
        """Prints the reason, then what to do, and leaves with exit code 2."""
        message = message.removeprefix("argument ")
        message = message.replace("ignored explicit argument", "takes no value, got")
        end = "" if message.endswith("?") else "."
        self.exit(2, f"{self.prog}: {message}{end}\nSee: {self.prog} --help\n")

    def parse_all(self, words: list[str]) -> argparse.Namespace:
        """Parses every word, or leaves with the nearest option to an unknown one."""
        first = words[0] if words else "--help"
        if not first.startswith("-") and first not in COMMANDS:
            self.error(f"no command {first!r}{_nearest(first, list(COMMANDS))}")
        if first.startswith("-") and first not in self._option_string_actions:
            self.error(f"{first!r} stands before the command; options follow it")
        found, unknown = self.parse_known_args(_joined(words))
        if unknown:
            word = unknown[0].partition("=")[0]
            command = getattr(found, "parser", self)
            options = list(command._option_string_actions)
            command.error(f"unknown option or word {word!r}{_nearest(word, options)}")
        found.words = words
        return found


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _joined(words: list[str]) -> list[str]:
    """Joins an option and a negative value, which would be taken for an option."""
    found: list[str] = []
    for word in words:
        if found and re.match(r"-\.?\d", word) and re.fullmatch("--[a-z]+", found[-1]):
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def _value(
    read: Callable[[str], Any],
    expected: str,
    accept: Callable[[Any], Any] | None = None,
) -> Callable[[str], Any]:
    """Returns a reader of one value that says what it expected."""

    def parse(text: str) -> Any:
        try:
            value = read(text)
        except ValueError:
            value = None
        if value is None or (accept and not accept(value)):
            raise argparse.ArgumentTypeError(f"got {text!r}; expected {expected}")
        return value

    return parse


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


_path = _value(str, "a path", str.strip)
_whole = _value(int, "a whole number, such as 8")
_share = _value(float, "a share between 0 and 1, such as 0.2", lambda s: 0 < s < 1)
_factor = _value(float, "a factor of 0 or more, such as 0.1", lambda w: w >= 0)
_order = _value(int, "0, 1 or 2", range(3).__contains__)
_seed = _value(int, f"a whole number from 0 to {SEEDS[-1]}", SEEDS.__contains__)
_names = _value(_listed, "names of columns, such as T,p", bool)


def parser() -> Parser:
    """Returns the parser of all commands."""
    top = Parser("osculate", description=TOP, allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"osculate {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, what in COMMANDS.items():
        command = commands.add_parser(
            name, help=what, description=what.capitalize() + ".", allow_abbrev=False
        )
        command.set_defaults(parser=command)
        _ARGUMENTS[name](command)
    return top


def _demo(command: Parser) -> None:
    _budget(command)
    _place(command, "runs/water-1, -2, ...")
    _manners(command)


def _fit(command: Parser) -> None:
    add, listed = command.add_argument, ", ".join(ACTIVATIONS)
    add("table", type=_path, metavar="TABLE", help=f"{TABLES}; derivatives as dh/dT")
    _option(command, "--inputs", _names, "a,b", "input columns")
    _option(command, "--outputs", _names, "c,d", "output columns")
    _option(command, "--test", _path, "TABLE", "rows to measure the result on")
    add(
        "--config",
        type=_path,
        metavar="FILE.toml",
        help="these options in a file, same names",
    )
    _flag(command, "--compare", "also fit the same network to values only")
    _flag(command, "--strict", "suspicious derivative columns are errors")
    _option(command, "--loss", str, "NAME", f"{', '.join(LOSSES)} (gaussian)")
    _jacobian(command)
    _option(command, "--model", str, "NAME", f"{', '.join(MODELS)} (auto)")
    levels = "penalties and noise levels found: auto, none (auto)"
    _option(command, "--regularization", str, "NAME", levels)
    _option(command, "--members", _whole, "N", "networks whose mean ships (1)")
    _option(command, "--width", _whole, "N", "size of hidden layers (from the table)")
    _option(command, "--depth", _whole, "N", "hidden layers (3)")
    _option(command, "--activation", str, "NAME", f"{listed} (tanh)")
    _option(command, "--validation", _share, "SHARE", "rows held out (0.2)")
    _budget(command)
    _option(command, "--seed", _seed, "N", "seed of split and weights (0)")
    _place(command, "runs/TABLE-1, -2, ...")
    _manners(command)


def _distill(command: Parser) -> None:
    add = command.add_argument
    what = f"folder of a finished run, or a table of values and slopes: {TABLES}"
    add("teacher", type=_path, metavar="RUN|TABLE", help=what)
    what = "points to ask a run at (those that it was fitted to)"
    add("--points", type=_path, metavar="TABLE", help=what)
    _jacobian(command)
    _option(command, "--width", _whole, "N", "size of hidden layers (half the run's)")
    _option(command, "--depth", _whole, "N", "hidden layers (3)")
    _budget(command)
    _option(command, "--seed", _seed, "N", "seed of split and weights (0)")
    _place(command, "runs/RUN-student-1, -2, ...")
    _manners(command)


def _solve(command: Parser) -> None:
    what = "name of a problem of the library, or FILE.py:NAME"
    command.add_argument("problem", type=_path, metavar="NAME", help=what)
    what = "seconds, 60s (the default), 5000steps, or error=1e-6"
    _option(command, "--budget", str, "B", what)
    _option(command, "--width", _whole, "N", "size of hidden layers (by the problem)")
    _option(command, "--depth", _whole, "N", "hidden layers (by the problem)")
    _option(command, "--points", _whole, "N", "points of the equation (by the problem)")
    _option(command, "--method", str, "NAME", f"{', '.join(METHODS)} (auto)")
    _option(command, "--form", str, "NAME", "residual (the default), or energy")
    _option(command, "--starts", _whole, "N", "networks begun; the best goes on (1)")
    _option(command, "--windows", _whole, "N", "parts of time in turn (by the problem)")
    _option(command, "--seed", _seed, "N", "seed of weights and points (0)")
    _place(command, "runs/NAME-1, -2, ...")
    _manners(command)


def _problems(command: Parser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON object")


def _predict(command: Parser) -> None:
    add = command.add_argument
    add("run", type=_path, metavar="RUN", help="folder of a finished run")
    add("table", type=_path, metavar="TABLE", help=f"{TABLES} with the input columns")
    add(
        "--derivatives",
        type=_order,
        default=0,
        metavar="K",
        help="orders 1..K too (0 to 2)",
    )
    _file(command, "FILE.csv", "instead of the standard output")


def _report(command: Parser) -> None:
    add = command.add_argument
    add("run", type=_path, metavar="RUN", help="folder of a finished run")
    _file(command, "FILE.html", "instead of RUN/report.html")


def _doctor(command: Parser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON object")


def _budget(command: Parser) -> None:
    _option(command, "--budget", str, "B", "2000steps (the default), or seconds: 60s")


def _jacobian(command: Parser) -> None:
    _option(command, "--jacobian", _factor, "W", "factor of first derivatives (1)")


def _place(command: Parser, default: str) -> None:
    add = command.add_argument
    add("--out", type=_path, metavar="RUN", help=f"folder of the run ({default})")
    add("--force", action="store_true", help="replace the run in --out")
    add("--resume", action="store_true", help="continue the run in --out")


def _file(command: Parser, name: str, what: str) -> None:
    command.add_argument("--out", type=_path, metavar=name, help=what)
    command.add_argument(
        "--force", action="store_true", help="replace the file in --out"
    )


def _manners(command: Parser) -> None:
    command.add_argument(
        "--json", action="store_true", help="one JSON object on stdout"
    )
    command.add_argument("--quiet", action="store_true", help="no progress, no table")


def _option(
    command: Parser, name: str, read: Callable[[str], Any], metavar: str, what: str
) -> None:
    command.add_argument(name, type=read, default=NOT_GIVEN, metavar=metavar, help=what)


def _flag(command: Parser, name: str, what: str) -> None:
    command.add_argument(name, action="store_true", default=NOT_GIVEN, help=what)


_ARGUMENTS = {
    "demo": _demo,
    "fit": _fit,
    "distill": _distill,
    "solve": _solve,
    "problems": _problems,
    "predict": _predict,
    "report": _report,
    "doctor": _doctor,
}


def parse(words: list[str] | None) -> argparse.Namespace:
    """Reads the words of the command line; leaves with exit code 2 where it cannot."""
    top = parser()
    found = top.parse_all(sys.argv[1:] if words is None else words)
    if found.command is None:
        top.print_help(sys.stderr)
        top.exit(2)
    return found
