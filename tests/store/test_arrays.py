"""What is packed comes back, or the file is called corrupt."""

import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as npst

from osculate import store

DTYPES = st.one_of(
    npst.floating_dtypes(),
    npst.integer_dtypes(),
    npst.unsigned_integer_dtypes(),
    npst.boolean_dtypes(),
    npst.complex_number_dtypes(),
    npst.unicode_string_dtypes(min_len=1),
)
ARRAYS = st.dictionaries(
    st.text(st.characters(), max_size=5),
    npst.arrays(DTYPES, npst.array_shapes(min_dims=0, min_side=0, max_side=3)),
    max_size=4,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
).filter(lambda value: "inf" not in repr(value))


def identical(a, b):
    """Same dtype, shape and bytes: NaN equals NaN, and -0.0 is not 0.0."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def same(one, two):
    return one.keys() == two.keys() and all(identical(one[k], two[k]) for k in one)


def small():
    arrays = {"../a b": np.arange(3.0), "": np.array([True]), "z": np.array("é")}
    return arrays, {"k": [1, None, "x"], "a": {}}


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def forged(contents, method=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_header(change):
    """A file whose header is altered and spelled correctly all the same."""
    contents = members(store.pack(*small()))
    document = json.loads(contents["header.json"])
    change(document)
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    return forged({**contents, "header.json": text})


@given(arrays=ARRAYS, header=st.dictionaries(st.text(), JSON))
def test_round_trip(arrays, header):
    data = store.pack(arrays, header)
    found, head = store.unpack(data, "file.npz")
    assert same(found, arrays)
    assert head == header
    assert all(a.flags.writeable and a.flags.aligned for a in found.values())
    assert store.pack(found, head) == data


def test_any_name_any_order():
    names = ["", "/", "../x", "a\0b", "\ud800", "é", "header.json", "0.npy"]
    arrays = {name: np.array(i) for i, name in enumerate(names)}
    data = store.pack(arrays, {})
    assert same(store.unpack(data, "f")[0], arrays)
    assert store.pack(dict(reversed(arrays.items())), {}) == data


def test_memory_layout_does_not_matter():
    a = np.arange(6.0).reshape(2, 3)
    b = np.asfortranarray(a)
    c = np.repeat(a, 2, axis=1)[:, ::2]
    assert store.pack({"x": a}, {}) == store.pack({"x": b}, {})
    assert store.pack({"x": a}, {}) == store.pack({"x": c}, {})


def test_numpy_opens_the_file():
    arrays, _ = small()
    with np.load(io.BytesIO(store.pack(*small()))) as archive:
        found = [archive[f"{i}"] for i in range(3)]
    assert all(
        identical(a, arrays[k]) for a, k in zip(found, sorted(arrays), strict=True)
    )


def test_same_bytes_in_another_process():
    root = pathlib.Path(store.__file__).parents[2]
    code = (
        "import hashlib, numpy as np; from osculate import store\n"
        "arrays = {k: np.arange(5.0) for k in {'q', 'w', 'e', 'r', 't', 'y'}}\n"
        "print(hashlib.sha256(store.pack(arrays, {'b': 1, 'a': 2})).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": str(root)}
    environment["JAX_PLATFORMS"] = "cpu"
    found = subprocess.check_output(
        [sys.executable, "-c", code], env=environment, text=True
    )
    arrays = {k: np.arange(5.0) for k in "qwerty"}
    data = store.pack(arrays, {"a": 2, "b": 1})
    assert found.strip() == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    "array",
    [
        np.array([None]),
        np.zeros(2, "M8[s]"),
        np.zeros(2, [("a", "f8")]),
        np.array([b"x"]),
    ],
)
def test_other_dtypes_are_refused(array):
    with pytest.raises(TypeError, match=r"array 'x' has dtype .*; expected numbers"):
        store.pack({"x": array}, {})


def test_header_without_nan():
    with pytest.raises(ValueError, match="JSON compliant"):
        store.pack({}, {"x": float("nan")})


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_a_flipped_byte_never_changes_content(flip):
    arrays, header = small()
    data = store.pack(arrays, header)
    refused = 0
    for i in range(len(data)):
        damaged = data[:i] + bytes([data[i] ^ flip]) + data[i + 1 :]
        try:
            found, head = store.unpack(damaged, "file.npz")
        except (store.CorruptFileError, store.NewerFormatError):
            refused += 1
        else:
            assert same(found, arrays)
            assert head == header
    assert refused > 0.8 * len(data)


def test_truncated_at_every_length():
    data = store.pack(*small())
    for n in range(len(data)):
        with pytest.raises(store.CorruptFileError, match=r"file\.npz: "):
            store.unpack(data[:n], "file.npz")


@given(data=st.binary(max_size=300))
def test_any_bytes(data):
    with pytest.raises(store.CorruptFileError):
        store.unpack(data, "file.npz")


@given(
    edits=st.lists(
        st.tuples(st.integers(0, 1 << 12), st.binary(max_size=4)), min_size=1
    )
)
def test_any_damage(edits):
    arrays, header = small()
    data = store.pack(arrays, header)
    for at, new in edits:
        at %= len(data)
        data = data[:at] + new + data[at + len(new) + (at % 3) - 1 :]
    try:
        found, head = store.unpack(data, "file.npz")
    except (store.CorruptFileError, store.NewerFormatError):
        return
    assert same(found, arrays)
    assert head == header


@pytest.mark.parametrize(
    "shape", [[10**13], [10**6, 10**7], [2**63, 2], [0, 2**70], [1] * 70, [-3], [3.0]]
)
def test_declared_shape_is_compared_before_allocating(shape):
    def change(document):
        document["arrays"][2]["shape"] = shape

    with pytest.raises(store.CorruptFileError, match=r"file\.npz: "):
        store.unpack(with_header(change), "file.npz")


@pytest.mark.parametrize(
    "dtype", ["|O", "O", "f8", "<f80", "<U99999999999999999999", "<f8,<f8", 8, None]
)
def test_declared_dtype(dtype):
    def change(document):
        document["arrays"][0]["dtype"] = dtype

    with pytest.raises(store.CorruptFileError):
        store.unpack(with_header(change), "file.npz")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("arrays"),
        lambda d: d.pop("header"),
        lambda d: d.update(header=[]),
        lambda d: d.update(arrays=7),
        lambda d: d["arrays"].pop(),
        lambda d: d["arrays"][0].update(name="z"),
        lambda d: d["arrays"][0].update(name=3),
        lambda d: d["arrays"][0].update(sha256="0"),
        lambda d: d["arrays"].reverse(),
        lambda d: d.update(format=0),
        lambda d: d.update(format=True),
        lambda d: d.update(format="1"),
    ],
)
def test_forged_header(change):
    with pytest.raises(store.CorruptFileError):
        store.unpack(with_header(change), "file.npz")


def test_npy_header_bomb():
    contents = members(store.pack({"x": np.arange(3.0)}, {}))
    bomb = contents["0.npy"].replace(b"(3,), }" + b" " * 13, b"(10000000000000,), }")
    assert len(bomb) == len(contents["0.npy"])
    assert bomb != contents["0.npy"]
    with pytest.raises(store.CorruptFileError, match="array 'x': its NPY header"):
        store.unpack(forged({**contents, "0.npy": bomb}), "file.npz")


def test_zip_bomb():
    contents = {**members(store.pack(*small())), "1.npy": bytes(10_000_000)}
    data = forged(contents, zipfile.ZIP_DEFLATED)
    assert len(data) < 30_000
    with pytest.raises(store.CorruptFileError, match="compressed"):
        store.unpack(data, "file.npz")


def test_members_added_repeated_or_renamed():
    contents = members(store.pack(*small()))
    with pytest.raises(store.CorruptFileError, match="members found"):
        store.unpack(forged({**contents, "3.npy": b""}), "file.npz")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("header.json", contents["header.json"])
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("header.json", contents["header.json"])
    with pytest.raises(store.CorruptFileError, match="one name"):
        store.unpack(buffer.getvalue(), "file.npz")


def test_header_nested_too_deeply():
    text = '{"format": 1, "header": ' + "[" * 100_000 + "]" * 100_000 + "}"
    with pytest.raises(store.CorruptFileError, match="RecursionError"):
        store.unpack(forged({"header.json": text}), "file.npz")


class Evil:
    def __reduce__(self):
        return os.abort, ()


def test_pickle_is_never_read():
    buffer = io.BytesIO()
    np.savez(buffer, **{"0": np.array([Evil()], object)})
    with pytest.raises(store.CorruptFileError):
        store.unpack(buffer.getvalue(), "file.npz")
    contents = members(store.pack(*small()))
    contents["0.npy"] = members(buffer.getvalue())["0.npy"]
    with pytest.raises(store.CorruptFileError):
        store.unpack(forged(contents), "file.npz")


def test_newer_format():
    data = with_header(lambda d: (d.clear(), d.update(format=7)))
    with pytest.raises(store.NewerFormatError) as caught:
        store.unpack(data, "file.npz")
    assert str(caught.value) == (
        "file.npz: written by a newer version (format 7), this one reads up to 1.\n"
        "Upgrade: python -m pip install --upgrade osculate"
    )


def test_message_of_a_damaged_file_stays_short():
    error = store.CorruptFileError(pathlib.Path("f"), "w\n" * 999, "x\n" * 999)
    assert len(str(error)) < 1000
    assert len(str(error).splitlines()) == 2
    assert str(error).endswith("load an older checkpoint.")
    again = type(error)(*error.args)
    assert str(again) == str(error)
