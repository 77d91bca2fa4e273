"""Bad input: exit code 2, one message of at most six lines, nothing written."""

import os
import shutil

import numpy as np
import pytest

from osculate import store
from smooth import QUICK_WORDS, truth

pa = pytest.importorskip("pyarrow", reason="the io extra is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="the io extra is not installed")

GOOD = "a,b,f,df/da,df/db\n" + "".join(
    f"{i / 7},{i * i / 50},{i / 7 * i * i / 50},{i * i / 50},{i / 7}\n"
    for i in range(8)
)


def changed(row, column, cell):
    """The good table with one cell replaced; row 2 is the first of data."""
    lines = [line.split(",") for line in GOOD.splitlines()]
    lines[row - 1][column] = cell
    return "\n".join(map(",".join, lines)) + "\n"


def header(text):
    return text + "\n" + GOOD.partition("\n")[2]


TABLES = {
    "empty file": ("", ["empty"]),
    "header only": ("a,b,f,df/da\n", ["no rows"]),
    "text in a number column": (changed(4, 2, "wet"), ["line 4", "'f'", "'wet'"]),
    "NaN in an input": (changed(3, 0, "nan"), ["line 3", "'a'"]),
    "inf in an input": (changed(3, 1, "inf"), ["line 3", "'b'", "inf"]),
    "empty input": (changed(5, 0, ""), ["line 5", "'a'"]),
    "inf in an output": (changed(5, 2, "-inf"), ["line 5", "'f'", "inf"]),
    "duplicated column": (header("a,b,f,df/da,f"), ["2 columns", "'f'"]),
    "unknown input": (header("a,b,f,df/da,df/dq"), ["df/dq", "'q'"]),
    "unknown output": (header("a,b,f,df/da,dg/db"), ["dg/db", "'g'"]),
    "third order": (header("a,b,f,df/da,d3f/da3"), ["d3f/da3"]),
    "three rows": ("".join(GOOD.splitlines(keepends=True)[:4]), ["3 rows", "4"]),
    "ragged rows": (GOOD + "1,2\n", ["line 10", "2", "5"]),
    "all missing output": (
        "a,b,f,df/da\n" + "".join(f"{i},{i * i},,1\n" for i in range(6)),
        ["'f'"],
    ),
    "constant output": (
        "a,b,f,df/da\n" + "".join(f"{i},{i * i},3,0\n" for i in range(6)),
        ["'f'", "3 in every row"],
    ),
}


def check(said, here, before, words):
    assert said.code == 2, said.err
    assert said.out == ""
    lines = said.err.strip().splitlines()
    assert len(lines) <= 6, said.err
    for word in words:
        assert word in said.err, said.err
    assert sorted(p.name for p in here.rglob("*")) == before, "something was written"


@pytest.mark.parametrize("fault", TABLES)
def test_a_table_that_cannot_be_used(osculate, here, fault):
    text, words = TABLES[fault]
    (here / "t.csv").write_text(text)
    before = sorted(p.name for p in here.rglob("*"))
    check(osculate("fit", "t.csv"), here, before, ["t.csv", *words])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.npz", GOOD.encode(), ["t.npz"]),
        ("t.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), ["t.csv"]),
        ("t.parquet", b"PK\x03\x04 not parquet", ["t.parquet"]),
        ("t.xlsx", b"PK\x03\x04", ["t.xlsx", "csv"]),
        ("t.csv", GOOD.encode("utf-16"), ["t.csv", "UTF-8"]),
    ],
)
def test_a_file_that_is_not_what_its_ending_says(osculate, here, name, content, words):
    (here / name).write_bytes(content)
    check(osculate("fit", name), here, [name], words)


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_a_truncated_file(osculate, here, ending):
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    y, J, _ = truth(x)
    columns = {"a": x[:, 0], "b": x[:, 1], "f": y[:, 0], "df/da": J[:, 0, 0]}
    path = here / f"t.{ending}"
    if ending == "npz":
        np.savez(path, **columns)
    else:
        pq.write_table(pa.table(columns), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    check(osculate("fit", path.name), here, [path.name], [path.name])
    path.write_bytes(whole)
    assert osculate("fit", path.name, "--quiet", *QUICK_WORDS).code == 0


def test_a_missing_file_suggests_its_neighbour(osculate, here):
    (here / "steam.csv").write_text(GOOD)
    said = osculate("fit", "staem.csv")
    check(said, here, ["steam.csv"], ["staem.csv", "steam.csv"])


def test_without_derivatives_the_outputs_must_be_named(osculate, here):
    (here / "t.csv").write_text(
        "a,b,f\n" + "".join(f"{i},{i * i},{i + 1}\n" for i in range(8))
    )
    check(osculate("fit", "t.csv"), here, ["t.csv"], ["--outputs"])
    assert osculate("fit", "t.csv", "--outputs", "f", "--quiet", *QUICK_WORDS).code == 0


SUSPICIOUS = {
    "swapped": lambda J: J[:, :, ::-1],
    "negated": lambda J: J * np.array([1.0, -1.0]),
    "rescaled": lambda J: J * np.array([1000.0, 1.0]),
}


@pytest.mark.parametrize("fault", SUSPICIOUS)
def test_suspicious_derivatives_warn_and_are_errors_if_strict(osculate, here, fault):
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    y, J, _ = truth(x)
    np.savez(here / "t.npz", x=x, y=y[:, :1], jacobian=SUSPICIOUS[fault](J)[:, :1])
    said = osculate("fit", "t.npz", "--strict")
    check(said, here, ["t.npz"], ["t.npz", "dy/dx", fault, "--strict"])
    said = osculate("fit", "t.npz", "--quiet", *QUICK_WORDS)
    assert said.code == 0
    assert said.err.startswith("warning: t.npz: 'dy/dx")
    assert fault in said.err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ftt"], "no command 'ftt'; did you mean 'fit'?\n"),
        (["--json", "fit", "t.csv"], "'--json' stands before the command"),
        (["fit", "t.csv", "--ouput", "f"], "did you mean '--outputs'?\n"),
        (["fit", "t.csv", "--budgt=5s"], "did you mean '--budget'?\n"),
        (["fit", "t.csv", "--quiet=yes"], "--quiet: takes no value, got 'yes'.\n"),
        (["fit"], "TABLE"),
        (["fit", "t.csv", "--seed", "x"], "--seed: got 'x'; expected a whole number"),
        (["fit", "t.csv", "--seed", "-1"], "--seed: got '-1'; expected a whole num"),
        (["fit", "t.csv", "--seed", str(2**32)], "from 0 to 4294967295.\n"),
        (["fit", "t.csv", "--width", "1.5"], "--width: got '1.5'; expected a whole"),
        (["fit", "t.csv", "--width", "-3"], "width is -3"),
        (["fit", "t.csv", "--validation", "20%"], "expected a share between 0 and 1"),
        (["fit", "t.csv", "--inputs", ","], "--inputs: got ','; expected names"),
        (["fit", "t.csv", "--out", ""], "--out: got ''; expected a path"),
        (["fit", "t.csv", "--budget", "soon"], "2000steps"),
        (["fit", "t.csv", "--budget", "-5s"], "budget '-5s' cannot be read"),
        (["fit", "t.csv", "--budget", "1e400s"], "finite"),
        (["fit", "t.csv", "--loss", "gausian"], "Did you mean 'gaussian'?"),
        (["fit", "t.csv", "--outputs", "g"], "'g'"),
        (["fit", "t.csv", "--config", "no.toml"], "no.toml"),
        (["fit", "t.csv", "--resume"], "--out RUN"),
        (["demo", "--resume"], "--out RUN"),
        (["fit", "t.csv", "--out", "r", "--resume", "--force"], "Give one of them."),
        (["fit", "t.csv", "--out", "t.csv"], "already exists and is not a run"),
        (["fit", "t.csv", "--out", "."], "already exists and is not a run"),
        (["fit", "t.csv", "--out", "t.csv/run"], "is a file; expected a folder"),
        (["predict", "nowhere", "t.csv"], "nowhere"),
        (["predict", "t.csv", "t.csv"], "not a run"),
        (["predict", "r", "t.csv", "--derivatives", "3"], "expected 0, 1 or 2"),
        (["report", "nowhere"], "nowhere"),
    ],
)
def test_words_that_cannot_be_used(osculate, here, words, found):
    (here / "t.csv").write_text(GOOD)
    said = osculate(*words)
    check(said, here, ["t.csv"], [found])
    assert "?." not in said.err
    assert len(said.err.strip().splitlines()) > 1, "it says what, but not what to do"


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("budgte = '5s'\n", ["'budgte'", "Did you mean 'budget'"]),
        ("seed = 'one'\n", ["seed = 'one' is a string; expected an integer"]),
        ("seed = -1\n", ["seed = -1 is out of range"]),
        ("width = 1.5\n", ["width = 1.5 is a number; expected an integer"]),
        ("compare = 1\n", ["is an integer; expected true or false", "compare = true"]),
        ("seed = true\n", ["is true or false; expected an integer"]),
        ("budget = 60\n", ["is an integer; expected a string", 'budget = "60s"']),
        ("validation = 1979-05-27\n", ["is a date or time; expected a number"]),
        ("outputs = [1]\n", ["outputs = [1] does not hold names only"]),
        ("outputs = []\n", ["outputs = [] does not hold names only"]),
        (f"loss = {'x' * 500!r}\nwidth = 'y'\n", ["width = 'y' is a string"]),
        (f"width = {'x' * 500!r}\n", [" ... is a string"]),
        ("outputs = [\n", ["not TOML", "Correct that line"]),
    ],
)
def test_a_configuration_that_cannot_be_used(osculate, here, toml, words):
    (here / "t.csv").write_text(GOOD)
    (here / "c.toml").write_text(toml)
    said = osculate("fit", "t.csv", "--config", "c.toml")
    check(said, here, ["c.toml", "t.csv"], ["c.toml", *words])
    last = said.err.strip().splitlines()[-1]
    assert last.startswith(("Write ", "Use ", "Correct "))


def test_a_configuration_with_a_byte_order_mark(osculate, here):
    (here / "t.csv").write_text(GOOD)
    (here / "c.toml").write_text("seed = 'one'\n", encoding="utf-8-sig")
    assert "is a string" in osculate("fit", "t.csv", "--config", "c.toml").err


def test_an_existing_run_is_refused(osculate, fitted):
    before = {p: p.read_bytes() for p in (fitted / "run").rglob("*") if p.is_file()}
    said = osculate("fit", fitted / "wing.csv", "--out", fitted / "run")
    assert said.code == 2
    assert "--force" in said.err
    assert before == {
        p: p.read_bytes() for p in (fitted / "run").rglob("*") if p.is_file()
    }


@pytest.mark.parametrize(
    "name", ["model.npz", "run.json", "manifest.json", "log.jsonl"]
)
def test_a_corrupted_run_is_refused(osculate, fitted, here, name):
    shutil.copytree(fitted / "run", here / "run")
    content = bytearray((here / "run" / name).read_bytes())
    content[len(content) // 2] ^= 4
    (here / "run" / name).write_bytes(bytes(content))
    said = osculate("predict", "run", fitted / "wing.csv")
    assert (said.code, said.out) == (2, "")
    assert name in said.err
    assert len(said.err.strip().splitlines()) <= 6


def test_a_damaged_report_does_not_stop_predictions(osculate, fitted, here):
    shutil.copytree(fitted / "run", here / "run")
    (here / "run" / "report.html").write_text("torn")
    said = osculate("predict", "run", fitted / "wing.csv")
    assert said.code == 0
    assert said.err.startswith("warning: ")
    assert said.err.endswith(f"Write it again: osculate report {here / 'run'}\n")
    assert osculate("report", "run") == (0, "run/report.html\n", "")
    assert osculate("predict", "run", fitted / "wing.csv").err == ""


@pytest.mark.parametrize(
    ("out", "found"),
    [
        ("p.txt", "ends in .csv"),
        ("there.csv", "already exists"),
        ("link.csv", "already exists"),
        ("folder", "is a folder"),
        ("no/p.csv", "there is no folder"),
        ("there.csv/p.csv", "is a file, not a folder"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "report"])
def test_files_that_cannot_be_written(
    osculate, fitted, here, monkeypatch, command, out, found
):
    ending = {"predict": ".csv", "report": ".html"}[command]
    out, found = out.replace(".csv", ending), found.replace(".csv", ending)
    (here / f"there{ending}").write_text("mine")
    (here / f"link{ending}").symlink_to(here / f"there{ending}")
    (here / "folder").mkdir()
    before = sorted(p.name for p in here.rglob("*"))
    monkeypatch.setattr("osculate.tasks.load_surrogate", None)  # nothing is done before
    words = [command, fitted / "run", "--out", out]
    if command == "predict":
        words.insert(2, fitted / "wing.csv")
    check(osculate(*words), here, before, [f"--out {out}: ", found])
    assert (here / f"there{ending}").read_text() == "mine"


def test_a_folder_without_permission(osculate, fitted, here, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    said = osculate("predict", fitted / "run", fitted / "wing.csv", "--out", "p.csv")
    check(said, here, [], [f"no permission to write in {here}"])
    said = osculate("fit", fitted / "wing.csv", "--out", "run")
    check(said, here, [], [f"no permission to write in {here}"])


def test_force_replaces_a_file_through_its_link(osculate, fitted, here):
    (here / "there.csv").write_text("old")
    (here / "link.csv").symlink_to("there.csv")
    words = ("predict", fitted / "run", fitted / "wing.csv", "--out", "link.csv")
    assert osculate(*words, "--force") == (0, "", "")
    assert (here / "link.csv").is_symlink()
    assert (here / "there.csv").read_text().startswith("a [m],")


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_folder_of_the_user_is_never_replaced(osculate, fitted, here, force):
    (here / "mine").mkdir()
    (here / "mine" / "run.json").write_text("{}")
    said = osculate("fit", fitted / "wing.csv", "--out", "mine", *force)
    check(said, here, ["mine", "run.json"], ["mine: already exists and is not a run"])
    assert "--force" not in said.err


def test_a_run_of_a_newer_version_is_refused(osculate, fitted, here):
    shutil.copytree(fitted / "run", here / "run")
    manifest = here / "run" / "manifest.json"
    manifest.write_bytes(store.render({"format": 2, "files": {}, "digest": "?"}))
    said = osculate("report", "run")
    assert said.code == 2
    assert "newer" in said.err
    assert "upgrade" in said.err.lower()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\n1\n", ["'b'"]),
        ("a,b\n1,\n", ["line 2", "'b'"]),
        ("a,b\n1,x\n", ["line 2", "'b'", "'x'"]),
        ("a,b\n1,nan\n", ["line 2", "'b'"]),
        ("a,b\n", ["no rows"]),
    ],
)
def test_points_that_cannot_be_predicted(osculate, fitted, here, text, words):
    (here / "ask.csv").write_text(text)
    said = osculate("predict", fitted / "run", "ask.csv")
    check(said, here, ["ask.csv"], ["ask.csv", *words])
    (here / "ask.csv").write_text("a,b\n0,0\n")
    said = osculate("predict", fitted / "run", "ask.csv", "--out", "ask.csv")
    check(said, here, ["ask.csv"], ["is the table itself"])
