"""The command line: parse, call a task, report. No mathematics."""

from ._main import main as main
