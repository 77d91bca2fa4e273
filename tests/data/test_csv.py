"""What other programs call CSV, and what people do to it by hand."""

import numpy as np
import pytest

from osculate import data
from osculate.core import InputError

HEADER = "T [K],p [MPa],h [kJ/kg],dh/dT,dh/dp"
ROWS = ["1,5,10,1,2", "2,6,13,1,2", "3,8,18,1,2", "4,5,13,1,2", "5,9,22,1,2"]


@pytest.fixture
def write(tmp_path):
    def written(*lines):
        path = tmp_path / "t.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return written


def message(path):
    with pytest.raises(InputError) as error:
        data.read(path)
    text = str(error.value)
    assert 2 <= len(text.splitlines()) <= 6
    return text


def of_cell(write, cell):
    return message(write(HEADER, ROWS[0], f"2,6,{cell},1,2", *ROWS[2:]))


ABOVE = [
    ["# made by a program"],
    ["# made by a program, on Monday", '#"quoted, and', "", ",,,,", "  # and so on"],
]


@pytest.mark.parametrize("above", ABOVE)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_comments_above_the_header(tmp_path, write, above, end):
    plain = data.read(write(HEADER, *ROWS))
    path = tmp_path / "commented.csv"
    path.write_bytes(end.join([*above, HEADER, *ROWS]).encode())
    table = data.read(path)
    assert table.digest == plain.digest
    assert table.units == plain.units
    path.write_bytes(end.join([*above, HEADER, *ROWS[:2], "x,1,2,3,4"]).encode())
    assert f"line {len(above) + 4}, column 'T [K]': got 'x'" in message(path)


@pytest.mark.parametrize("first", ["1,5,10,1,2", "1,5,,1,2"])
def test_a_header_that_is_a_comment(tmp_path, write, first):
    x = np.random.default_rng(0).random((6, 3))
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="T [K],h,dh/dT")
    table = data.read(tmp_path / "x.csv")
    assert table.units == {"T": "K", "h": ""}
    assert np.array_equal(table.x[:, 0], x[:, 0])
    plain = data.read(write(HEADER, first, *ROWS[1:]))
    assert data.read(write(f"#{HEADER}", first, *ROWS[1:])).digest == plain.digest
    assert "expected a header line" in message(write("# no header", *ROWS))


def test_comments_elsewhere(write):
    assert "line 4: got a comment; expected a row of 5 cells" in message(
        write(HEADER, *ROWS[:2], "# note", *ROWS[2:])
    )


@pytest.mark.parametrize("above", ["% made by a program", "My table", "sep=,"])
def test_other_lines_above_the_header(write, above):
    text = message(write(above, HEADER, *ROWS))
    assert f"t.csv, line 1: got {above!r}, but line 2 has 5 columns" in text
    assert "begin each such line with #" in text


@pytest.mark.parametrize("units", ["K,MPa,kJ/kg,,", "[K],[MPa],[kJ/kg],,"])
def test_a_line_of_units(write, units):
    text = message(write(HEADER, units, *ROWS))
    assert f"line 2: got {units!r}, which has no number" in text
    assert text.endswith("units stand in it, as in T [K].")


def test_lines_in_which_nothing_stands(write):
    plain = data.read(write(HEADER, *ROWS))
    empty = ["", ",,,,", "  , ,,,"]
    path = write(*empty, HEADER, *empty, *ROWS, *empty)
    assert data.read(path).digest == plain.digest
    assert "line 12, column 'p [MPa]': got 'x'" in message(
        write(*empty, HEADER, *empty, *ROWS[:3], ",,,,", "1,x,3,4,5")
    )


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_separators(write, mark):
    lines = [line.replace(",", mark) for line in (HEADER, *ROWS)]
    assert "expected columns separated by commas" in message(write(*lines))


def test_separated_by_spaces(write):
    lines = [line.replace(",", " ") for line in (HEADER, *ROWS)]
    assert "got one column, 'T [K] p [MPa]" in message(write(*lines))


def test_commas_that_separate_nothing(write):
    assert "column 6: the header has no name" in message(
        write(*(line + "," for line in (HEADER, *ROWS)))
    )
    assert "none at the end of the line" in message(
        write(HEADER, *(row + "," for row in ROWS))
    )


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_an_index_that_pandas_wrote(write, name):
    rows = [f"{i},{row}" for i, row in enumerate(ROWS)]
    text = message(write(f"{name},{HEADER}", *rows))
    assert "column 1: the header has no name" in text
    assert "index=False" in text


@pytest.mark.parametrize("name", ["T [K", "T K]", "T [K]]"])
def test_brackets_that_do_not_pair(write, name):
    text = message(write(HEADER.replace("T [K]", name), *ROWS))
    assert f"t.csv, column 1: got the header {name!r}; expected a unit in" in text


def test_other_brackets(write):
    text = message(write(HEADER.replace("T [K]", "T (K)"), *ROWS))
    assert "In 'T (K)', write the unit as 'T [unit]'" in text


@pytest.mark.parametrize("name", ["∂h/∂T", "d h / d T", "dh/d(T)"])
def test_other_spellings_of_derivatives(write, name):
    text = message(write(HEADER.replace("dh/dT", name), *ROWS))
    assert f"column {name!r} looks like a derivative; expected the spelling" in text
    second = HEADER.replace("dh/dp", "d^2h/dT^2")
    assert "'d2h/dT2'" in message(write(second, *ROWS))


def test_the_case_of_a_name(write):
    assert "Did you mean 'T'" in message(write(HEADER.replace("dh/dT", "dh/dt"), *ROWS))


def test_names_that_cannot_be_seen(write):
    plain = data.read(write(HEADER, *ROWS))
    path = write(HEADER.replace("T [K]", "\u200bT\u00a0[K] "), *ROWS)
    assert data.read(path).digest == plain.digest


def test_quotation_marks(write):
    open_ended = [ROWS[0], '"2,6,13,1,2', *ROWS[2:]]
    assert "line 3: not CSV" in message(write(HEADER, *open_ended))
    assert "got '5\"x'" in message(write(HEADER, '1,5"x,10,1,2', *ROWS[1:]))


@pytest.mark.parametrize("cell", ["NA", "n/a", "null", "None", "#N/A", " "])
def test_what_programs_write_for_missing(write, cell):
    table = data.read(write(HEADER, *ROWS[:4], f"5,9,{cell},1,2"))
    assert table.known["value"][:, 0].tolist() == [True] * 4 + [False]


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ('"10,5"', "with a decimal point"),
        ('"1,000"', "with a decimal point"),
        ("1 000", "thousands without a mark"),
        ("1'000", "thousands without a mark"),
        ("1.0D+05", "as in 1.0E+05"),
        ("0x10", "Correct the cell"),
        ("True", "Correct the cell"),
        ("2020-01-01", "Correct the cell"),
        ("10 kJ", "Correct the cell"),
        ("-", "Correct the cell"),
    ],
)
def test_cells_that_are_no_number(write, cell, advice):
    text = of_cell(write, cell)
    assert f"line 3, column 'h [kJ/kg]': got {cell.strip(chr(34))!r}" in text
    assert advice in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("cell", "value"), [("1e5", 1e5), (" +.5 ", 0.5), ("1" + "0" * 30, 1e30)]
)
def test_cells_that_are_numbers(write, cell, value):
    table = data.read(write(HEADER, f"1,5,{cell},1,2", *ROWS[1:]))
    assert table.y["value"][0, 0] == value


def test_a_thousand_columns(write):
    names = [f"x{i}" for i in range(1000)]
    numbers = np.random.default_rng(0).random((5, 2001)).round(3)
    header = ",".join([*names, "y", *(f"dy/d{name}" for name in names)])
    table = data.read(write(header, *(",".join(map(str, row)) for row in numbers)))
    assert table.y["jacobian"].shape == (5, 1, 1000)
    constant = numbers.copy()
    constant[:, 3] = 1.0
    text = message(write(header, *(",".join(map(str, row)) for row in constant)))
    assert len(text) < 500
