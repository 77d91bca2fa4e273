"""`osculate distill`: a smaller network of a saved run, or of a table."""

import json

import numpy as np
import pytest

import osculate as osc

SIZE = ("--width", "8", "--depth", "2", "--budget", "600steps")


def test_a_student_of_a_run_is_a_run(osculate, fitted, here):
    said = osculate("distill", fitted / "run", "--json", *SIZE)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["run"] == "runs/run-student-1"
    teacher, student = osc.load(fitted / "run"), osc.load(found["run"])
    assert (student.inputs, student.outputs) == (teacher.inputs, teacher.outputs)
    assert student.recipe["data"]["units"] == teacher.recipe["data"]["units"]
    assert found["rows"] == len(teacher.page.training_x)
    x = teacher.page.training_x
    off = student.predict(x) - teacher.predict(x)
    assert (np.std(off, 0) < 0.2 * np.std(teacher.predict(x), 0)).all()
    assert osculate("predict", found["run"], fitted / "wing.csv").code == 0


def test_it_is_half_as_wide_unless_said(osculate, fitted, here):
    table, choices = osc.tasks.lesson(fitted / "run")
    widths = [len(b) for b in osc.load(fitted / "run").result.value.net.net.biases]
    assert choices == {"width": max(4, widths[0] // 2), "depth": len(widths) - 1}
    assert "jacobian" in table.y


def test_at_other_points(osculate, fitted, here):
    table, _ = osc.tasks.lesson(fitted / "run", fitted / "wing.csv")
    whole, _ = osc.tasks.lesson(fitted / "run")
    assert len(table) >= len(whole)
    run = osc.load(fitted / "run")
    np.testing.assert_array_equal(table.y["value"], run.predict(table.x))
    np.testing.assert_array_equal(table.y["jacobian"], run.gradient(table.x))


def test_a_table_teaches_too_and_slopes_have_a_factor(osculate, fitted, here):
    words = ("distill", fitted / "wing.csv", "--json", "--out")
    runs = {}
    for factor in ("0", "10"):
        said = osculate(*words, factor, "--jacobian", factor, *SIZE)
        assert said.code == 0, said.err
        runs[factor] = osc.load(factor)
    assert runs["0"].settings.jacobian == 0
    names = [n for n in runs["0"].metrics if "_" in n and n not in runs["0"].outputs]
    error = lambda run: np.mean([runs[run].metrics[n]["rrmse"] for n in names])
    assert error("10") < error("0")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing"], "missing"),
        (["run", "--jacobian", "-1"], "a factor of 0 or more"),
        (["wing.csv", "--points", "wing.csv"], "has points of its own"),
    ],
)
def test_what_cannot_be_distilled(osculate, fitted, here, words, message):
    words = [fitted / w if (fitted / w).exists() else w for w in words]
    said = osculate("distill", *words)
    assert said.code == 2
    assert message in said.err
    assert said.out == ""
