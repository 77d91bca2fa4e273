"""Commands run in this process, in an empty folder, with a cache of their own."""

import contextlib
import io
from typing import NamedTuple

import pytest

from osculate.cli import main
from smooth import QUICK_WORDS, write_csv


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch, cache):
    """An empty working folder."""
    monkeypatch.setenv("OSCULATE_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    """Runs a command and returns its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(word) for word in words])
        except SystemExit as left:
            code = left.code
    return Said(code, out.getvalue(), err.getvalue())


@pytest.fixture
def osculate(here):
    return run


@pytest.fixture(scope="session")
def fitted(tmp_path_factory, cache):
    """A finished run and its table."""
    folder = tmp_path_factory.mktemp("fitted")
    write_csv(folder / "wing.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OSCULATE_CACHE", str(cache))
        said = run("fit", folder / "wing.csv", "--out", folder / "run", *QUICK_WORDS)
    assert said.code == 0, said.err
    return folder
