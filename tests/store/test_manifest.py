"""A folder is as it was committed, or the file that is not is named."""

import hashlib
import json
import os

import numpy as np
import pytest
from hypothesis import given, strategies as st

from osculate import store

REFUSED = (store.CorruptFileError, store.NewerFormatError)
NAMES = ("log.jsonl", "model.npz", "state/000.npz")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 0}\n')
    (tmp_path / "state/000.npz").write_bytes(b"")
    store.write(tmp_path / "model.npz", store.pack({"x": np.arange(2.0)}, {}))
    store.commit(tmp_path, NAMES)
    return tmp_path


def forge(folder, document, digest=None):
    """Writes a manifest whose own digest is right, whatever it says."""
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    digest = digest or hashlib.sha256(text.encode()).hexdigest()
    signed = json.dumps({**document, "digest": digest}, indent=1, sort_keys=True)
    (folder / "manifest.json").write_text(signed + "\n")


@given(
    contents=st.dictionaries(
        st.text("abcé. ", min_size=1, max_size=4).filter(lambda s: s.strip(".")),
        st.binary(max_size=20),
    )
)
def test_commit_then_verify(tmp_path_factory, contents):
    folder = tmp_path_factory.mktemp("run")
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    store.commit(folder, list(contents))
    expected = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents.items()
    }
    assert store.verify(folder) == store.entries(str(folder)) == expected
    for name in contents:
        assert store.check(folder, name) == expected[name]


def test_manifest_as_documented(folder):
    document = json.loads((folder / "manifest.json").read_text())
    assert document["format"] == 1
    assert set(document) == {"format", "files", "digest"}
    assert document["files"]["state/000.npz"] == {
        "bytes": 0,
        "sha256": hashlib.sha256(b"").hexdigest(),
    }
    before = (folder / "manifest.json").read_bytes()
    store.commit(folder, list(reversed(NAMES)))
    assert (folder / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("name", ["manifest.json", *NAMES])
@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_every_flipped_byte_is_found(folder, name, flip):
    path = folder / name
    data = path.read_bytes()
    for i in range(len(data)):
        path.write_bytes(data[:i] + bytes([data[i] ^ flip]) + data[i + 1 :])
        with pytest.raises(REFUSED, match=name):
            store.verify(folder)
    path.write_bytes(data)
    store.verify(folder)


def test_every_value_of_every_byte_of_the_manifest(folder):
    store.commit(folder, ["log.jsonl"])
    path = folder / "manifest.json"
    data = path.read_bytes()
    for i in range(len(data)):
        for value in {*b' \t\n\r"\\,:{}[]0123456789eE+-.', 0, 255} - {data[i]}:
            path.write_bytes(data[:i] + bytes([value]) + data[i + 1 :])
            with pytest.raises(REFUSED):
                store.entries(folder)


@pytest.mark.parametrize("name", ["manifest.json", *NAMES[:2]])
def test_every_truncation_and_addition_is_found(folder, name):
    path = folder / name
    data = path.read_bytes()
    for other in [*(data[:n] for n in range(len(data))), data + b"\n", data + data]:
        path.write_bytes(other)
        with pytest.raises(store.CorruptFileError, match=name):
            store.verify(folder)


@pytest.mark.parametrize("name", ["manifest.json", *NAMES])
@pytest.mark.parametrize("replacement", ["nothing", "folder", "pipe", "loop"])
def test_missing_file(folder, name, replacement):
    path = folder / name
    path.unlink()
    if replacement == "folder":
        path.mkdir()
    elif replacement == "pipe":
        os.mkfifo(path)  # opening it would wait for ever
    elif replacement == "loop":
        path.symlink_to(path.name)
    with pytest.raises(store.CorruptFileError, match=f"{name}: the file: "):
        store.verify(folder)


def test_growing_file(folder):
    log = folder / "log.jsonl"
    with log.open("ab") as file:
        file.write(b'{"step": 1}\n')
    with pytest.raises(store.CorruptFileError, match="24 bytes, recorded were 12"):
        store.verify(folder)
    with pytest.raises(store.CorruptFileError, match=r"log\.jsonl"):
        store.check(folder, "log.jsonl")
    assert store.verify(folder, growing=["log.jsonl"])["log.jsonl"]["bytes"] == 12
    assert store.check(folder, "log.jsonl", growing=True)["bytes"] == 12
    data = log.read_bytes()
    for i in range(12):
        log.write_bytes(data[:i] + b"?" + data[i + 1 :])
        with pytest.raises(store.CorruptFileError, match="the first 12 bytes"):
            store.verify(folder, growing=["log.jsonl"])
    log.write_bytes(data[:11])
    with pytest.raises(store.CorruptFileError, match="11 bytes"):
        store.verify(folder, growing=["log.jsonl"])


def test_a_file_larger_than_one_chunk(tmp_path):
    data = bytes(range(256)) * 10_000
    (tmp_path / "big").write_bytes(data)
    store.commit(tmp_path, ["big"])
    (tmp_path / "big").write_bytes(data + b"more")
    store.verify(tmp_path, growing={"big"})
    assert store.entries(tmp_path)["big"] == {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def test_what_is_known_is_not_read_again_and_damage_stays_visible(folder):
    known = {n: store.entries(folder)[n] for n in NAMES if n != "log.jsonl"}
    assert known["model.npz"] == store.measure((folder / "model.npz").read_bytes())
    (folder / "model.npz").write_bytes(b"damaged")
    with (folder / "log.jsonl").open("ab") as log:
        log.write(b'{"step": 1}\n')
    assert store.commit(folder, NAMES, known) == store.entries(folder)
    assert store.check(folder, "log.jsonl")["bytes"] == 24
    with pytest.raises(store.CorruptFileError, match=r"model\.npz"):
        store.verify(folder)


def test_one_damaged_file_leaves_the_others_usable(folder):
    (folder / "model.npz").write_bytes(b"damaged")
    assert set(store.entries(folder)) == set(NAMES)
    store.check(folder, "state/000.npz")
    with pytest.raises(store.CorruptFileError, match=r"model\.npz"):
        store.check(folder, "model.npz")
    with pytest.raises(store.CorruptFileError, match="not among the files"):
        store.check(folder, "other")


def test_unlisted_files_are_ignored(folder):
    (folder / "notes.txt").write_text("mine")
    assert set(store.verify(folder)) == set(NAMES)


@pytest.mark.parametrize(
    "name",
    [
        *("../x", "/etc/hostname", "a/../../x", "..", "..\\x", "manifest.json"),
        *("", ".", "./a", "a/", "a//b", "a\0b", "a\nb", "\ud800"),
    ],
)
def test_names_that_leave_the_folder(folder, name):
    with pytest.raises(ValueError, match=r"`commit`: .* expected a relative path"):
        store.commit(folder, [name])
    entry = {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    forge(folder, {"format": 1, "files": {name: entry}})
    with pytest.raises(store.CorruptFileError, match="entry "):
        store.verify(folder)


@pytest.mark.parametrize(
    "files",
    [None, [], {"log.jsonl": None}, {"log.jsonl": {"bytes": 12}}]
    + [{"log.jsonl": {"bytes": size, "sha256": ""}} for size in (-1, 1.5, "1", None)],
)
def test_forged_entries(folder, files):
    forge(folder, {"format": 1, "files": files})
    with pytest.raises(store.CorruptFileError, match="manifest"):
        store.verify(folder)


def test_manifest_in_another_spelling(folder):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    with pytest.raises(store.CorruptFileError, match="altered since it was written"):
        store.verify(folder)


def test_newer_format_whatever_else_it_says(folder):
    (folder / "manifest.json").write_text('{"blake3": "é", "format": 2}', "utf-8")
    with pytest.raises(store.NewerFormatError, match=r"\(format 2\), .* up to 1"):
        store.verify(folder)


@pytest.mark.parametrize("found", [0, -1, 1.0, "2", None, True, [2]])
def test_no_format_version(folder, found):
    forge(folder, {"format": found, "files": {}})
    with pytest.raises(store.CorruptFileError, match="no format version"):
        store.verify(folder)


def test_failed_commit_keeps_the_old_manifest(folder):
    with pytest.raises(FileNotFoundError):
        store.commit(folder, [*NAMES, "missing"])
    store.verify(folder)
