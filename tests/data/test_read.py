import csv
import gc
import time
import zipfile

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from osculate import data
from osculate.core import InputError

HEADER = "T [K],p [MPa],h [kJ/kg],dh/dT [kJ/kg/K],dh/dp"
ROWS = ["1,5,10,1,2", "2,6,13,1,2", "3,8,18,1,2", "4,5,13,1,2", "5,9,22,1,2"]


def write(tmp_path, *lines, name="t.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def message(*call, **names):
    with pytest.raises(InputError) as error:
        data.read(*call, **names)
    text = str(error.value)
    assert 2 <= len(text.splitlines()) <= 6
    return text


def changed(row, column, cell):
    rows = [line.split(",") for line in ROWS]
    rows[row][column] = cell
    return [",".join(line) for line in rows]


def test_csv(tmp_path):
    table = data.read(write(tmp_path, HEADER, *ROWS))
    assert (table.inputs, table.outputs) == (("T", "p"), ("h",))
    assert table.units == {"T": "K", "p": "MPa", "h": "kJ/kg"}
    assert table.headers["dh/dT"] == "dh/dT [kJ/kg/K]"
    assert table.x[2].tolist() == [3.0, 8.0]
    assert table.y["value"][:, 0].tolist() == [10.0, 13.0, 18.0, 13.0, 22.0]
    assert table.y["jacobian"].shape == (5, 1, 2)
    assert table.known["jacobian"].all()
    assert table.name == "t.csv"


@pytest.mark.parametrize("cell", ["", " ", "nan", "NaN"])
@pytest.mark.parametrize("column", [2, 3])
def test_missing_cells(tmp_path, column, cell):
    table = data.read(write(tmp_path, HEADER, *changed(1, column, cell)))
    label = "value" if column == 2 else "jacobian"
    assert not table.known[label][1].ravel()[0]
    assert table.y[label][1].ravel()[0] == 0.0
    assert table.samples().weight[label].sum() == table.known[label].size - 1


def test_csv_as_other_programs_write_it(tmp_path):
    plain = data.read(write(tmp_path, HEADER, *ROWS))
    text = "\ufeff" + HEADER.replace(",", " , ") + "\r\n\r\n" + "\r\n".join(ROWS)
    quoted = ['"T [K]","p [MPa]","h, or so [kJ/kg]","dh, or so/dT",x', '"1",5,10,1,2']
    path = tmp_path / "other.csv"
    path.write_bytes(text.encode())
    assert data.read(path).digest == plain.digest
    path.write_bytes("\r".join([HEADER, *ROWS]).encode())
    assert data.read(path).digest == plain.digest
    path = write(tmp_path, *quoted, *ROWS[1:], name="quoted.csv")
    table = data.read(path, inputs=["T", "p"], outputs=["h, or so"])
    assert table.y["value"].tolist() == plain.y["value"].tolist()


def test_text_in_ignored_columns(tmp_path):
    lines = [f"{line},note {i}" for i, line in enumerate([HEADER, *ROWS])]
    table = data.read(write(tmp_path, *lines), inputs=["T", "p"], outputs=["h"])
    assert table.y["jacobian"].shape == (5, 1, 2)


def test_100_000_rows_are_quick(tmp_path):
    x = np.random.default_rng(0).standard_normal((100_000, 21))
    path = tmp_path / "big.csv"
    names = ",".join(f"c{i}" for i in range(21))
    np.savetxt(path, x, delimiter=",", fmt="%.6g", header=names, comments="")
    gc.collect()
    start = time.perf_counter()
    table = data.read(path, outputs=["c0"])
    assert time.perf_counter() - start < 10  # 0.4 s when alone; aim 3 s
    assert table.x.shape == (100_000, 20)


def test_fault_messages_of_cells(tmp_path):
    def fault(row, column, cell):
        return message(write(tmp_path, HEADER, *changed(row, column, cell)))

    text = fault(2, 2, "abc")
    assert text.startswith(
        "t.csv, line 4, column 'h [kJ/kg]': got 'abc'; expected a number"
    )
    assert "got '1_0'" in fault(2, 2, "1_0")
    for cell in ("", "nan"):
        assert "line 3, column 'T [K]': got an empty cell or NaN" in fault(1, 0, cell)
    assert "line 3, column 'T [K]': got inf" in fault(1, 0, "inf")
    assert "line 4, column 'h [kJ/kg]': got -inf" in fault(2, 2, "-inf")
    assert "line 5, column 'dh/dT [kJ/kg/K]': got inf" in fault(3, 3, "1e999")
    assert "line 2, column 'dh/dp': got 'x'" in fault(0, 4, "x")


def test_line_numbers_count_blank_lines_and_quoted_breaks(tmp_path):
    lines = ['"T",note,h,dh/dT', '1,"two\nlines",1,1', "", "2,b,2,1", "x,c,3,1"]
    path = write(tmp_path, *lines, "4,d,4,1")
    assert "line 6, column 'T'" in message(path, inputs=["T"], outputs=["h"])


def test_faults_of_whole_columns(tmp_path):
    def fault(column, cell):
        rows = [line.split(",") for line in ROWS]
        for row in rows:
            row[column] = cell
        return message(write(tmp_path, HEADER, *(",".join(row) for row in rows)))

    assert "column 'h [kJ/kg]': every value is missing" in fault(2, "")
    assert "column 'h [kJ/kg]': every value is missing" in fault(2, "NaN")
    assert "column 'h [kJ/kg]': the output is 7 in every row" in fault(2, "7")
    constant = fault(1, "7")
    assert "column 'p [MPa]': the input is 7 in every row" in constant
    assert "Or leave it out: --inputs T --outputs h" in constant


def test_the_only_input_is_constant(tmp_path):
    rows = [f"{300 + 1e-14 * i!r},{i},2" for i in range(5)]
    text = message(write(tmp_path, "T,h,dh/dT", *rows))
    assert "column 'T': the input is 300 in every row" in text
    assert text.endswith("Add rows in which it varies.")


def test_faults_of_the_header(tmp_path):
    twice = HEADER.replace("p [MPa]", "T [C]")
    assert "2 columns are called 'T'" in message(write(tmp_path, twice, *ROWS))
    empty = HEADER.replace("p [MPa]", "[MPa]")
    assert "column 2: the header has no name" in message(write(tmp_path, empty, *ROWS))
    assert "expected a header line" in message(write(tmp_path, *ROWS))
    semicolons = [line.replace(",", ";") for line in (HEADER, *ROWS)]
    assert "separated by commas" in message(write(tmp_path, *semicolons))


def test_faults_of_the_rows(tmp_path):
    assert "got 3 rows of data; expected at least 4" in message(
        write(tmp_path, HEADER, *ROWS[:3])
    )
    assert "no rows of data" in message(write(tmp_path, HEADER))
    assert "line 4: got 4 cells; expected 5" in message(
        write(tmp_path, HEADER, *ROWS[:2], "1,2,3,4", *ROWS[3:])
    )
    assert "line 2: got 6 cells; expected 5" in message(
        write(tmp_path, HEADER, *(row + ",7" for row in ROWS))
    )


def test_faults_of_the_path(tmp_path):
    write(tmp_path, HEADER, *ROWS, name="water.csv")
    assert "no such file" in message(tmp_path / "watr.csv")
    assert "Did you mean 'water.csv'" in message(str(tmp_path / "watr.csv"))
    assert "nor its folder" in message(tmp_path / "no" / "watr.csv")
    assert "this is a folder" in message(tmp_path)
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04")
    ending = message(tmp_path / "t.xlsx")
    assert "got the ending '.xlsx'; expected one of .csv, .npz" in ending


@pytest.mark.parametrize("name", ["t.csv", "t.npz", "t.parquet"])
def test_an_empty_file(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert "an empty file" in message(tmp_path / name)


def test_blank_lines_only(tmp_path):
    assert "the file is empty" in message(write(tmp_path, "", "", ""))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.npz", HEADER.encode(), r"the file is CSV text; its ending says a ZIP"),
        ("t.parquet", HEADER.encode(), "the file is CSV text; .* says Parquet"),
        ("t.csv", b"\x89PNG\r\n\x1a\n\0", "the file is a PNG image; .* says CSV"),
        ("t.csv", b"PAR1\0\0", "the file is Parquet; .* says CSV text"),
        ("t.parquet", b"PK\x03\x04\0", "the file is a ZIP archive"),
        ("t.csv", HEADER.encode("utf-16"), "the file is UTF-16 text"),
        ("t.csv", HEADER.encode("utf-16-le"), "the file is binary"),
        ("t.csv", b"T,h,dh/dT\n1,2,3\n\xff,2,3\n", "line 3: got the byte 0xff"),
    ],
)
def test_a_file_that_is_not_what_its_ending_says(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        data.read(tmp_path / name)


def frame():
    lines = list(csv.reader([HEADER, *ROWS]))
    return pd.DataFrame(np.array(lines[1:], float), columns=lines[0])


def test_one_table_in_every_format(tmp_path):
    path = write(tmp_path, HEADER, *ROWS)
    table, df = data.read(path), frame()
    np.savez(tmp_path / "columns.npz", **{n.replace("/", "|"): df[n] for n in df})
    with zipfile.ZipFile(tmp_path / "columns.npz", "w") as archive:
        for name in df:
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, df[name].to_numpy())
    np.savez_compressed(
        tmp_path / "arrays.npz",
        x=table.x,
        y=table.y["value"],
        jacobian=table.y["jacobian"],
        inputs=np.array(["T", "p"]),
        outputs=np.array(["h"]),
    )
    df.to_parquet(tmp_path / "t.parquet")
    df.set_index("T [K]", drop=False).set_axis([7, 7, 8, 9, 9]).to_parquet(
        tmp_path / "indexed.parquet"
    )
    sources = [df, {n: df[n].to_numpy() for n in df}, table]
    sources += [tmp_path / f for f in ("columns.npz", "arrays.npz", "t.parquet")]
    sources += [tmp_path / "indexed.parquet"]
    for source in sources:
        assert data.read(source).digest == table.digest
    arrays = data.table(
        jnp.asarray(table.x),
        jnp.asarray(table.y["value"])[:, 0],
        jacobian=table.y["jacobian"][:, 0],
        inputs=["T", "p"],
        outputs=["h"],
    )
    assert arrays.digest == table.digest


@pytest.mark.parametrize("dtype", ["Float64", "object", "float32"])
def test_frames_with_gaps(dtype):
    df = frame().astype(dtype)
    df.loc[1, "dh/dp"] = None
    assert data.read(df).known["jacobian"].sum() == 9


def test_faults_of_frames():
    df = frame().astype(object)
    df.loc[2, "h [kJ/kg]"] = "much"
    text = message(df)
    assert "<DataFrame>, row 3, column 'h [kJ/kg]': got 'much'" in text
    df = frame()
    assert "got 3 rows" in message(df[:3])
    assert "no rows of data" in message(df[:0])
    assert "2 columns are called 'T [K]'" not in message(df.assign(**{"T": 1.0}))
    df["p [MPa]"] = 1.0
    assert "the input is 1 in every row" in message(df)
    dates = frame().assign(**{"T [K]": pd.date_range("2020-01-01", periods=5)})
    assert "expected a number" in message(dates)


def test_faults_of_mappings():
    assert "4 rows in 'T' and 3 in 'h'" in message({"T": range(4), "h": range(3)})
    assert "shape (4, 1)" in message({"T": np.zeros((4, 1))})
    assert "rows of different lengths" in message({"T": [[1], [2, 3]]})
    assert "no columns" in message({})
    complex_ = {"T": np.ones(4, complex), "h": range(4)}
    assert "row 1, column 'T': got (1+0j)" in message(complex_, outputs="h")
    with pytest.raises(InputError, match="got ndarray; expected a path"):
        data._sources.open_source(np.zeros(3))


def damaged(path, cut):
    path.write_bytes(path.read_bytes()[:cut])
    return message(path)


def test_damaged_npz(tmp_path):
    path = tmp_path / "t.npz"
    table = data.water().rows(slice(20))
    np.savez(path, x=table.x, y=table.y["value"])
    whole = path.read_bytes()
    assert "damaged or cut short" in damaged(path, len(whole) // 2)
    flipped = bytearray(whole)
    flipped[200] ^= 255  # inside the first array: the checksum tells
    path.write_bytes(flipped)
    assert "damaged or cut short" in message(path)


def test_npz_that_declares_too_much(tmp_path):
    path = tmp_path / "t.npz"
    with zipfile.ZipFile(path, "w") as archive, archive.open("x.npy", "w") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
        )
    assert "declares the shape (1000000000000,)" in message(path)


def test_npz_with_objects_or_without_y(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, x=np.array([{}, 1, 2, 3], dtype=object))
    assert "pickled Python objects" in message(path)
    np.savez(path, x=np.arange(5.0))
    assert "expected `y` beside `x`" in message(path)
    np.savez(path, x=np.arange(5.0), y=np.arange(5.0))
    assert data.read(path).inputs == ("x",)


@pytest.mark.parametrize("name", ["grad", "meta"])
def test_npz_with_another_layout(tmp_path, name):
    path = tmp_path / "t.npz"
    np.savez(path, x=np.ones((5, 2)), y=np.arange(5.0), **{name: np.ones((5, 2))})
    text = message(path)
    assert f"got the arrays x, y, {name}, 'x' of shape (5, 2)" in text
    assert "arrays called x, y, jacobian, hessian, inputs, outputs and no other" in text


def test_what_is_masked_is_missing():
    h = np.ma.masked_array([1.0, 2.0, 3.0, 4.0], [False, True, False, False])
    table = data.read({"T": np.arange(4), "h": h}, outputs="h")
    assert table.known["value"][:, 0].tolist() == [True, False, True, True]
    assert data.table(np.arange(4), h).known["value"][:, 0].tolist() == [1, 0, 1, 1]
    text = message({"T": h, "h": np.arange(4)}, outputs="h")
    assert "row 2, column 'T': got an empty cell or NaN" in text


def test_damaged_parquet(tmp_path):
    path = tmp_path / "t.parquet"
    frame().to_parquet(path)
    assert "damaged or cut short" in damaged(path, path.stat().st_size // 2)
    frame()[:0].to_parquet(path)
    assert "no rows of data" in message(path)


def test_table_with_other_roles():
    water = data.water()
    table = data.read(water, inputs=["p", "T"], outputs=["rho"])
    jacobian = water.y["jacobian"][:, 1:, ::-1]
    assert np.array_equal(table.x, water.x[:, ::-1])
    assert np.array_equal(table.y["jacobian"], jacobian)
    assert np.array_equal(table.y["hessian"], water.y["hessian"][:, 1:, ::-1, ::-1])
    assert data.read(water, outputs="rho").inputs == ("T", "p")
    inverse = data.read(water, inputs=["h", "p"], outputs=["T"])
    assert not inverse.known["jacobian"].any()
    assert "no column 'hh'" in message(water, outputs=["hh"])


def test_duplicate_points_are_no_fault():
    table = data.table([0.0, 0.0, 1.0, 2.0], [1.0, 2.0, 3.0, 4.0])
    assert len(table) == 4
