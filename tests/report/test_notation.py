import numpy as np
import pytest

from osculate import report
from osculate.core import InputError
from osculate.report import _notation, _numbers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("h", ("h", ())),
        ("h_T", ("h", ("T",))),
        ("h_Tp", ("h", ("T", "p"))),
        ("h_T_p", ("h", ("T", "p"))),
        ("h_in_T", ("h_in", ("T",))),
        ("h_q", ("h_q", ())),
        ("h_", ("h_", ())),
    ],
)
def test_parse(name, expected):
    assert _notation.parse(name, ["h", "h_in"], ["T", "p"]) == expected


def test_parse_takes_the_fewest_inputs():
    assert _notation.parse("u_xx", ["u"], ["x", "xx"]) == ("u", ("xx",))


@pytest.mark.parametrize(
    ("wrt", "expected"),
    [
        ("", "kJ/kg"),
        ("T", "kJ/kg/K"),
        ("TT", "kJ/kg/K^2"),
        ("Tp", "kJ/kg/(K MPa)"),
        ("v", "kJ/kg/(m/s)"),
        ("n", ""),
    ],
)
def test_derived_unit(wrt, expected):
    units = {"h": "kJ/kg", "T": "K", "p": "MPa", "v": "m/s"}
    assert _notation.derived_unit("h", tuple(wrt), units) == expected


def test_evaluation_knows_its_derivatives(water_page):
    evaluation = water_page(rows=3).evaluation
    assert evaluation.partial("h", "p", "T") == "h_Tp"
    assert evaluation.partial("h", "q") is None
    assert evaluation.order("rho_pp") == 2
    assert evaluation.all_units()["rho_Tp"] == "kg/m^3/(K MPa)"


def test_evaluation_refuses_what_does_not_fit():
    one = {"h": np.zeros(2)}
    with pytest.raises(InputError, match="one column for each input"):
        report.Evaluation("test table", ("T",), ("h",), {}, np.zeros((2, 2)), one, one)
    with pytest.raises(InputError, match=r"differ in \['h_T'\]"):
        report.Evaluation(
            "test table",
            ("T",),
            ("h",),
            {},
            np.zeros((2, 1)),
            one,
            one | {"h_T": np.zeros(2)},
        )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, _numbers.DASH),
        (0.0, "0"),
        (1e-5, "1.00e-5"),
        (0.012345, "0.0123"),
        (-1234.5, "-1234"),
        (1e7, "1.00e7"),
    ],
)
def test_significant(value, expected):
    assert _numbers.significant(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, "1.000000"),
        (1 - 1e-9, ">0.999999"),
        (0.5, "0.500000"),
        (-1e6, "-1.00e6"),
        (None, _numbers.DASH),
    ],
)
def test_r_squared_is_never_rounded_up_to_one(value, expected):
    assert _numbers.r_squared(value) == expected


def test_times_percent_and_powers():
    assert [_numbers.times(f) for f in (0.5, 3.14, 99.9, 2e6, None)] == [
        "0.50x",
        "3.1x",
        "100x",
        "2e6x",
        _numbers.DASH,
    ]
    assert [_numbers.percent(f) for f in (0.0, 0.0123, 2.0)] == [
        "0 %",
        "1.2 %",
        "200 %",
    ]
    assert _numbers.typeset("-4.56e-5") == "\u22124.56\u00d710⁻⁵"
    assert _numbers.power_of_ten(-2.5) == "3\u00d710⁻³"
    assert _numbers.power_of_ten(-3.0) == "10⁻³"
