"""A table to test on, read in the roles and units of the one fitted to."""

import numpy as np
import pytest

from osculate import data
from osculate.core import InputError

HEADER = "T [K],p [MPa],h [kJ/kg],dh/dT [kJ/kg/K],dh/dp"
ROWS = ["1,5,10,1,2", "2,6,13,1,2", "3,8,18,1,2", "4,5,13,1,2", "5,9,22,1,2"]


def write(tmp_path, *lines, name="test.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def fitted(tmp_path):
    return data.read(write(tmp_path, HEADER, *ROWS, name="train.csv"))


def message(source, like):
    with pytest.raises(InputError) as error:
        data.read(source, like=like)
    return str(error.value)


def test_roles_are_taken_over(tmp_path, fitted):
    names = [cell.split(" ")[0] for cell in HEADER.split(",")]
    table = {name: np.arange(4.0) for name in reversed(names)} | {"note": list("abcd")}
    table |= {"T [K]": table.pop("T"), "h [kJ kg^-1]": table.pop("h")}
    found = data.read(table, like=fitted)
    assert (found.inputs, found.outputs) == (fitted.inputs, fitted.outputs)
    assert found.known["jacobian"].all()
    x, y = fitted.x, fitted.y["value"]
    np.savez(tmp_path / "t.npz", x=x, y=y)
    assert data.read(tmp_path / "t.npz", like=fitted).outputs == ("h",)
    water = data.read(data.water(), outputs="rho")
    assert np.array_equal(
        data.read(data.water_test(), like=water).y["value"],
        data.water_test().y["value"][:, 1:],
    )


def test_a_column_is_missing(tmp_path, fitted):
    text = message(write(tmp_path, HEADER.replace("p [MPa]", "P [MPa]"), *ROWS), fitted)
    assert text.splitlines() == [
        "test.csv: no column 'p'; the columns are T, P, h, dh/dT, dh/dp. Did you mean "
        "'P'?",
        "Expected every input and output of train.csv once: T, p, h.",
        "Correct the header.",
    ]
    assert "<arrays>: no column 'T'" in message(
        data.table(fitted.x, fitted.y["value"]), fitted
    )


def test_units_must_agree(tmp_path, fitted):
    text = message(write(tmp_path, HEADER.replace("[K]", "[°C]"), *ROWS), fitted)
    assert text.startswith(
        "test.csv, column 'T [°C]': the unit is '°C'; expected 'K', as in train.csv."
    )
    text = message(write(tmp_path, HEADER.replace("/K]", "/mK]"), *ROWS), fitted)
    assert "column 'dh/dT [kJ/kg/mK]': the unit is 'kJ/kg/mK'" in text
    silent = data.read(write(tmp_path, "T,p,h,dh/dT,dh/dp [m]", *ROWS), like=fitted)
    assert silent.digest == fitted.digest


def test_columns_may_be_constant(tmp_path, fitted):
    rows = ["1,5,7,1,2", "2,5,7,1,2", "3,5,7,1,2", "4,5,7,1,2"]
    assert len(data.read(write(tmp_path, HEADER, *rows), like=fitted)) == 4
    assert "got 3 rows" in message(write(tmp_path, HEADER, *rows[:3]), fitted)
    empty = [row.replace(",7,", ",,") for row in rows]
    assert "every value is missing" in message(write(tmp_path, HEADER, *empty), fitted)


def test_roles_are_given_once(fitted):
    with pytest.raises(InputError, match="Pass one or the other"):
        data.read(fitted, like=fitted, outputs=["h"])
