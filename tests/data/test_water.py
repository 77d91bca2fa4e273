import importlib.util
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from osculate import data

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def maker():
    pytest.importorskip("CoolProp")
    spec = importlib.util.spec_from_file_location("m", ROOT / "tools/make_water.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("load", "rows"), [(data.water, 400), (data.water_test, 2000)])
def test_tables(load, rows):
    table = load()
    assert (table.inputs, table.outputs) == (("T", "p"), ("h", "rho"))
    assert table.units == {"T": "K", "p": "MPa", "h": "kJ/kg", "rho": "kg/m^3"}
    assert table.y["hessian"].shape == (rows, 2, 2, 2)
    assert all(known.all() for known in table.known.values())


def test_every_prefix_fills_the_domain():
    whole = data.water().x * [1, 0] + np.log(data.water().x) * [0, 1]
    for n in (50, 100, 200):
        assert (np.ptp(whole[:n], axis=0) > 0.85 * np.ptp(whole, axis=0)).all()


@pytest.mark.parametrize("name", ["water.csv", "water_test.csv"])
def test_rows_come_again_from_coolprop(maker, name):
    import CoolProp  # noqa: PLC0415

    table = data.water() if name == "water.csv" else data.water_test()
    state = CoolProp.AbstractState("HEOS", "Water")
    sequence = maker.TABLES[name][1]()
    for i, (T, p) in enumerate(islice(maker.liquid(sequence), 20)):
        found = maker.row(state, T, p)
        below = [(0, 0), (0, 1), (1, 1)]
        stored = [*table.x[i], *table.y["value"][i], *table.y["jacobian"][i].ravel()]
        stored += [table.y["hessian"][i, m, d, e] for m in (0, 1) for d, e in below]
        np.testing.assert_allclose(stored, found, rtol=1e-9)


def test_bytes_come_again_from_the_same_coolprop(maker, tmp_path):
    import CoolProp  # noqa: PLC0415

    if CoolProp.__version__ != maker.COOLPROP_VERSION:
        pytest.skip(f"the tables were written by CoolProp {maker.COOLPROP_VERSION}")
    maker.main(tmp_path)
    for name in maker.TABLES:
        assert (tmp_path / name).read_bytes() == (maker.PACKAGE / name).read_bytes()


def test_derivatives_against_differences(maker):
    # Central steps of 1 mK and 1e-5 p: truncation and the 1e-12 of the solver over
    # the step leave 1e-6.
    import CoolProp  # noqa: PLC0415

    state = CoolProp.AbstractState("HEOS", "Water")
    table = data.water()
    for i in range(0, 400, 40):
        T, p = table.x[i].tolist()
        for d, (dT, dp) in enumerate([(1e-3, 0.0), (0.0, 1e-5 * p)]):
            ahead = np.array(maker.row(state, T + dT, p + dp)[2:8])
            behind = np.array(maker.row(state, T - dT, p - dp)[2:8])
            slopes = (ahead - behind) / (2 * (dT + dp))
            np.testing.assert_allclose(slopes[:2], table.y["jacobian"][i, :, d], 2e-5)
            second = table.y["hessian"][i, :, :, d].ravel()
            np.testing.assert_allclose(slopes[2:], second, rtol=2e-4, atol=1e-6)
