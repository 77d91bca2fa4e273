"""The loss of a fit from the command line."""

import json

import osculate as osc
from osculate.cli._parser import LOSSES
from osculate.tasks import _settings
from smooth import QUICK_WORDS as QUICK, write_csv


def test_a_robust_fit_is_recorded_and_resumed(osculate, here):
    write_csv(here / "wing.csv")
    words = ("fit", "wing.csv", "--out", "run", "--json", *QUICK)
    said = osculate(*words, "--loss", "huber")
    assert said.code == 0, said.err
    rows = json.loads(said.out)["metrics"]
    assert max(rows[name]["rrmse"] for name in ("lift", "drag")) < 0.05
    found = osc.load(here / "run")
    assert found.settings.loss == "huber"
    assert "HuberLoss" in repr(found.result.objective)
    again = osculate(*words, "--resume", "--loss", "student")
    assert again.code == 2
    assert "was begun with loss = 'huber'" in again.err


def test_the_command_line_knows_every_name(osculate):
    assert tuple(_settings.LOSSES) == LOSSES
    assert "gaussian, laplace, cauchy" in osculate("fit", "--help").out
