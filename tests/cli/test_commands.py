"""Each command does its job, prints results on stdout and nothing else there."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import osculate as osc
from osculate import data
from smooth import QUICK_WORDS as QUICK, truth, write_csv


def columns_of(text):
    header, *rows = csv.reader(io.StringIO(text))
    return header, np.array(rows, float)


def test_help_lists_every_command(osculate):
    said = osculate("--help")
    assert said.code == 0
    for command in ("demo", "fit", "predict", "report", "doctor"):
        assert re.search(rf"^    {command} ", said.out, re.MULTILINE)
    assert osculate().code == 2


def test_version(osculate):
    assert osculate("--version").out == f"osculate {osc.__version__}\n"


def test_help_and_import_load_nothing_heavy():
    code = (
        "import sys, osculate\n"
        "from osculate.cli import main\n"
        "try: main(['fit', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'jax', 'numpy', 'equinox', 'matplotlib', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_fit_prints_a_table_and_says_where_the_report_is(osculate, here):
    write_csv(here / "wing.csv")
    said = osculate("fit", "wing.csv", "--compare", *QUICK)
    assert said.code == 0
    for word in ("lift", "drag_b", "RRMSE", "values only", "runs/wing-1/report.html"):
        assert word in said.out
    assert said.err == ""
    assert (here / "runs/wing-1/report.html").is_file()
    assert osculate("fit", "wing.csv", "--quiet", *QUICK) == (0, "", "")
    assert (here / "runs/wing-2/model.npz").is_file()


def test_fit_json_is_one_object(osculate, here):
    write_csv(here / "wing.csv")
    said = osculate("fit", "wing.csv", "--out", "r", "--json", "--seed", "4", *QUICK)
    found = json.loads(said.out)
    assert {
        "run",
        "seconds",
        "seed",
        "rows",
        "metrics",
        "values_only",
        "optimizer",
    } <= set(found)
    assert (found["run"], found["seed"], found["rows"]) == ("r", 4, 40)
    assert list(found["metrics"]["lift_a"]) == ["rrmse", "r2", "max"]
    assert found["values_only"] is None
    assert found["report"] == "r/report.html"


def test_roles_from_options_and_from_a_file_agree(osculate, here):
    write_csv(here / "wing.csv")
    (here / "fit.toml").write_text(
        'outputs = ["lift"]\nwidth = 8\ndepth = 2\nbudget = "600steps"\nseed = 9\n'
    )
    words = ("fit", "wing.csv", "--json", "--config", "fit.toml")
    by_file = json.loads(osculate(*words).out)
    by_words = json.loads(
        osculate(
            "fit", "wing.csv", "--json", "--outputs", "lift", "--seed", "9", *QUICK
        ).out
    )
    assert list(by_file["metrics"]) == ["lift", "lift_a", "lift_b"]
    assert by_file["metrics"] == by_words["metrics"]
    over = json.loads(osculate(*words, "--seed", "1").out)
    assert over["seed"] == 1


def test_predict_keeps_rows_names_and_order(osculate, fitted, here):
    x = np.random.default_rng(7).uniform(-0.9, 0.9, (30, 2))
    rows = "\n".join(f"{b!r},text,{a!r}" for a, b in x.tolist())
    (here / "ask.csv").write_text(f"b,lift,a\n{rows}\n")
    said = osculate("predict", fitted / "run", "ask.csv", "--derivatives", "2")
    assert (said.code, said.err) == (0, "")
    header, numbers = columns_of(said.out)
    assert header[:4] == ["a [m]", "b [s]", "lift [N]", "drag [N]"]
    assert header[4:8] == ["dlift/da", "dlift/db", "ddrag/da", "ddrag/db"]
    assert header[8:11] == ["d2lift/da2", "d2lift/dadb", "d2lift/db2"]
    surrogate = osc.load(fitted / "run")
    assert np.array_equal(numbers[:, :2], x)
    assert np.array_equal(numbers[:, 2:4], surrogate.predict(x))
    assert np.array_equal(numbers[:, 4:8], surrogate.gradient(x).reshape(-1, 4))
    assert np.abs(numbers[:, 2:4] - truth(x)[0]).max() < 0.02


def test_a_prediction_is_a_table_that_can_be_fitted(osculate, fitted, here):
    write_csv(here / "ask.csv", seed=3)
    words = (
        "predict",
        fitted / "run",
        "ask.csv",
        "--derivatives",
        "1",
        "--out",
        "p.csv",
    )
    assert osculate(*words) == (0, "", "")
    table = data.read(here / "p.csv")
    assert (table.inputs, table.outputs) == (("a", "b"), ("lift", "drag"))
    assert table.units["lift"] == "N"
    assert table.known["jacobian"].all()


def test_predict_warns_far_outside_the_data(osculate, fitted, here):
    (here / "far.csv").write_text("a,b\n0,0\n9,0\n")
    said = osculate("predict", fitted / "run", "far.csv")
    assert said.code == 0
    assert said.err.startswith("warning: 1 of 2 points lie far outside the data")


def test_report_is_written_again(osculate, fitted, here):
    said = osculate("report", fitted / "run", "--out", "again.html")
    assert (said.code, said.out) == (0, "again.html\n")
    page = (fitted / "run" / "report.html").read_bytes()
    assert (here / "again.html").read_bytes() == page
    assert osculate("report", fitted / "run").code == 0
    assert osc.load(fitted / "run")


def test_doctor_names_versions_devices_and_folders(osculate):
    found = json.loads(osculate("doctor", "--json").out)
    assert found["osculate"] == osc.__version__
    assert found["float64"] == "works inside tasks"
    assert "writable" in found["this folder"]
    assert "cpu" in found["devices"].lower()
    assert "jaxlib" in osculate("doctor").out


@pytest.mark.slow
def test_demo_does_the_main_job(osculate, here):
    said = osculate("demo", "--out", "water", "--budget", "400steps")
    assert (said.code, said.err) == (0, "")
    for word in ("rho_pp", "kJ/kg", "better", "water/report.html", "2000 rows"):
        assert word in said.out
    surrogate = osc.load(here / "water")
    gain = [
        surrogate.values_only[n]["rrmse"] / surrogate.metrics[n]["rrmse"]
        for n in ("h_T", "h_p", "rho_T", "rho_p")
    ]
    assert min(gain) > 1.0, "derivatives bought nothing"


def test_resume_continues_what_an_interruption_saved(osculate, here):
    write_csv(here / "wing.csv")
    words = ("fit", "wing.csv", "--out", "run", "--width", "8", "--json")
    job = subprocess.Popen(
        [sys.executable, "-m", "osculate", *words, "--budget", "20000steps"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    log = here / "run" / "log.jsonl"
    while job.poll() is None and not (log.exists() and log.stat().st_size > 0):
        time.sleep(0.02)
    time.sleep(0.5)
    job.send_signal(signal.SIGINT)
    said = job.communicate(timeout=60)[1]
    assert job.returncode == 130
    last = said.strip().splitlines()[-1]
    assert last == "osculate fit: interrupted. Continue with --out run --resume."
    refused = osculate(*words, "--budget", "9steps", "--resume")
    assert refused.code == 2
    assert "begun with budget = '20000steps'" in refused.err
    again = osculate("predict", "run", "wing.csv")
    assert again.code == 2
    assert "has not ended" in again.err


def test_a_full_disk_is_a_failure_not_bad_input(osculate, here, monkeypatch):
    write_csv(here / "wing.csv")

    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("osculate.store._arrays.pack", full)
    monkeypatch.setattr("osculate.store.pack", full)
    said = osculate("fit", "wing.csv", "--out", "run", *QUICK)
    assert said.code == 1
    assert "No space left on device" in said.err
    assert (
        said.err.strip().splitlines()[-1].startswith("What was saved before is intact")
    )


def test_an_unexpected_fault_is_1_and_shows_where(osculate, here, monkeypatch):
    write_csv(here / "wing.csv")

    def broken(*_, **__):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("osculate.tasks.surrogate", broken)
    said = osculate("fit", "wing.csv")
    assert said.code == 1
    assert "Traceback" in said.err
    assert "please report it" in said.err.strip().splitlines()[-1]
