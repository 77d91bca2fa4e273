"""Writes the two water tables of `osculate.data` from CoolProp (IAPWS-95).

    python tools/make_water.py [FOLDER]

Deterministic: the same version of CoolProp writes the same bytes. Points are drawn in
(T, log p): an additive recurrence (Roberts' R2 sequence) for the table to learn from,
so that any prefix of it fills the domain too; independent uniform points for the test.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import CoolProp
import numpy as np

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "osculate" / "data"
COOLPROP_VERSION = "8.0.0"  # of the tables in the wheel
TEMPERATURE = (275.0, 640.0)  # K
PRESSURE = (0.1, 50.0)  # MPa
CRITICAL = 22.064  # MPa
MARGIN = 2.0  # K below saturation

# CoolProp speaks K, Pa, J/kg; the tables K, MPa, kJ/kg.
KILO, MEGA = 1e3, 1e6


def header() -> list[str]:
    """Returns the names of the columns with their units."""
    names = ["T [K]", "p [MPa]", "h [kJ/kg]", "rho [kg/m^3]"]
    for y, unit in (("h", "kJ/kg"), ("rho", "kg/m^3")):
        names += [f"d{y}/dT [{unit}/K]", f"d{y}/dp [{unit}/MPa]"]
    for y, unit in (("h", "kJ/kg"), ("rho", "kg/m^3")):
        names += [
            f"d2{y}/dT2 [{unit}/K^2]",
            f"d2{y}/dTdp [{unit}/K/MPa]",
            f"d2{y}/dp2 [{unit}/MPa^2]",
        ]
    return names


def is_liquid(state: "CoolProp.AbstractState", T: float, p: float) -> bool:
    """Returns whether (T [K], p [MPa]) is compressed liquid, clear of saturation."""
    if p >= CRITICAL:
        return True
    state.update(CoolProp.PQ_INPUTS, p * MEGA, 0.0)
    saturated = state.T()
    return saturated - T >= MARGIN


def recurrence() -> Iterator[np.ndarray]:
    """Yields Roberts' R2 sequence in the unit square, from a random start."""
    plastic = 1.324717957244746  # the real root of x^3 = x + 1
    step = np.array([1 / plastic, 1 / plastic**2])
    at = np.random.default_rng(1).random(2)
    while True:
        yield at
        at = (at + step) % 1.0


def uniform() -> Iterator[np.ndarray]:
    """Yields independent uniform points of the unit square."""
    rng = np.random.default_rng(2)
    while True:
        yield rng.random(2)


TABLES = {"water.csv": (400, recurrence), "water_test.csv": (2000, uniform)}


def liquid(unit: Iterable[np.ndarray]) -> Iterator[tuple[float, float]]:
    """Yields the liquid points (T [K], p [MPa]) among `unit`, rounded as written."""
    state = CoolProp.AbstractState("HEOS", "Water")
    span = np.log(PRESSURE)
    for a, b in unit:
        T = round(TEMPERATURE[0] + a * (TEMPERATURE[1] - TEMPERATURE[0]), 4)
        p = float(f"{np.exp(span[0] + b * (span[1] - span[0])):.6g}")
        if PRESSURE[0] <= p <= PRESSURE[1] and is_liquid(state, T, p):
            yield T, p


def row(state: "CoolProp.AbstractState", T: float, p: float) -> list[float]:
    """Returns one row: T, p, h, rho, their first and their second partials."""
    state.update(CoolProp.PT_INPUTS, p * MEGA, T)
    iT, ip = CoolProp.iT, CoolProp.iP
    outputs = ((CoolProp.iHmass, 1 / KILO), (CoolProp.iDmass, 1.0))
    first, second = [], []
    for i, scale in outputs:
        first += [
            state.first_partial_deriv(i, iT, ip) * scale,
            state.first_partial_deriv(i, ip, iT) * scale * MEGA,
        ]
        second += [
            state.second_partial_deriv(i, iT, ip, iT, ip) * scale,
            state.second_partial_deriv(i, iT, ip, ip, iT) * scale * MEGA,
            state.second_partial_deriv(i, ip, iT, ip, iT) * scale * MEGA**2,
        ]
    return [T, p, state.hmass() / KILO, state.rhomass(), *first, *second]


def text(num: int, unit: Iterable[np.ndarray]) -> str:
    """Returns a whole table of `num` rows as CSV."""
    state = CoolProp.AbstractState("HEOS", "Water")
    lines = [",".join(header())]
    for T, p in islice(liquid(unit), num):
        lines.append(",".join(f"{value:.12g}" for value in row(state, T, p)))
    return "\n".join(lines) + "\n"


def main(folder: Path = PACKAGE) -> None:
    """Writes both tables into `folder`."""
    for name, (num, sequence) in TABLES.items():
        (folder / name).write_bytes(text(num, sequence()).encode())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
