import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from matplotlib.path import Path

from osculate import report

from .test_html import read

STEPS = 500
TIMES = "\N{MULTIPLICATION SIGN}"


def burgers(t, x):
    """A wave that steepens at x = 0 and decays: no solution, but it looks like one."""
    return -np.sin(np.pi * x) * np.exp(-t) * np.tanh(np.abs(x) / (0.02 + (1 - t) ** 2))


def plane(function, name="u", *, size=(50, 40), at=None):
    """A map of a function of t and x."""
    t, x = np.linspace(0, 1, size[0]), np.linspace(-1, 1, size[1])
    return report.FieldMap(name, "t", "x", t, x, function(*np.meshgrid(t, x)), at or {})


def cut(function, name="u", *, size=60, at=None):
    x = np.linspace(-1, 1, size)
    return report.Curve(name, "x", x, function(x), at or {})


def make_page(**fields):
    fall = np.geomspace(1, 1e-8, STEPS)
    found = {
        "title": "Burgers' equation",
        "verdict": "Good: the equation is met within 3e-4 of its largest term.",
        "doubts": ["The front at x = 0 is as wide as the finest points."],
        "tiles": [("3.1e-4", "largest residual"), ("41 s", "on two cores")],
        "declared": "u_t + u*u_x - nu*u_xx = 0\nu = -sin(pi*x)    at t = 0",
        "history": {"step": np.arange(STEPS), "loss": fall, "equation": 0.6 * fall},
        "maps": [plane(burgers)],
        "residual": [plane(lambda t, x: -4 + t + np.cos(9 * x), "equation")],
        "curves": [cut(lambda x, t=t: burgers(t, x), at={"t": t}) for t in (0.0, 0.5)],
        "facts": {"Versions": {"osculate": "0.1.0"}},
    }
    return report.SolutionPage(**(found | fields))


EMPTY = {
    "doubts": [],
    "tiles": [],
    "declared": "",
    "history": {},
    "maps": [],
    "residual": [],
    "curves": [],
    "facts": {},
}


def test_content_and_its_order():
    document = report.solution_html(make_page())
    reader = read(document)
    assert reader.headings == [
        "The solution",
        "Where the equation is not met",
        "Training",
        "What was solved",
        "Doubts",
        "How it was made",
    ]
    assert document.count("<svg viewBox") == 1 + 2 + 1 + 1
    assert "1 doubt: please read" in document
    assert reader.ids == ["doubts"]
    assert f"3.1{TIMES}10⁻⁴" in reader.texts
    assert "u_t + u*u_x - nu*u_xx = 0\nu = -sin(pi*x)    at t = 0" in reader.texts
    assert "at t = 0.5" in reader.texts


def test_it_is_closed_to_the_outside():
    document = report.solution_html(make_page())
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in document
    assert not re.search("https?:|//|xmlns|<script", document)


def test_an_empty_page_is_a_page():
    document = report.solution_html(make_page(**EMPTY))
    assert read(document).headings == []
    assert "<svg" not in document
    assert "please read" not in document


@pytest.mark.parametrize("name", ["maps", "residual", "curves"])
def test_no_figure_without_its_data(name):
    whole = report.solution_html(make_page())
    part = report.solution_html(make_page(**{name: []}))
    read(part)
    lost = 2 if name == "curves" else 1
    assert whole.count("<svg viewBox") - part.count("<svg viewBox") == lost


def test_one_coordinate():
    page = make_page(
        maps=[],
        curves=[cut(np.sin)],
        residual=[cut(lambda x: -5 + x, "equation", at={"t": 0.25})],
    )
    document = report.solution_html(page)
    assert "The solution" in read(document).headings
    assert "Colour" not in document
    assert "below 10" not in document
    assert "10⁻⁵" in document
    assert "at t = 0.25" in document


def test_the_same_page_gives_the_same_text():
    assert report.solution_html(make_page()) == report.solution_html(make_page())


@pytest.mark.parametrize(
    "name",
    [
        "</title></style><img src=x onerror=alert(1)>",
        "</pre><script>alert(1)</script>",
        "\"'><svg onload=alert(1)>",
        "$\\frac{",
        "h" * 400,
        "μ\u202eabc\U0001f4a7",
        "\x00\x1b\ud800",
        "https://example.org/?a=1&b=2",
        "",
        "{x} %s",
    ],
)
def test_hostile_names(name):
    document = report.solution_html(named_page(name))
    document.encode()
    reader = read(document)
    shown = re.sub("[\x00-\x08\x1b\ud800]", "\ufffd", name)
    # Title twice, verdict, tile twice, pre, doubt, fact thrice, a legend, five figures.
    assert not name or sum(shown in text for text in reader.texts) >= 16


@settings(max_examples=10)
@given(st.text(max_size=40))
def test_any_name(name):
    bare = {"maps": [], "curves": [], "residual": [], "history": {}}
    page = dataclasses.replace(named_page(name), **bare)
    read(report.solution_html(page))


def named_page(name):
    """A page with the same hostile name everywhere a name can be."""
    x, at = np.linspace(0, 1, 5), {name: 1.0}
    square = np.add.outer(x, x)
    found = report.FieldMap(name, name, name, x, x, square, at)
    line = report.Curve(name, name, x, x, at)
    return report.SolutionPage(
        title=name,
        verdict=name,
        doubts=[name],
        tiles=[(name, name)],
        declared=name,
        history={"step": np.arange(3), "loss": np.ones(3), name: np.ones(3)},
        maps=[found],
        residual=[found, line],
        curves=[line],
        facts={name: {name: name}},
    )


def test_numbers_of_tiles_are_set_as_print_and_names_are_not():
    tiles = [("-1.5e-7", "a"), ("h2e5x", "b"), ("12", "c")]
    texts = read(report.solution_html(make_page(tiles=tiles))).texts
    minus = "\N{MINUS SIGN}"
    assert {f"{minus}1.5{TIMES}10⁻⁷", "h2e5x", "12"} <= set(texts)


@pytest.mark.parametrize(
    "value",
    [0.0, 2.0, -3e-300, 1e300, np.nan, np.inf],
    ids=str,
)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 70)])
def test_constant_fields(value, size):
    found = plane(lambda t, x: np.full(t.shape, value), size=size)
    line = report.Curve("u", "x", found.y, np.full(len(found.y), value), {})
    page = make_page(maps=[found], curves=[line], residual=[found, line])
    document = report.solution_html(page)
    read(document)
    scales = re.findall('<div class="scale">(.*?)</div>', document)
    assert len(scales) == np.isfinite(value)
    assert all(scale.count("<i ") == 1 for scale in scales)
    left_out = "1 map without a known value left out." in document
    assert left_out == (not np.isfinite(value))


def test_no_points_at_all():
    none = np.zeros(0)
    page = make_page(
        maps=[report.FieldMap("u", "t", "x", none, none, np.zeros((0, 0)), {})],
        curves=[report.Curve("u", "x", none, none, {})],
        residual=[report.Curve("u", "x", none, none, {})],
    )
    document = report.solution_html(page)
    read(document)
    assert "1 curve without a known value left out." in document
    assert document.count("<svg viewBox") == 1


def test_residuals_that_are_zero_in_places():
    """There the logarithm has no bound; elsewhere the scale is what it was."""

    def field(t, x):
        return np.where(t < 0.3, -np.inf, -6 + 3 * t)

    found = [plane(field, "equation"), cut(lambda x: field(x, x), "wall")]
    document = report.solution_html(make_page(residual=found))
    read(document)
    assert f"below 3{TIMES}10⁻⁶" in document
    assert f"above 3{TIMES}10⁻⁴" in document
    assert "Where it is blank" not in document
    nowhere = [plane(lambda t, x: -np.inf * np.ones_like(t), "equation")]
    read(report.solution_html(make_page(residual=nowhere)))


def painted(document):
    """Reads the first map: its areas as (paint, outline), lowest first."""
    svg = re.search("<svg.*?</svg>", document, re.DOTALL)[0]
    found = re.findall('<path class="f-([a-z0-9]+)" d="([^"]*)"/>', svg)
    return [(paint, outline(d)) for paint, d in found]


def outline(d):
    """Reads path data as the standard of SVG says: small letters are relative."""
    here = start = np.zeros(2)
    vertices, codes = [], []
    for command, numbers in re.findall("([Mmlzh])([^Mmlzh]*)", d):
        if command == "z":
            here = start
            vertices.append(start)
            codes.append(Path.CLOSEPOLY)
            continue
        if command == "h":
            continue
        pairs = re.findall(r"-?(?:\d+\.?\d*|\.\d+)", numbers)
        for move in np.array(pairs, dtype=float).reshape(-1, 2):
            here = move if command == "M" else here + move
            start = here if command in "Mm" else start
            vertices.append(here)
            codes.append(Path.MOVETO if command in "Mm" else Path.LINETO)
    return Path(np.array(vertices), codes)


def top_paint(areas, points):
    """The paint that lies on top at each point; points are shares of the whole."""
    corners = np.concatenate([area.vertices for _, area in areas])
    low, high = corners.min(axis=0), corners.max(axis=0)
    places = low + (high - low) * np.column_stack([points[:, 0], 1 - points[:, 1]])
    found = np.full(len(points), "", dtype="<U3")
    for paint, area in areas:
        found[area.contains_points(places)] = paint
    return found


@pytest.mark.parametrize("signed", [False, True])
def test_a_place_has_the_paint_of_its_value(signed):
    """Against the value itself, away from the edges of the levels."""
    shift = 0.3 if signed else 2.5

    def function(t, x):
        wave = np.sin(5 * t) * (1 + x) + shift
        hole = np.hypot(t - 0.5, x) < 0.2
        return np.where(hole, np.nan, wave)

    found = plane(function, size=(64, 64))
    areas = painted(report.solution_html(make_page(maps=[found])))
    points = np.random.default_rng(0).random((3000, 2))
    t, x = points[:, 0], 2 * points[:, 1] - 1
    low, high = np.nanmin(found.value), np.nanmax(found.value)
    assert (min(-low, high) > 0.2 * max(-low, high)) == signed
    far = max(-low, high)
    count, low, width = (11, -far, 2 * far) if signed else (10, low, high - low)
    level = count * (function(t, x) - low) / width
    clear = np.abs(level - level.round()) > 0.05
    clear &= np.abs(np.hypot(t - 0.5, x) - 0.2) > 0.06
    letter = "d" if signed else "s"
    expected = [f"{letter}{int(k)}" for k in np.clip(level[clear], 0, count - 1)]
    assert len(set(expected)) >= 9
    assert (top_paint(areas, points)[clear] == expected).all()
    blank = np.hypot(t - 0.5, x) < 0.14
    assert blank.any()
    assert set(top_paint(areas, points)[blank]) == {""}


def test_coarse_maps_keep_the_peaks_of_residuals():
    """One bad point among a million, and a field whose ends are its extremes."""
    logs = np.full((1000, 1000), -6.0)
    logs[333, 777] = -1.0
    t = np.linspace(0, 1, 1000)
    peak = report.FieldMap("equation", "t", "x", t, t, logs, {})
    ramp = report.FieldMap("u", "t", "x", t, t, np.add.outer(t, t), {})
    document = report.solution_html(make_page(maps=[ramp], residual=[peak]))
    assert 'class="f-e5"' in document
    paints = {paint for paint, _ in painted(document)}
    assert paints == {f"s{i}" for i in range(10)}


def test_maps_of_one_name_share_their_colours():
    maps = [plane(lambda t, x, a=a: a * x, at={"y": a}) for a in (1.0, 0.1)]
    maps.append(plane(lambda t, x: 7 + 0 * x, "p"))
    document = report.solution_html(make_page(maps=maps))
    scales = re.findall('<div class="scale">(.*?)</div>', document)
    assert scales[0] == scales[1] != scales[2]
    assert scales[0].count("<i ") == 11
    svg = re.findall("<svg.*?</svg>", document, re.DOTALL)[1]
    assert set(re.findall("f-(d[0-9]+)", svg)) == {"d4", "d5", "d6"}


@pytest.mark.slow
def test_size_of_the_worst_case():
    """Noise on every map, more of them than are shown, and many long losses."""
    rng = np.random.default_rng(0)
    noise = [
        plane(lambda t, x: rng.standard_normal(t.shape), f"u{i}", size=(200, 200))
        for i in range(13)
    ]
    curves = [cut(lambda x: rng.standard_normal(x.shape), size=5000)] * 14
    rough = {f"part {i}": np.exp(rng.standard_normal(20_000)) for i in range(8)}
    page = make_page(
        maps=noise,
        residual=noise,
        curves=curves,
        history={"step": np.arange(20_000)} | rough,
    )
    document = report.solution_html(page)
    read(document)
    assert len(document.encode()) < 400_000
    assert "1 further map left out." in document
    assert "2 further curves left out." in document
    assert "1 further residual left out." in document
