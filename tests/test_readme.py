"""What the README and the pages print is what the project does."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
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
# What is true after the blocks of a page, in the names that they leave behind.
AFTER = {
    "docs/fit-a-surrogate.md": """
# The same two states in CoolProp 8.0 (IAPWS-95).
assert np.allclose(h, [113.0219, 759.4009], rtol=5e-3), h
assert np.allclose(rho, [996.7358, 902.2936], rtol=5e-3), rho
assert np.allclose(slopes[:, 0, 0], [4.17951, 4.31800], rtol=2e-2), slopes
assert np.allclose(curvatures, curvatures.transpose(0, 1, 3, 2)), curvatures
"""
}
# Runs the examples of the package, as a user who has imported the usual three names.
EXAMPLES = """
import doctest, importlib, pkgutil, sys
import jax, jax.numpy as jnp, numpy as np, osculate
names = {"jax": jax, "jnp": jnp, "np": np, "osculate": osculate}
from osculate import core, curve, nets
model = nets.MLP(2, 1, width=4, depth=1, key=jax.random.key(0))
x = jax.random.normal(jax.random.key(1), (64, 2))
samples = {"fit": core.Samples(x, x[:, :1])}
objective = core.Objective({"fit": core.Term(lambda m, x, y: m(x))})
v = jax.tree.map(jnp.ones_like, core.trainable(model)[0])
G = curve.gauss_newton(objective, model, samples)
shown = {name: getattr(curve, name) for name in dir(curve) if name[0] != "_"}
shown |= {"objective": objective, "model": model, "samples": samples, "jr": jax.random}
shown |= {"v": v, "gradient": v, "r": jnp.ones(64), "key": jax.random.key(0)}
lineax = curve._operators.lineax
damped = G + 0.1 * lineax.IdentityLinearOperator(G.in_structure())
shown |= {"batch_size": 32, "G": G, "damped": damped, "lineax": lineax}
flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
tried = failed = 0
for info in pkgutil.walk_packages(osculate.__path__, "osculate."):
    if not info.name.endswith("__main__"):
        module = importlib.import_module(info.name)
        known = names | (shown if ".curve" in info.name else {})
        done = doctest.testmod(module, extraglobs=known, optionflags=flags)
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
    ".venv/bin/python -m pip install '.[io]'",
    ". .venv/bin/activate",
    "source .venv/bin/activate",
    ".venv-dev/bin/",
    "sh .ci/run",
    "bash .ci/run",
    "apt-get install python3-venv",
]


def blocks(page, language):
    """The fenced blocks of a page."""
    return [
        undent(found["body"], len(found["indent"]))
        for found in FENCE.finditer(page.read_text("utf-8"))
        if found["language"] == language
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
    bodies = [*blocks(ROOT / page, "python"), AFTER.get(page, "")]
    done = run_python(["-c", READER], tmp_path, input=json.dumps(bodies))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_examples_in_docstrings_run(tmp_path):
    done = run_python(["-c", EXAMPLES], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_pages_read_the_same_where_nothing_is_included():
    """On GitHub an include is one strange line; only the changelog may be one."""
    text = {page.name: page.read_text("utf-8") for page in PAGES}
    assert {name for name, body in text.items() if "--8<--" in body} == {"changelog.md"}


def test_what_is_asked_of_a_page_has_a_page():
    assert set(AFTER) <= set(pages_with("python"))


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
    )
    assert blocks(page, "python") == ["a = 1\n"]
    assert blocks(page, "sh") == ["./run demo\n\ncd .\n"]
    assert set(door_commands()) == {"demo", "test", "lint", "docs", "help"}


def test_the_specification_says_what_is_there(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    spec_pages = importlib.import_module("spec_pages")
    page = SimpleNamespace(file=SimpleNamespace(src_uri="spec.md"))
    before = (ROOT / "docs" / "spec.md").read_text("utf-8")
    after = spec_pages.on_page_markdown(before, page=page)
    assert re.search(r"\d+ of 294 rows have tests .*: S0\.1, .*to come\.\n", after)
    assert "| S0.1 ✓ | ordinary objective |" in after
    assert "| K8.5.2 *to come* |" in after
    assert len(re.findall(r"^\| [SK]\S+ (✓|\(✓\)|\*to come\*) \|", after, re.M)) == 294
    page.file.src_uri = "faq.md"
    assert spec_pages.on_page_markdown(before, page=page) == before
