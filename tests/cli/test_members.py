"""Members of an ensemble from the command line and from a file of options."""

import pytest

import osculate as osc
from smooth import write_csv


@pytest.mark.parametrize("where", ["typed", "file"])
def test_a_number_of_members_reaches_the_task(osculate, here, monkeypatch, where):
    asked = []

    def surrogate(*_, **choices):
        asked.append(choices)
        raise KeyboardInterrupt

    monkeypatch.setattr("osculate.tasks.surrogate", surrogate)
    write_csv(here / "wing.csv")
    (here / "wing.toml").write_text("members = 3\n")
    words = {"typed": ("--members", "3"), "file": ("--config", "wing.toml")}
    assert osculate("fit", "wing.csv", *words[where]).code == 130
    assert asked[0]["members"] == 3


def test_a_wrong_number_of_members_is_named(osculate, here):
    write_csv(here / "wing.csv")
    said = osculate("fit", "wing.csv", "--members", "0")
    assert said.code == 2
    assert "members is 0" in said.err
    assert osc.tasks.Settings().members == 1
