"""From words to an exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""

import argparse
import os
import sys
import traceback
import warnings

from ._parser import parse


def main(words: list[str] | None = None) -> int:
    """Runs one command.

    Args:
        words: The words after `osculate`; by default those of this process.

    Returns:
        The exit code.
    """
    options = parse(words)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _show_warning
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    """Runs the command and turns what it raises into words and an exit code."""
    # A command's code and what it needs are imported when it runs: --help is instant.
    from . import _commands

    try:
        return _commands.RUN[options.command](options)
    except _commands.BAD_INPUT as error:
        _say(f"osculate {options.command}: {error}")
        return 2
    except KeyboardInterrupt:
        out = getattr(options, "out", None)
        hint = "" if out is None else f" Continue with --out {out} --resume."
        _say(f"osculate {options.command}: interrupted.{hint}")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _say(
            f"osculate {options.command}: {error}.\n"
            "What was saved before is intact. Free space or permissions, then --resume."
        )
        return 1
    except Exception as error:
        traceback.print_exc()
        _say(
            f"osculate {options.command}: {type(error).__name__}: {error}\n"
            "This is a fault of osculate; please report it with the lines above."
        )
        return 1


def _say(text: str) -> None:
    sys.stderr.write(text.rstrip() + "\n")


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Prints a warning as a sentence, without the place in the code."""
    _say(f"warning: {message}")
