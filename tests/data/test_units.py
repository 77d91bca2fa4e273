import pytest

from osculate.data._units import same_unit


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("kJ/(kg K)", "kJ/kg/K"),
        ("kJ/kg/K", "kJ kg^-1 K⁻¹"),
        ("kJ/(kg*(K))", "kJ/kg/K"),
        ("kg/m^3", "kg/m³"),
        ("kg/m**3", "kg m-3"),
        ("1/K", "K^-1"),
        ("W/(m2 K)", "W m-2 K-1"),
        ("µm", "μm"),
        ("℃", "°C"),
        ("-", "1"),
        ("% (vol)", "% (vol)"),
        ("a) b", "a) b"),
    ],
)
def test_the_same_in_another_spelling(first, second):
    assert same_unit(first, second)
    assert same_unit(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("K", "°C"),
        ("mPa", "MPa"),
        ("m s", "ms"),
        ("kJ/kg", "J/kg"),
        ("kJ/kg/K", "kJ/(kg/K)"),
        ("m^2", "m^3"),
        ("10^3 Pa", "kPa"),
        ("%", "1"),
        ("a)", "b)"),
    ],
)
def test_another_unit(first, second):
    assert not same_unit(first, second)
