"""The repository keeps its own rules: rows, words, imports, and nothing unsafe."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
ROWS = "S1.3\tmatch\tsetting\nK4.5.5-7\tcurve\tbatch size\nK4.5.8\tcurve\tscale\n"


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def tracked_files():
    """What git tracks; where there is no git (an unpacked sdist), every file."""
    try:
        listing = subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-z", "-co", "--exclude-standard"],
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        hidden = {".venv", ".venv-dev", "__pycache__", "site", "dist", "runs"}
        files = [path for path in ROOT.rglob("*") if not hidden & set(path.parts)]
    else:
        files = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    return [path for path in files if path.is_file()]


def text_of(path):
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return ""


# --- the rows of the specification -------------------------------------------------


def spec_report(folder, body, *flags):
    (folder / "rows.txt").write_text(ROWS)
    (folder / "tests").mkdir()
    (folder / "tests" / "test_it.py").write_text(body)
    given = "--rows", folder / "rows.txt", "--tests", folder / "tests"
    return python(ROOT / "tools" / "spec_report.py", *given, *flags)


def test_every_row_named_by_a_test_exists():
    done = python(ROOT / "tools" / "spec_report.py", "--json")
    assert done.returncode == 0, done.stderr
    listed = (ROOT / "docs" / "spec_rows.txt").read_text("utf-8").splitlines()
    assert json.loads(done.stdout)["rows"] == len(listed)


def test_an_unknown_row_fails_and_suggests_one(tmp_path):
    body = "import pytest\n@pytest.mark.spec('K4.5.88')\ndef test_a(): ...\n"
    done = spec_report(tmp_path, body)
    assert done.returncode == 1
    assert "tests/test_it.py::test_a (line 2): no row 'K4.5.88'" in done.stderr
    assert "Did you mean K4.5.8?" in done.stderr
    assert done.stdout == ""


def test_a_row_answers_to_each_equation_it_spans(tmp_path):
    body = (
        "import pytest\n"
        "pytestmark = pytest.mark.spec('S1.3')\n"
        "@pytest.mark.spec('K4.5.5', 'K4.5.7')\n"
        "def test_ends(): ...\n"
        "class TestMore:\n"
        "    @pytest.mark.spec('K4.5.6')\n"
        "    def test_middle(self): ...\n"
    )
    done = spec_report(tmp_path, body, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], report["covered"], report["in_part"]) == (3, 2, 0)
    assert report["by_row"]["K4.5.5-7"]["tests"] == {
        "K4.5.5": ["tests/test_it.py::test_ends"],
        "K4.5.7": ["tests/test_it.py::test_ends"],
        "K4.5.6": ["tests/test_it.py::TestMore::test_middle"],
    }
    assert report["by_row"]["S1.3"]["tests"] == {"S1.3": ["tests/test_it.py"]}


def test_a_row_named_by_some_of_its_equations_counts_in_part(tmp_path):
    body = "import pytest\n@pytest.mark.spec('K4.5.6')\ndef test_a(): ...\n"
    done = spec_report(tmp_path, body)
    assert done.returncode == 0, done.stderr
    counts = [line.split() for line in done.stdout.splitlines()]
    assert ["all", "0", "1", "3"] in counts
    assert "K4.5.6 (of K4.5.5-7): batch size" in done.stdout


def test_a_marker_that_is_not_a_plain_string_fails(tmp_path):
    body = "import pytest\nROW = 'S1.3'\n@pytest.mark.spec(ROW)\ndef test_a(): ...\n"
    done = spec_report(tmp_path, body)
    assert done.returncode == 1
    assert "takes plain strings, not ROW" in done.stderr


# --- words that must not be there --------------------------------------------------


def test_no_tracked_file_names_a_registry_host_or_a_pickle_reader():
    forbidden = [
        "pypi" + ".org",
        "python" + "hosted",
        "npm" + "js.",
        "deb." + "debian",
        "pickle" + ".load",
    ]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked_files()
        for word in forbidden
        if word in text_of(path)
    ]
    assert found == []


def test_no_source_or_page_holds_a_path_of_somebodys_machine():
    forbidden = ["/" + "work/", "/" + "tmp/", "/" + "home/", "/" + "root/"]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked_files()
        if path.relative_to(ROOT).parts[0] in ("src", "docs")
        for word in forbidden
        if word in text_of(path)
    ]
    assert found == []


# --- importing ---------------------------------------------------------------------


def test_importing_the_package_brings_nothing_heavy():
    heavy = ["jax", "jaxlib", "numpy", "matplotlib", "equinox", "optax", "pandas"]
    done = python(
        "-c",
        "import sys, osculate\n"
        f"print(sorted(set({heavy}) & set(sys.modules)))\n"
        "assert isinstance(osculate.__doc__, str)\n",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_importing_the_package_and_its_rooms_changes_no_global_state():
    rooms = sorted(
        path.parent.name for path in (ROOT / "src/osculate").glob("*/__init__.py")
    )
    done = python(
        "-c",
        "import importlib, os, random, warnings\n"
        "import jax.experimental.sparse, numpy, matplotlib, equinox, optax\n"
        "import rich.style, scipy.io, scipy.optimize, scipy.spatial, scipy.special\n"
        "def state():\n"
        "    return (dict(jax.config.values), dict(os.environ),\n"
        "            list(warnings.filters), random.getstate(),\n"
        "            numpy.geterr(), dict(matplotlib.rcParams))\n"
        "before = state()\n"
        "import osculate\n"
        f"for room in {rooms}:\n"
        "    importlib.import_module('osculate.' + room)\n"
        "for one, other in zip(before, state(), strict=True):\n"
        "    assert one == other, (one, other)\n",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- nothing that runs what a file says --------------------------------------------


def unsafe(tree):
    """Yields what could run code out of data: each as (line, what)."""
    modules = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib"}
    modules |= {"marshal", "shelve"}
    builtins = {"eval", "exec", "compile", "__import__"}
    shells = {("os", "system"), ("os", "popen"), ("subprocess", "getoutput")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        for name in names:
            if name.split(".")[0] in modules:
                yield node.lineno, f"import {name}"
        if isinstance(node, ast.Name) and node.id in builtins:
            yield node.lineno, node.id
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = node.value.id, node.attr
            if owner in shells or owner[0] == "builtins":
                yield node.lineno, ".".join(owner)
        if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            value = node.value
            if not (isinstance(value, ast.Constant) and value.value is False):
                yield value.lineno, f"{node.arg}={ast.unparse(value)}"


def test_no_module_can_run_what_a_file_says():
    found = {
        path.relative_to(ROOT).as_posix(): list(unsafe(ast.parse(text_of(path))))
        for path in SOURCES
    }
    assert {path: lines for path, lines in found.items() if lines} == {}
    assert found


@pytest.mark.parametrize(
    "line",
    [
        "import pickle as p",
        "from marshal import loads",
        "import joblib.memory",
        "eval(text)",
        "run = exec",
        "os.system('ls')",
        "subprocess.run(text, shell=True)",
        "np.load(path, allow_pickle=flag)",
    ],
)
def test_the_gate_sees_each_unsafe_form(line):
    assert len(list(unsafe(ast.parse(line)))) == 1


def test_the_gate_lets_plain_forms_through():
    text = (
        "net.eval()\njax.eval_shape(f)\nre.compile('a')\nnp.load(p, allow_pickle=False)"
    )
    assert list(unsafe(ast.parse(text))) == []


# --- the door ----------------------------------------------------------------------


def door(*arguments, **environment):
    return subprocess.run(
        ["sh", ROOT / "run", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", **environment},
    )


def test_the_door_explains_itself():
    done = door()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == door("--help").stdout
    for command in ("demo", "test", "lint", "docs"):
        assert f"\n  {command} " in done.stdout


def test_the_door_refuses_an_unknown_command():
    done = door("dmeo")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no command 'dmeo'" in done.stderr


def test_the_door_refuses_a_python_that_is_too_old(tmp_path):
    copy = tmp_path / "run"
    copy.write_text((ROOT / "run").read_text())
    for name in ("pyproject.toml", "README.md", "src"):
        (tmp_path / name).write_text("")
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["sh", copy, "demo"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
    )
    assert done.returncode == 1
    assert "is not Python 3.11 or newer" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_door_names_the_debian_package_that_is_missing(tmp_path):
    copy = tmp_path / "run"
    copy.write_text((ROOT / "run").read_text())
    for name in ("pyproject.toml", "README.md", "src"):
        (tmp_path / name).write_text("")
    bare = tmp_path / "python3"
    bare.write_text(
        '#!/bin/sh\ncase "$*" in\n'
        "*ensurepip*) exit 1 ;;\n--version) echo Python 3.11.2 ;;\nesac\n"
    )
    bare.chmod(0o755)
    done = subprocess.run(
        ["sh", copy, "demo"],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "RUN_WITHOUT_UV": "1"},
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "apt-get install python3-venv"
    assert not (tmp_path / ".venv").exists()
