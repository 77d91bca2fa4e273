import io
import re

import numpy as np
import pytest
from matplotlib.image import imread

from osculate import report

from .test_browser import MEASURE
from .test_solution_html import burgers, cut, make_page, plane

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("solution")


@pytest.fixture(scope="module")
def path(folder):
    found = folder / "solution.html"
    equation = plane(lambda t, x: -4 + t + np.cos(9 * x), "equation")
    page = make_page(
        maps=[plane(burgers), plane(lambda t, x: 2 + t * x, "h" * 60)],
        residual=[equation, equation, cut(lambda x: -5 + x, "wall")],
        declared="u_t = 0\n" * 3 + "u" * 400,
    )
    found.write_text(report.solution_html(page), encoding="utf-8")
    return found


def test_it_renders_quietly_and_alone(chromium, path):
    visit = chromium.visit(path, "--dump-dom")
    assert visit.output.decode().count("<svg viewBox") == 2 + 2 + 3 + 1
    assert visit.console == []
    assert visit.outside == []


@pytest.mark.parametrize(
    ("dark", "low", "high"), [(False, "053d66", "722e00"), (True, "bfe6ff", "ffdcbc")]
)
def test_maps_are_painted_in_the_colours_of_the_page(
    chromium, path, folder, dark, low, high
):
    """The lowest and the highest step of the field each cover some of the page."""
    shot = folder / f"{dark}.png"
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    chromium.visit(path, "--window-size=1200,1400", f"--screenshot={shot}", *scheme)
    pixels = np.rint(255 * imread(io.BytesIO(shot.read_bytes()))[..., :3])
    for colour in (low, high):
        near = np.abs(pixels - list(bytes.fromhex(colour))).max(axis=-1) <= 2
        assert near.sum() > 2000


@pytest.mark.parametrize("width", [1200, 700, 500])
def test_nothing_is_wider_than_its_place(chromium, path, folder, width):
    measured = folder / f"measured-{width}.html"
    text = path.read_text("utf-8").replace("default-src 'none';", "")
    measured.write_text(text + MEASURE, encoding="utf-8")
    visit = chromium.visit(measured, f"--window-size={width},2600", "--dump-dom")
    assert re.findall("<output>(.*?)</output>", visit.output.decode()) == ["[]"]
