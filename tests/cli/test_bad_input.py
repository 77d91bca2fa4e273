"""Bad input: exit code 2, one message of at most six lines, nothing written."""

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
        (["ftt"], "did you mean 'fit'?"),
        (["fit", "t.csv", "--ouput", "f"], "did you mean '--outputs'?"),
        (["fit", "t.csv", "--budgt=5s"], "did you mean '--budget'?"),
        (["fit"], "TABLE"),
        (["fit", "t.csv", "--seed", "x"], "--seed"),
        (["fit", "t.csv", "--budget", "soon"], "5000steps"),
        (["fit", "t.csv", "--loss", "gausian"], "Did you mean 'gaussian'?"),
        (["fit", "t.csv", "--outputs", "g"], "'g'"),
        (["fit", "t.csv", "--config", "no.toml"], "no.toml"),
        (["fit", "t.csv", "--resume"], "--out RUN"),
        (["predict", "nowhere", "t.csv"], "nowhere"),
        (["predict", "t.csv", "t.csv"], "not a run"),
        (["report", "nowhere"], "nowhere"),
    ],
)
def test_words_that_cannot_be_used(osculate, here, words, found):
    (here / "t.csv").write_text(GOOD)
    check(osculate(*words), here, ["t.csv"], [found])


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("budgte = '5s'\n", ["'budgte'", "Did you mean 'budget'"]),
        ("seed = 'one'\n", ["seed", "expected int"]),
        ("compare = 1\n", ["compare", "expected bool"]),
        ("seed = true\n", ["seed", "expected int"]),
        ("outputs = [\n", ["not TOML"]),
    ],
)
def test_a_configuration_that_cannot_be_used(osculate, here, toml, words):
    (here / "t.csv").write_text(GOOD)
    (here / "c.toml").write_text(toml)
    said = osculate("fit", "t.csv", "--config", "c.toml")
    check(said, here, ["c.toml", "t.csv"], ["c.toml", *words])


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
