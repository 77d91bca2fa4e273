"""The family of a fit from the command line."""

import osculate as osc
from smooth import write_csv


def test_a_process_can_be_asked_for(osculate, here):
    write_csv(here / "wing.csv", rows=12)
    said = osculate("fit", "wing.csv", "--model", "process", "--out", "run")
    assert said.code == 0, said.err
    assert osc.load(here / "run").settings.model == "process"
    assert "Gaussian process" in (here / "run" / "report.html").read_text("utf-8")
    assert osculate("predict", "run", "wing.csv", "--out", "p.csv").code == 0


def test_an_unknown_family_is_named(osculate, here):
    write_csv(here / "wing.csv", rows=12)
    said = osculate("fit", "wing.csv", "--model", "proces")
    assert said.code == 2
    assert "Did you mean 'process'?" in said.err
