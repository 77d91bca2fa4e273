"""A realistic page, and a headless Chromium to look at it."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osculate import report

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--v=0",
)


@dataclass(frozen=True)
class Visit:
    """What Chromium gave for one page."""

    output: bytes
    log: str
    requests: list[str]

    @property
    def console(self) -> list[str]:
        """Lines that the page itself caused: script errors, blocked content."""
        marks = ("CONSOLE", "Content Security Policy", "Refused to")
        return [line for line in self.log.splitlines() if any(m in line for m in marks)]

    @property
    def outside(self) -> list[str]:
        """Addresses asked for that are not part of the file itself."""
        inside = ("file:", "data:", "about:")
        return [url for url in self.requests if not url.startswith(inside)]


@dataclass(frozen=True)
class Chromium:
    """A headless Chromium; each visit has a fresh profile and no name service."""

    executable: str
    folder: Path

    def visit(self, page: Path, *flags: str) -> Visit:
        number = len(list(self.folder.iterdir()))
        profile = self.folder / f"profile-{number}"
        net_log = self.folder / f"net-{number}.json"
        profile.mkdir()
        done = subprocess.run(
            [
                self.executable,
                *FLAGS,
                "--host-resolver-rules=MAP * ~NOTFOUND",
                f"--user-data-dir={profile}",
                f"--log-net-log={net_log}",
                *flags,
                page.resolve().as_uri(),
            ],
            capture_output=True,
            timeout=180,
            check=False,
        )
        log = done.stderr.decode(errors="replace")
        if done.returncode:
            pytest.fail(f"Chromium ended with {done.returncode}:\n{log[-4000:]}")
        return Visit(done.stdout, log, _requests(net_log))


def _requests(net_log: Path) -> list[str]:
    """Returns every address that the page itself asked the network for."""
    text = net_log.read_text(errors="replace")
    try:
        found = json.loads(text)
    except json.JSONDecodeError:  # the browser may end before it closes the list
        found = json.loads(text.rstrip().rstrip(",") + "]}")
    start = found["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    jobs = [event["params"] for event in found["events"] if event["type"] == start]
    # The browser's own errands (clock, updates, accounts) have no origin; what a page
    # asks for has one, "null" for a file.
    return [
        job["url"]
        for job in jobs
        if "url" in job and job.get("initiator") != "not an origin"
    ]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Chromium:
    """A browser; without one, tests skip, but fail where CI is set."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        answer = pytest.fail if os.environ.get("CI") else pytest.skip
        answer(f"no Chromium on PATH; looked for {', '.join(names)}")
    return Chromium(str(found), tmp_path_factory.mktemp("chromium"))


def water(x: np.ndarray) -> dict[str, np.ndarray]:
    """Smooth stand-ins for the enthalpy and density of water, all partials by hand."""
    t, p = x[:, 0], x[:, 1]
    a, b = (t - 450) / 100, np.exp(-p / 30)
    wave = np.sin(2 * a)
    return {
        "h": 4.2 * (t - 273) + 60 * a**3 + p * (1 - 0.3 * a) + 80 * wave * b,
        "rho": 900 - 130 * a - 40 * a**2 + p * (0.5 + 0.3 * a) + 50 * wave * b,
        "h_T": 4.2 + 1.8 * a**2 - 0.003 * p + 1.6 * np.cos(2 * a) * b,
        "h_p": 1 - 0.3 * a - 80 / 30 * wave * b,
        "rho_T": -1.3 - 0.8 * a + 0.003 * p + 1.0 * np.cos(2 * a) * b,
        "rho_p": 0.5 + 0.3 * a - wave * b / 0.6,
        "h_TT": 0.036 * a - 0.032 * wave * b,
        "h_Tp": -0.003 - 1.6 / 30 * np.cos(2 * a) * b,
        "h_pp": 80 / 900 * wave * b,
        "rho_TT": -0.008 - 0.02 * wave * b,
        "rho_Tp": 0.003 - 1.0 / 30 * np.cos(2 * a) * b,
        "rho_pp": wave * b / 18,
    }


def disturbed(
    x: np.ndarray, truth: dict[str, np.ndarray], size: float, growth: float
) -> dict[str, np.ndarray]:
    """Truth plus a smooth error, larger for derivatives and near the edge."""
    rng = np.random.default_rng(7)
    found = {}
    for name, values in truth.items():
        order = len(name.partition("_")[2])
        a, b = 4 * rng.random(2) + 2
        wave = np.sin(a * x[:, 0] / 60 + b) * np.cos(b * x[:, 1] / 12)
        edge = 0.2 + ((x[:, 0] - 450) / 175) ** 4
        error = size * growth**order * np.std(values) * wave * edge
        found[name] = values + error * (1 + 0.3 * rng.standard_normal(len(x)))
    return found


@pytest.fixture
def water_page() -> Callable[..., report.Page]:
    """Returns a function that builds the page; keyword arguments replace fields."""
    return make_page


def make_page(*, rows: int = 2000, **fields: Any) -> report.Page:
    rng = np.random.default_rng(0)
    low, high = np.array([275.0, 0.1]), np.array([625.0, 50.0])
    x = low + (high - low) * rng.random((rows, 2))
    truth = water(x)
    evaluation = report.Evaluation(
        kind="held-out rows",
        inputs=("T", "p"),
        outputs=("h", "rho"),
        units={"T": "K", "p": "MPa", "h": "kJ/kg", "rho": "kg/m^3"},
        x=x,
        truth=truth,
        prediction=disturbed(x, truth, 4e-4, 5.0),
        values_only=disturbed(x, truth, 2e-3, 12.0),
    )
    training_x = low + (high - low) * rng.random((400, 2))
    found: dict[str, Any] = {
        "title": "Water: enthalpy and density",
        "verdict": (
            "Very good: values within 0.05 % and slopes within 0.3 % of their spread, "
            "on rows the fit has never seen."
        ),
        "evaluation": evaluation,
        "history": make_history(rng),
        "slices": make_slices(),
        "facts": {
            "Configuration": {"width": "64", "depth": "3", "budget": "60s"},
            "Data": {"digest": "sha256:" + "0f" * 32, "rows": "2,400"},
            "Versions": {"osculate": "0.1.0", "jax": "0.10.0"},
            "Timing": {"fit": "41.2 s", "report": "1.1 s"},
        },
        "warnings": ["Column drho/dT is missing in 12 of 2,400 rows."],
        "training_x": training_x,
    }
    return report.Page(**(found | fields))


def make_history(rng: np.random.Generator) -> dict[str, np.ndarray]:
    step = np.concatenate([np.arange(0, 3000, 10), np.arange(0, 800, 4)])
    fall = np.concatenate([np.geomspace(1, 1e-4, 300), np.geomspace(1e-4, 1e-8, 200)])
    noise = np.exp(0.15 * rng.standard_normal((3, 500)))
    validation = np.where(np.arange(500) % 10 == 0, 3 * fall, np.nan)
    return {
        "step": step,
        "loss": fall * noise[0],
        "fit.value": 0.3 * fall * noise[1],
        "fit.jacobian": 0.6 * fall * noise[2],
        "validation": validation,
    }


def make_slices() -> list[report.Slice]:
    found = []
    for output in ("h", "rho"):
        for column, name in enumerate(("T", "p")):
            grid = np.linspace(*((275, 625) if name == "T" else (0.1, 50)), 80)
            near = grid[6::14] + 0.3
            x, points = np.full((80, 2), (450.0, 12.5)), np.full((6, 2), (450.0, 12.5))
            x[:, column], points[:, column] = grid, near
            values, known = water(x), water(points)
            slope = known[f"{output}_{name}"].copy()
            slope[2] = np.nan
            held = {"p": 12.5} if name == "T" else {"T": 450.0}
            found.append(
                report.Slice(
                    input=name,
                    output=output,
                    at=held,
                    grid=grid,
                    value=values[output],
                    slope=values[f"{output}_{name}"],
                    points_x=near,
                    points_y=known[output],
                    points_slope=slope,
                )
            )
    return found
