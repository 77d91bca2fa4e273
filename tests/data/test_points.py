import numpy as np
import pytest

from osculate import data
from osculate.core import InputError

HEADER = "T [K],p [MPa],h [kJ/kg]"
ROWS = ["1,5,10", "2,6,text", "3,8,18", "4,5,13", "5,9,22"]


def write(tmp_path, *lines):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_read_points(tmp_path):
    x = data.read_points(write(tmp_path, HEADER, *ROWS), ["p", "T"])
    assert x.tolist() == [[5, 1], [6, 2], [8, 3], [5, 4], [9, 5]]
    one = data.read_points({"T": [1.0], "p": [2], "h": ["?"]}, ["T", "p"])
    assert one.tolist() == [[1.0, 2.0]]
    water = data.water()
    assert np.array_equal(data.read_points(water, ["p"]), water.x[:, 1:])
    np.savez(tmp_path / "x.npz", x=water.x)
    assert np.array_equal(data.read_points(tmp_path / "x.npz", ["a", "b"]), water.x)


def test_faults(tmp_path):
    path = write(tmp_path, HEADER, "1,5,10", "2,,3")
    with pytest.raises(InputError, match=r"line 3, column 'p \[MPa\]': got an empty"):
        data.read_points(path, ["T", "p"])
    with pytest.raises(InputError, match=r"no column 'pp'.* Did you mean 'p'"):
        data.read_points(path, ["T", "pp"])
    with pytest.raises(InputError, match="2 columns 'T'"):
        data.read_points(write(tmp_path, "T,T [K]", "1,2"), ["T"])


def test_units(tmp_path):
    path = write(tmp_path, HEADER, *ROWS)
    x = data.read_points(path, ["T", "p"])
    units = {"T": "K", "p": "", "h": "J"}
    assert np.array_equal(data.read_points(path, ["T", "p"], units=units), x)
    with pytest.raises(InputError) as error:
        data.read_points(path, ["T", "p"], units={"T": "K", "p": "bar"})
    assert str(error.value).splitlines() == [
        "t.csv, column 'p [MPa]': the unit is 'MPa'; expected 'bar', as in the model.",
        "Convert the column, or correct the unit in its header.",
    ]
    np.savez(tmp_path / "x.npz", x=x, inputs=["T [°C]", "p [MPa]"])
    with pytest.raises(InputError, match="the unit is '°C'; expected 'K'"):
        data.read_points(tmp_path / "x.npz", ["T", "p"], units=units)
    with pytest.raises(InputError, match="the unit is 'K'; expected '°C'"):
        data.read_points(data.water(), ["T"], units={"T": "°C"})
