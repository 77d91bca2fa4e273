import io
import re

import numpy as np
import pytest
from matplotlib.image import imread

from osculate import report

pytestmark = pytest.mark.slow
# Writes down every element whose content is wider than the element.
MEASURE = """<script>
const wide = [document.documentElement, ...document.querySelectorAll("main, main *")]
  .filter(e => !e.closest("svg") && e.clientWidth > 0)
  .filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => e.tagName + "." + e.className);
document.body.append(Object.assign(document.createElement("output"),
  {textContent: JSON.stringify(wide)}));
</script>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture
def path(folder, water_page):
    found = folder / "report.html"
    if not found.exists():
        found.write_text(report.html(water_page()), encoding="utf-8")
    return found


def test_it_renders_quietly_and_alone(chromium, path):
    visit = chromium.visit(path, "--dump-dom")
    dom = visit.output.decode()
    assert '<th scope="row"><span class="n">rho_Tp</span></th>' in dom
    assert dom.count("<svg viewBox") == 23
    assert visit.console == []
    assert visit.outside == []


def test_the_browser_would_have_complained(chromium, folder):
    """What the test above relies on: a blocked image is logged and is a request."""
    bad = folder / "bad.html"
    policy = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
    bad.write_text(policy + "<img src='http://example.invalid/a.png'>")
    assert chromium.visit(bad, "--dump-dom").console
    bad.write_text("<img src='http://example.invalid/a.png'>")
    outside = chromium.visit(bad, "--dump-dom").outside
    assert outside == ["http://example.invalid/a.png"]


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (500, False)])
def test_it_looks_like_something(chromium, path, folder, width, dark):
    shot = folder / f"{width}-{dark}.png"
    scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    chromium.visit(path, f"--window-size={width},2600", f"--screenshot={shot}", *scheme)
    pixels = imread(io.BytesIO(shot.read_bytes()))[..., :3]
    page = np.median(pixels, axis=(0, 1))
    assert (page.mean() < 0.2) == dark
    # Words, lines and points cover some of the page, and every band of it.
    marked = np.abs(pixels - page).max(axis=-1) > 0.25
    assert 0.01 < marked.mean() < 0.5
    assert all(band.mean() > 0.002 for band in np.array_split(marked, 8))


@pytest.mark.parametrize("width", [1200, 500])
def test_nothing_is_wider_than_its_place(chromium, path, folder, width):
    """Asks the layout by a script, which the report itself would not let run."""
    measured = folder / f"measured-{width}.html"
    text = path.read_text("utf-8").replace("default-src 'none';", "")
    measured.write_text(text + MEASURE, encoding="utf-8")
    visit = chromium.visit(measured, f"--window-size={width},2600", "--dump-dom")
    assert re.findall("<output>(.*?)</output>", visit.output.decode()) == ["[]"]
