"""The grammar of the command line."""

import argparse
import difflib
import sys
from typing import NoReturn

from osculate._version import __version__

NOT_GIVEN = argparse.SUPPRESS
TOP = "Derivative-informed machine learning: fit tables of values and derivatives."
COMMANDS = {
    "demo": "fit the embedded water table, compare, write a report",
    "fit": "fit a surrogate to a table of values and derivatives",
    "predict": "evaluate a saved run, with derivatives if wanted",
    "report": "write the report of a saved run again",
    "doctor": "show versions, devices and folders",
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one or two lines, with the nearest known word."""

    def error(self, message: str) -> NoReturn:
        """Prints the reason, then what to do, and leaves with exit code 2."""
        self.exit(2, f"{self.prog}: {message}.\nSee: {self.prog} --help\n")

    def parse_all(self, words: list[str]) -> argparse.Namespace:
        """Parses every word, or leaves with the nearest option to an unknown one."""
        if words and not words[0].startswith("-") and words[0] not in COMMANDS:
            self.error(f"no command {words[0]!r}{_nearest(words[0], list(COMMANDS))}")
        found, unknown = self.parse_known_args(words)
        if unknown:
            word = unknown[0].partition("=")[0]
            command = getattr(found, "parser", self)
            options = list(command._option_string_actions)
            command.error(f"unknown option or word {word!r}{_nearest(word, options)}")
        return found


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


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
    command.add_argument("--out", metavar="DIR", help="folder of the run")
    command.add_argument(
        "--force", action="store_true", help="replace the run in --out"
    )
    _budget(command)
    _manners(command)


def _fit(command: Parser) -> None:
    add = command.add_argument
    add("table", metavar="TABLE", help="CSV, NPZ or Parquet; derivatives as dh/dT")
    names = _names
    add("--inputs", type=names, default=NOT_GIVEN, metavar="a,b", help="input columns")
    add(
        "--outputs", type=names, default=NOT_GIVEN, metavar="c,d", help="output columns"
    )
    add(
        "--test",
        default=NOT_GIVEN,
        metavar="TABLE",
        help="rows to measure the result on",
    )
    add("--config", metavar="FILE.toml", help="these options in a file, same names")
    add("--compare", **_flag("also fit the same network to values only"))
    add("--strict", **_flag("suspicious derivative columns are errors"))
    add("--loss", default=NOT_GIVEN, metavar="NAME", help="gaussian (the default)")
    add(
        "--width",
        type=int,
        default=NOT_GIVEN,
        metavar="N",
        help="size of hidden layers",
    )
    add("--depth", type=int, default=NOT_GIVEN, metavar="N", help="hidden layers (3)")
    add(
        "--activation",
        default=NOT_GIVEN,
        metavar="NAME",
        help="tanh (the default), ...",
    )
    add(
        "--validation",
        type=float,
        default=NOT_GIVEN,
        metavar="SHARE",
        help="rows held out (0.2)",
    )
    _budget(command)
    add("--seed", type=int, default=NOT_GIVEN, metavar="N", help="seed (0)")
    add("--out", metavar="RUN", help="folder of the run (runs/TABLE-1, -2, ...)")
    add("--force", action="store_true", help="replace the run in --out")
    add("--resume", action="store_true", help="continue the run in --out")
    _manners(command)


def _predict(command: Parser) -> None:
    add = command.add_argument
    add("run", metavar="RUN", help="folder of a finished run")
    add("table", metavar="TABLE", help="a table with the input columns")
    add(
        "--derivatives",
        type=int,
        default=0,
        metavar="K",
        help="orders 1..K too (0 to 2)",
    )
    add("--out", metavar="FILE", help="CSV file instead of the standard output")


def _report(command: Parser) -> None:
    command.add_argument("run", metavar="RUN", help="folder of a finished run")
    command.add_argument("--out", metavar="FILE.html", help="default: RUN/report.html")


def _doctor(command: Parser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON object")


def _budget(command: Parser) -> None:
    command.add_argument(
        "--budget",
        default=NOT_GIVEN,
        metavar="B",
        help="5000steps (the default), or seconds: 60s",
    )


def _manners(command: Parser) -> None:
    command.add_argument(
        "--json", action="store_true", help="one JSON object on stdout"
    )
    command.add_argument("--quiet", action="store_true", help="no progress, no table")


def _flag(what: str) -> dict:
    return {"action": "store_true", "default": NOT_GIVEN, "help": what}


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


_ARGUMENTS = {
    "demo": _demo,
    "fit": _fit,
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
