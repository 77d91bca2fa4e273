"""What the README and the pages print is what the project does."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPTS = sorted((ROOT / "docs" / "scripts").glob("*.py"))
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<body>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
# Runs the blocks of a page as its reader would: in order, in one namespace.
READER = """
import doctest, json, sys
names = {"__name__": "__main__"}
flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
for number, body in enumerate(json.load(sys.stdin), start=1):
    where = f"block {number}"
    if ">>>" in body:
        test = doctest.DocTestParser().get_doctest(body, names, where, None, 0)
        runner = doctest.DocTestRunner(optionflags=flags)
        runner.run(test, clear_globs=False)
        names = test.globs
        if runner.failures:
            sys.exit(1)
    else:
        exec(compile(body, where, "exec"), names)
"""
# Runs the examples of the package, as a user who has imported the usual three names.
EXAMPLES = """
import doctest, importlib, pkgutil, sys
import jax, jax.numpy as jnp, numpy as np, osculate
names = {"jax": jax, "jnp": jnp, "np": np, "osculate": osculate}
flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
tried = failed = 0
for info in pkgutil.walk_packages(osculate.__path__, "osculate."):
    if not info.name.endswith("__main__"):
        module = importlib.import_module(info.name)
        done = doctest.testmod(module, extraglobs=names, optionflags=flags)
        tried, failed = tried + done.attempted, failed + done.failed
print(f"{tried} examples, {failed} failed")
sys.exit(failed > 0)
"""
# Shell words that a page may use besides the door and the command line.
PLAIN = [
    "git clone",
    "cd ",
    "python3 -m venv .venv",
    ".venv/bin/python -m pip install .",
    "python -m pip install .",
    "python -m pip install 'osculate",
    ". .venv/bin/activate",
    "source .venv/bin/activate",
    ".venv-dev/bin/",
    "sh .ci/run",
    "bash .ci/run",
    "apt-get install python3-venv",
]


def blocks(page, language):
    """The fenced blocks of a page; what a page includes from a script is run there."""
    return [
        body
        for found in FENCE.finditer(page.read_text("utf-8"))
        if found["language"] == language
        and "--8<--" not in (body := undent(found["body"], len(found["indent"])))
    ]


def undent(text, width):
    return "".join(line[width:] or "\n" for line in text.splitlines(keepends=True))


def pages_with(language):
    for page in PAGES:
        if blocks(page, language):
            yield page.relative_to(ROOT).as_posix()


def commands():
    """(page, line) for every command printed in a block of shell."""
    for page in PAGES:
        for body in blocks(page, "sh"):
            for line in body.replace("\\\n", " ").splitlines():
                line = line.split(" #")[0].strip()
                if line and not line.startswith("#"):
                    yield page.relative_to(ROOT).as_posix(), line


def run_python(arguments, folder, **options):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=600,
        **options,
    )


def door_commands():
    cases = (ROOT / "run").read_text("utf-8").partition("case $command in")[2]
    return re.findall(r"^(\w+)(?:\)| \|)", cases, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(pages_with("python")))
def test_python_on_a_page_runs(page, tmp_path):
    bodies = json.dumps(blocks(ROOT / page, "python"))
    done = run_python(["-c", READER], tmp_path, input=bodies)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("script", [script.name for script in SCRIPTS])
def test_script_of_the_documentation_runs(script, tmp_path):
    done = run_python([ROOT / "docs" / "scripts" / script], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_examples_in_docstrings_run(tmp_path):
    done = run_python(["-c", EXAMPLES], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_script_is_shown_on_a_page():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    hidden = [
        script.name
        for script in SCRIPTS
        if f'--8<-- "docs/scripts/{script.name}' not in text
    ]
    assert hidden == []


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_command_on_a_page_exists(page, line):
    words = shlex.split(line)
    if words[0] == "sh" and words[1] == "run":
        words = ["./run", *words[2:]]
    if words[0] == "./run":
        assert words[1] in door_commands(), f"{page}: {line}"
        return
    if words[0] in ("osculate", ".venv/bin/osculate"):
        check_osculate(page, line, words[1:])
        return
    assert line.startswith(tuple(PLAIN)), f"{page}: {line}"


def check_osculate(page, line, words):
    """The command exists, and each option printed is one it documents."""
    options = [word.split("=")[0] for word in words if word.startswith("-")]
    called = [word for word in words[:1] if not word.startswith("-")]
    done = run_python(
        [
            "-c",
            "import sys; from osculate.cli import main; sys.exit(main(sys.argv[1:]))",
            *called,
            "--help",
        ],
        ROOT,
    )
    assert done.returncode == 0, f"{page}: {line}\n{done.stderr}"
    known = set(re.findall(r"-{1,2}[\w-]+", done.stdout))
    assert set(options) <= known, f"{page}: {line}"


def test_the_blocks_of_a_page_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\na = 1\n```\n- list\n\n"
        "    ```sh\n    ./run demo\n\n    cd .\n    ```\n"
        '```python\n--8<-- "docs/scripts/x.py"\n```\n'
    )
    assert blocks(page, "python") == ["a = 1\n"]
    assert blocks(page, "sh") == ["./run demo\n\ncd .\n"]
    assert set(door_commands()) == {"demo", "test", "lint", "docs", "help"}
