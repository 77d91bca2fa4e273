"""The command that continues an interrupted run, ready to be pasted."""

import argparse
import shlex
import shutil
import sys
from pathlib import Path


def how_to_resume(options: argparse.Namespace) -> str:
    """Returns the command that was typed with `--out` and `--resume`.

    Args:
        options: What was parsed; `out` is the folder that was chosen.

    Returns:
        The command, or `""` where there is no run to continue.
    """
    out = getattr(options, "out", None)
    if not hasattr(options, "resume") or out is None:
        return ""
    if not (Path(out) / "manifest.json").is_file():
        return ""
    words = [word for word in options.words if word not in ("--force", "--resume")]
    if not any(word.split("=")[0] == "--out" for word in words):
        words += ["--out", out]
    return shlex.join([*_program(), *words, "--resume"])


def _program() -> list[str]:
    """How this process was called, spelled so that it works from the same folder."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return [sys.executable, "-m", "osculate"]
    if called.name == "osculate" and called.exists():
        found = shutil.which("osculate")
        if found is None or not called.samefile(found):
            return [sys.argv[0]]
    return ["osculate"]
