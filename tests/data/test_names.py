import pytest
from hypothesis import given, strategies as st

from osculate import data
from osculate.core import InputError
from osculate.data._names import read_print, read_slash

NAME = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,4}", fullmatch=True)


def test_print_names_of_single_letters():
    names = data.derivative_names(("h", "rho"), ("T", "p"), 2)
    assert [tuple(n) for n in names[:3]] == [
        ("h_TT", "d2h/dT2", (0, 0, 0)),
        ("h_Tp", "d2h/dTdp", (0, 0, 1)),
        ("h_pp", "d2h/dp2", (0, 1, 1)),
    ]
    assert names[3].print == "rho_TT"
    assert data.derivative_names(("h",), ("T",), 0) == [("h", "h", (0,))]


def test_print_names_of_longer_inputs():
    names = data.derivative_names(("lift",), ("alpha", "mach"), 2)
    assert [n.print for n in names] == [
        "lift_alpha_alpha",
        "lift_alpha_mach",
        "lift_mach_mach",
    ]


def test_ambiguous_print_names_fall_back_to_slash():
    # h_T may be the second output, or the derivative of the first.
    names = data.derivative_names(("h", "h_T"), ("T", "p"), 1)
    assert all(n.print == n.slash for n in names)
    assert names[0].print == "dh/dT"


def test_third_order_has_no_name():
    with pytest.raises(InputError, match="orders 0, 1 and 2"):
        data.derivative_names(("h",), ("T",), 3)


@given(st.lists(NAME, min_size=2, max_size=5, unique=True), st.data())
def test_print_names_are_unique_and_read_back(names, draw):
    cut = draw.draw(st.integers(1, len(names) - 1))
    outputs, inputs = names[:cut], names[cut:]
    every = [
        n for order in (0, 1, 2) for n in data.derivative_names(outputs, inputs, order)
    ]
    assert len({n.print for n in every} | set(inputs)) == len(every) + len(inputs)
    for n in every:
        if n.entry[1:] and n.print != n.slash:
            wanted = (outputs[n.entry[0]], sorted(inputs[d] for d in n.entry[1:]))
            found = read_print(n.print, outputs, inputs)
            assert wanted in [(r.output, sorted(r.inputs)) for r in found]


@given(st.lists(NAME, min_size=2, max_size=5, unique=True), st.data())
def test_slash_names_read_back(names, draw):
    cut = draw.draw(st.integers(1, len(names) - 1))
    outputs, inputs = names[:cut], names[cut:]
    for order in (1, 2):
        for _, slash, index in data.derivative_names(outputs, inputs, order):
            wanted = (outputs[index[0]], sorted(inputs[d] for d in index[1:]))
            for name in (slash, slash.replace("/d", "_d", 1)):
                found = read_slash(name, outputs, inputs)
                assert wanted in [(r.output, sorted(r.inputs)) for r in found]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("dx1/dx2", ("x1", ("x2",))),
        ("d2y/dx12", ("y", ("x1", "x1"))),
        ("d2y/dx1dx2", ("y", ("x1", "x2"))),
        ("d2y_dmach_numberdT2", ("y", ("mach_number", "T2"))),
        ("dy_dmach_number", ("y", ("mach_number",))),
        ("dmach_drag_dT2", ("mach_drag", ("T2",))),
    ],
)
def test_digits_and_underscores(name, wanted):
    outputs = {"x1", "y", "mach_drag"}
    inputs = {"x1", "x2", "T2", "mach_number"}
    assert read_slash(name, outputs, inputs) == [wanted]


def columns(*names):
    return {name: [0.0, 1.0, 4.0, 9.0 + i] for i, name in enumerate(names)}


def test_two_readings_are_refused():
    # d2y/dxx2: twice by "xx", or once of "2y" by "xx2".
    with pytest.raises(InputError, match=r"2 ways: .*'y' by 'xx' and 'xx'"):
        data.read(columns("x", "xx", "xx2", "y", "2y", "dy/dx", "d2y/dxx2"))


@pytest.mark.parametrize("name", ["d3h/dT3", "d3h_dT3", "d10h/dT10"])
def test_third_order_is_refused(name):
    with pytest.raises(InputError, match=r"third or higher order; orders 1 and 2"):
        data.read(columns("T", "h", "dh/dT", name))


def test_third_order_in_print_is_refused():
    with pytest.raises(InputError, match="orders 1 and 2"):
        data.read(columns("T", "h", "h_TTT"), inputs=["T"], outputs=["h"])


def test_roles_from_denominators():
    table = data.read(columns("p", "T", "h", "dh/dT", "dh/dp", "s [J]"))
    assert (table.inputs, table.outputs) == (("p", "T"), ("h", "s"))
    assert table.units["s"] == "J"
    assert table.known["jacobian"][0].tolist() == [[True, True], [False, False]]


def test_a_name_that_only_looks_like_a_derivative_is_plain():
    table = data.read(columns("T", "dose_dt", "h", "dh/dT"))
    assert table.outputs == ("dose_dt", "h")


def test_underscore_derivative():
    table = data.read(columns("T", "h", "dh_dT", "d2h_dT2"))
    assert (table.inputs, table.outputs) == (("T",), ("h",))
    assert set(table.y) == {"value", "jacobian", "hessian"}


def test_print_notation_needs_both_roles():
    source = columns("T", "p", "h", "h_T", "h_Tp", "note")
    table = data.read(source, inputs=["T", "p"], outputs=["h"])
    assert table.known["jacobian"][0].tolist() == [[True, False]]
    assert table.known["hessian"][0].tolist() == [[[False, True], [True, False]]]
    with pytest.raises(InputError, match=r"'h_T' may be .*\n.*both --inputs and"):
        data.read(source, outputs=["h"])
    named = data.read(source, inputs=["T", "p"], outputs=["h", "h_T"])
    assert "jacobian" not in named.y


def test_without_derivatives_outputs_are_needed():
    with pytest.raises(InputError, match=r"T, p, h\.\nPass --outputs NAME.*outputs=\["):
        data.read(columns("T", "p", "h"))
    assert data.read(columns("T", "p", "h"), outputs="h").inputs == ("T", "p")
    assert data.read(columns("T", "p", "h"), inputs=["T"]).outputs == ("p", "h")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("dh/dTT", "no column 'TT'. Did you mean 'T'"),
        ("drhoo/dT", "no column 'rhoo'. Did you mean 'rho'"),
        ("dh_dTT", "no column 'TT'"),
        ("d2h/dTdpp", "no column 'pp'. Did you mean 'p'"),
    ],
)
def test_unknown_derivative(name, hint):
    with pytest.raises(InputError, match=f"column {name!r} is a derivative.*{hint}"):
        data.read(columns("T", "p", "h", "rho", "dh/dT", "dh/dp", name))


def test_roles_asked_for_must_exist():
    with pytest.raises(InputError, match=r"no column 'enthalpi' .*'enthalpy'"):
        data.read(columns("T", "enthalpy"), outputs=["enthalpi"])
    with pytest.raises(InputError, match="cannot be both"):
        data.read(columns("T", "h"), inputs=["T"], outputs=["T"])
    with pytest.raises(InputError, match="one name or more"):
        data.read(columns("T", "h"), inputs=[])
    with pytest.raises(InputError, match="no column is left for outputs"):
        data.read(columns("T", "h"), inputs=["T", "h"])


def test_columns_not_named_are_ignored():
    source = columns("T", "p", "h", "dh/dT", "dh/dp") | {"note": list("abcd")}
    table = data.read(source, inputs=["T"], outputs=["h"])
    assert (table.inputs, table.outputs) == (("T",), ("h",))
    assert table.y["jacobian"].shape == (4, 1, 1)


def test_mixed_partial_given_twice():
    source = columns("x", "y", "f", "d2f/dxdy", "d2f/dydx")
    source["d2f/dydx"] = list(source["d2f/dxdy"])
    table = data.read(source)
    assert table.y["hessian"][1, 0].tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert table.known["hessian"][1, 0].tolist() == [[False, True], [True, False]]
    source["d2f/dydx"][2] *= 1 + 1e-5
    with pytest.raises(InputError, match=r"row 3, .*also given as 4"):
        data.read(source)
    source["d2f/dydx"][2] = float("nan")
    assert data.read(source).y["hessian"][2, 0, 1, 0] == 4.0
