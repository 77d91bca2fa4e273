"""A folder has one writer, and none once that process is gone."""

import errno
import fcntl
import subprocess
import sys

import pytest

from osculate import store

HOLDER = """
import sys, time
from osculate import store
assert store.Lock.take(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


def test_a_held_folder_is_held_until_release(tmp_path):
    lock = store.Lock.take(tmp_path)
    assert lock is not None
    assert store.Lock.take(str(tmp_path)) is None
    assert [p.name for p in tmp_path.iterdir()] == [store.LOCK]
    lock.release()
    assert list(tmp_path.iterdir()) == []
    again = store.Lock.take(tmp_path)
    assert again is not None
    again.release()


def test_kill_9_releases(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    assert store.Lock.take(tmp_path) is None
    holder.kill()
    holder.communicate()
    lock = store.Lock.take(tmp_path)
    assert lock is not None
    lock.release()


def test_a_renamed_folder_stays_held_and_its_successor_too(tmp_path):
    old, aside = tmp_path / "run", tmp_path / "aside"
    old.mkdir()
    first = store.Lock.take(old)
    old.rename(aside)
    assert store.Lock.take(aside) is None
    old.mkdir()
    second = store.Lock.take(old)
    first.release()
    assert list(aside.iterdir()) == []
    assert store.Lock.take(old) is None, "the first took the lock of the second away"
    second.release()


def test_a_lock_that_changed_hands_between_open_and_lock(tmp_path, monkeypatch):
    first, real, second = store.Lock.take(tmp_path), fcntl.flock, []

    def late(file, flags):
        monkeypatch.setattr(fcntl, "flock", real)
        first.release()
        second.append(store.Lock.take(tmp_path))
        real(file, flags)  # succeeds: nobody holds the file that was removed

    monkeypatch.setattr(fcntl, "flock", late)
    assert store.Lock.take(tmp_path) is None
    second[0].release()


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.warns(UserWarning, match="cannot lock a folder \\(No locks available"):
        lock = store.Lock.take(tmp_path)
    lock.release()


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        store.Lock.take(tmp_path / "missing")
