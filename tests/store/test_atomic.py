"""A write that fails, or a process that is killed, leaves the old file or the new."""

import errno
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest
from hypothesis import given, strategies as st

from osculate import store

SOURCE = pathlib.Path(store.__file__).parent / "_atomic.py"
CALLS = ("open", "write", "fsync", "replace", "close")
WRITER = """
import importlib.util, itertools, sys
spec = importlib.util.spec_from_file_location("atomic", sys.argv[1])
atomic = importlib.util.module_from_spec(spec)
spec.loader.exec_module(atomic)
for n in itertools.count(1):
    atomic.write(sys.argv[2], b"%09d" % n * 20_000)
"""


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def only(folder):
    """The content of the one file in a folder."""
    (path,) = folder.iterdir()
    return path.read_bytes()


@given(data=st.binary())
def test_write_then_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("write") / "file"
    store.write(path, b"old")
    store.write(str(path), data)
    assert only(path.parent) == data


def test_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store.write("file", b"new")
    assert only(tmp_path) == b"new"


def test_umask_decides_who_may_read(tmp_path):
    before = os.umask(0o027)
    try:
        store.write(tmp_path / "file", b"new")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("k", range(4))
def test_no_space_at_the_kth_call(tmp_path, monkeypatch, call, k):
    path = tmp_path / "file"
    path.write_bytes(b"old" * 100)
    true, seen, replaced = getattr(os, call), [], []

    def failing(*args):
        seen.append(args)
        if len(seen) == k + 1:
            if call == "close":
                true(*args)
            no_space()
        # Short writes: a system may take fewer bytes than it is given.
        return true(args[0], args[1][:70]) if call == "write" else true(*args)

    def replace(*args, true=os.replace):
        true(*args)
        replaced.append(args)

    with monkeypatch.context() as patch:
        if call != "replace":
            patch.setattr(os, "replace", replace)
        patch.setattr(os, call, failing)
        failed = None
        try:
            store.write(path, b"new" * 100)
        except OSError as error:
            failed = (error.errno, error.filename)
    # Only the last step, that of the folder, can fail once the new file is in place.
    assert failed or replaced or call == "replace"
    assert only(tmp_path) == (b"new" if replaced or not failed else b"old") * 100
    assert failed == ((errno.ENOSPC, str(path)) if len(seen) > k else None)


def test_interrupt_leaves_no_temporary_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.write(path, b"new")
    assert only(tmp_path) == b"old"


def test_the_file_reaches_the_disk_before_its_name(tmp_path, monkeypatch):
    order = []
    for call in CALLS:
        true = getattr(os, call)
        monkeypatch.setattr(
            os, call, lambda *a, c=call, t=true: (order.append(c), t(*a))[1]
        )
    store.write(tmp_path / "file", b"new")
    assert order == [
        *("open", "open", "write", "fsync", "close"),
        *("replace", "fsync", "close"),
    ]


def test_folder_that_is_missing(tmp_path):
    path = tmp_path / "missing" / "file"
    with pytest.raises(FileNotFoundError, match=str(path)):
        store.write(path, b"new")


def test_killed_while_writing(tmp_path):
    path = tmp_path / "file"
    store.write(path, b"%09d" % 0 * 20_000)
    pause = random.Random(0)
    versions = set()
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", WRITER, SOURCE, path])
        time.sleep(0.05 + 0.2 * pause.random())
        process.kill()
        process.wait()
        data = path.read_bytes()
        assert len(data) == 180_000
        assert data == data[:9] * 20_000
        versions.add(data[:9])
    assert len(versions) > 5  # the kills did fall among the writes
