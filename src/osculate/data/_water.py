"""Liquid water: the tables that come with the package."""

from importlib import resources

from ._read import read
from ._table import Table


def water() -> Table:
    """Returns 400 states of liquid water: h and rho over T and p.

    Specific enthalpy h [kJ/kg] and density rho [kg/m^3] with all first and second
    partials in temperature T [K] and pressure p [MPa], from IAPWS-95. Any first rows
    fill the domain too.

    Returns:
        A table with N = 400, D = 2, M = 2.

    Reference: Wagner and Pruss, 2002, The IAPWS formulation 1995, J. Phys. Chem.
        Ref. Data 31, 387; through CoolProp (see WATER.md beside this file).
    """
    return _packaged("water.csv")


def water_test() -> Table:
    """Returns 2000 more states of liquid water, to test what `water` taught.

    Returns:
        A table with N = 2000, D = 2, M = 2; columns and domain as in `water`.
    """
    return _packaged("water_test.csv")


def _packaged(name: str) -> Table:
    with resources.as_file(resources.files("osculate.data") / name) as path:
        return read(path)
