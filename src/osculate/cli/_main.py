"""From words to an exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""

import io
import os
import sys
import warnings
from typing import Any

from ._interrupt import leaving


def main(words: list[str] | None = None) -> int:
    """Runs one command.

    Args:
        words: The words after `osculate`; by default those of this process.

    Returns:
        The exit code.
    """
    _open_streams()
    # Threads of LAPACK beside those of XLA wait for each other where cores are few: a
    # factor of 50 was measured. This process is ours, so that it may be said here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with leaving(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        # Some packages derive what they deprecate from both.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.showwarning = _show_warning
        # Only now: from here on Ctrl-C is one line, however long the imports take.
        from ._parser import parse

        try:
            return _run(parse(words))
        except BrokenPipeError:
            _forget_stdout()
            return 0


def _open_streams() -> None:
    """Writes UTF-8 whatever the locale, and nowhere where a stream is closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")


def _run(options: Any) -> int:
    """Runs the command and turns what it raises into words and an exit code."""
    # A command's code and what it needs are imported when it runs: --help is instant.
    from . import _commands
    from ._again import how_to_resume

    name = f"osculate {options.command}"
    try:
        code = _commands.RUN[options.command](options)
        sys.stdout.flush()
        return code
    except _commands.BAD_INPUT as error:
        _say(f"{name}: {error}")
        return 2
    except KeyboardInterrupt:
        again = how_to_resume(options)
        _say(f"{name}: interrupted." + (f" Continue with:\n{again}" if again else ""))
        return 130
    except BrokenPipeError:
        raise
    except OSError as error:
        _forget_stdout()
        again = how_to_resume(options)
        _say(f"{name}: {_reason(error)}.")
        if again:
            _say("What was saved before is intact. Mend the cause, then continue with:")
        _say(again or "Mend the cause, then run the command again.")
        return 1
    except Exception as error:
        import traceback

        traceback.print_exc()
        _say(
            f"{name}: {type(error).__name__}: {error}\n"
            "This is a fault of osculate; please report it with the lines above."
        )
        return 1


def _forget_stdout() -> None:
    """Where it cannot be written to: keeps the interpreter from trying at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reason(error: OSError) -> str:
    words = error.strerror or str(error) or type(error).__name__
    return words if error.filename is None else f"{error.filename}: {words}"


def _say(text: str) -> None:
    sys.stderr.write(text.rstrip() + "\n")


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Prints a warning as a sentence, without the place in the code."""
    _say(f"warning: {message}")
