"""Each command does its job, prints results on stdout and nothing else there."""

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import osculate as osc
from osculate import data, nets
from osculate.cli import main
from osculate.cli._config import KEYS, read_config
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


def test_help_lists_the_activations(osculate):
    words = re.sub(r"\s+", " ", osculate("fit", "--help").out)
    assert f" {', '.join(nets.ACTIVATIONS)} (tanh)" in words


def test_output_is_utf_8_and_may_be_closed(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit):
        main(["--version"])
    assert stream.encoding == "utf-8"
    sys.stderr.close()


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


PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"


def test_the_page_tells_every_key_of_the_json_and_of_a_file(osculate, fitted, here):
    words = ("--out", fitted / "run", "--resume", "--json")
    found = json.loads(osculate("fit", fitted / "wing.csv", *words).out)
    text = PAGE.read_text("utf-8")
    told = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert told == list(found)
    stats = next(line for line in text.splitlines() if line.startswith("| `stats`"))
    assert set(found["stats"]) <= set(re.findall(r"`(\w+)`", stats))
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (here / "all.toml").write_text(toml)
    assert list(read_config(str(here / "all.toml"))) == list(KEYS)


def test_roles_from_options_and_from_a_file_agree(osculate, here):
    write_csv(here / "wing.csv")
    (here / "fit.toml").write_text(
        'outputs = ["lift"]\nwidth = 8\ndepth = 2\nbudget = "600steps"\nseed = 9\n'
        'model = "network"\nregularization = "none"\n'
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
    value, slope, *_ = surrogate.jet(x, 2)
    assert np.array_equal(numbers[:, 2:4], value)
    assert np.array_equal(numbers[:, 4:8], slope.reshape(-1, 4))
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


@pytest.mark.parametrize("fault", ["open to others", "cannot be made"])
def test_a_cache_that_cannot_be_used_is_said(
    osculate, fitted, here, monkeypatch, fault
):
    cache = here / "cache"
    if fault == "open to others":
        cache.mkdir()
        cache.chmod(0o755)
    else:
        cache.write_text("")
    monkeypatch.setenv("OSCULATE_CACHE", str(cache))
    said = osculate("predict", fitted / "run", fitted / "wing.csv")
    assert said.code == 0
    assert f"{cache} {'is ' * (fault[0] == 'o')}{fault}" in said.err
    assert said.err.splitlines()[-1].startswith("Mend it, or set OSCULATE_CACHE")


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
    solution = osc.load(here / "water-equation-1")
    assert solution.relative_l2() < 1e-4
    assert "Solution of heat" in (here / "water" / "report.html").read_text()


def started(*words, log, said):
    """A command in a process of its own that has begun to fit.

    What it says goes to a file: a full pipe would stop it.
    """
    job = subprocess.Popen(
        [sys.executable, "-m", "osculate", *words],
        stderr=said,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )
    before = log.stat().st_size if log.exists() else 0
    while job.poll() is None and not (log.exists() and log.stat().st_size > before):
        time.sleep(0.02)
    return job


def test_resume_continues_what_an_interruption_saved(osculate, here):
    write_csv(here / "wing.csv")
    words = (*QUICK, "--budget", "4000steps", "--quiet")
    log = here / "runs" / "wing-1" / "log.jsonl"
    with (here / "said.txt").open("w+") as file:
        job = started("fit", "wing.csv", *words, log=log, said=file)
        job.send_signal(signal.SIGINT)
        assert job.wait(timeout=60) == 130
    said = (here / "said.txt").read_text()
    *_, reason, command = said.strip().splitlines()
    assert reason == "osculate fit: interrupted. Continue with:"
    assert shlex.split(command) == [
        *(sys.executable, "-m", "osculate", "fit", "wing.csv", *words),
        *("--out", "runs/wing-1", "--resume"),
    ]
    resume = ("fit", "wing.csv", "--out", "runs/wing-1", "--resume", "--json")
    refused = osculate(*resume, "--budget", "9steps")
    assert refused.code == 2
    assert "begun with budget = '4000steps'" in refused.err
    again = osculate("predict", "runs/wing-1", "wing.csv")
    assert again.code == 2
    assert "has not ended" in again.err
    assert again.err.endswith(
        f"osculate fit wing.csv --out {here}/runs/wing-1 --resume\n"
    )
    assert osculate(*shlex.split(command)[3:]) == (0, "", "")
    found = osc.load(here / "runs" / "wing-1").settings
    assert (found.width, found.budget) == (8, "4000steps")
    assert json.loads(osculate(*resume).out)["run"] == "runs/wing-1"


@pytest.mark.slow
def test_kill_9_and_resume_gives_the_same_bits(osculate, here):
    write_csv(here / "wing.csv", rows=200)
    words = ("fit", "wing.csv", "--budget", "1500steps", "--width", "32", "--quiet")
    words += ("--model", "network")
    assert osculate(*words, "--out", "whole").code == 0
    log = here / "torn" / "log.jsonl"
    for resume in ([], ["--resume"]):
        job = started(
            *words, "--out", "torn", *resume, log=log, said=subprocess.DEVNULL
        )
        refused = osculate(*words, "--out", "torn", "--resume")
        assert refused.code == 2
        assert "torn: is in use by another process" in refused.err
        time.sleep(1.2)
        job.kill()
        assert job.wait() == -signal.SIGKILL, "it ended before it was killed"
        said = osculate("predict", "torn", "wing.csv")
        assert (said.code, said.out) == (2, "")
        assert "has not ended" in said.err
    assert osculate(*words, "--out", "torn", "--resume") == (0, "", "")
    for name in ("model.npz", "history.npz"):
        assert (here / "torn" / name).read_bytes() == (
            here / "whole" / name
        ).read_bytes()
    assert osculate("predict", "torn", "wing.csv") == osculate(
        "predict", "whole", "wing.csv"
    )


def test_omitted_options_are_those_the_run_was_begun_with(osculate, here, monkeypatch):
    write_csv(here / "wing.csv")
    real, asked = osc.tasks.surrogate, []
    monkeypatch.setattr("osculate.tasks.surrogate", lambda *_, **choices: stop(choices))

    def stop(choices):
        asked.append(choices)
        raise KeyboardInterrupt

    seen = {"activation": "sin", "seed": 5, "outputs": ["lift"], "depth": 2}
    with pytest.raises(KeyboardInterrupt):
        real(here / "wing.csv", out=here / "run", watch=lambda *_: stop({}), **seen)
    words = ("fit", "wing.csv", "--out", "run", "--resume")
    assert osculate(*words, "--depth", "4").code == 130
    assert asked[-1].items() >= {**seen, "depth": 4}.items()


def test_two_that_look_for_a_folder_at_once_do_not_share_it(
    osculate, here, monkeypatch
):
    write_csv(here / "wing.csv")
    assert osculate("fit", "wing.csv", "--quiet", *QUICK).code == 0
    real, looks = osc.tasks.next_free, []

    def late(parent, stem):
        looks.append(stem)
        return parent / "wing-1" if len(looks) == 1 else real(parent, stem)

    monkeypatch.setattr("osculate.tasks.next_free", late)
    assert json.loads(osculate("fit", "wing.csv", "--json", *QUICK).out)["run"] == (
        "runs/wing-2"
    )


INTERRUPTED = """
import signal, sys
from osculate.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
print("began", flush=True)
sys.exit(main(["fit", "wing.csv", "--budget", "50000steps"]))
"""


@pytest.mark.parametrize("delay", [0.02, 0.1, 0.3, 0.6, 1.0, 1.5, 2.0])
def test_an_early_ctrl_c_is_one_line(here, delay):
    write_csv(here / "wing.csv")
    job = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    job.stdout.readline()
    time.sleep(delay)
    job.send_signal(signal.SIGINT)
    said = job.communicate(timeout=60)[1]
    assert job.returncode == 130, said
    assert "Traceback" not in said
    lines = said.splitlines()
    assert lines == ["osculate: interrupted."] or lines[0].startswith("stopping;")


def test_an_interrupted_prediction_has_nothing_to_resume(osculate, fitted, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("osculate.tasks.load_surrogate", stop)
    said = osculate("predict", fitted / "run", fitted / "wing.csv", "--out", "p.csv")
    assert said == (130, "", "osculate predict: interrupted.\n")


def test_what_other_packages_deprecate_is_not_shown(osculate, monkeypatch):
    class Old(UserWarning, DeprecationWarning):
        pass

    found = lambda: warnings.warn("old", Old, stacklevel=1) or {"jax": "0"}
    monkeypatch.setattr("osculate.cli._commands.findings", found)
    assert osculate("doctor") == (0, "jax  0\n", "")


def full(*_):
    raise OSError(28, "No space left on device", "some/file")


def test_a_full_disk_is_a_failure_not_bad_input(osculate, here, monkeypatch):
    write_csv(here / "wing.csv")
    words = ("fit", "wing.csv", "--out", "my run", *QUICK)
    with monkeypatch.context() as patch:
        patch.setattr("osculate.store.pack", full)
        said = osculate(*words)
    assert said.code == 1
    reason, promise, command = said.err.splitlines()
    assert reason == "osculate fit: some/file: No space left on device."
    assert promise.startswith("What was saved before is intact.")
    # How the program is called differs: by its name, or as `python -m osculate`.
    again = shlex.split(command)
    assert again[again.index("fit") :] == [*words, "--resume"]
    assert osculate(*again[again.index("fit") :]).code == 0


@pytest.mark.parametrize("command", ["predict", "report"])
def test_a_full_disk_where_nothing_can_be_resumed(
    osculate, fitted, here, monkeypatch, command
):
    monkeypatch.setattr("osculate.store.write", full)
    words = {"predict": [fitted / "wing.csv", "--out", "p.csv"]}.get(
        command, ["--out", "p.html"]
    )
    said = osculate(command, fitted / "run", *words)
    assert (said.code, said.out) == (1, "")
    assert said.err.endswith(
        ": No space left on device.\nMend the cause, then run the command again.\n"
    )
    assert "--resume" not in said.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
@pytest.mark.parametrize("target", ["/dev/full", "closed pipe"])
def test_a_standard_output_that_takes_nothing(here, target):
    words = [sys.executable, "-m", "osculate", "doctor", "--json"]
    if target == "closed pipe":
        job = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        job.stdout.close()
        assert (job.stderr.read(), job.wait()) == (b"", 0)
        job.stderr.close()
        return
    with open(target, "w") as file:
        done = subprocess.run(words, stdout=file, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "osculate doctor: No space left on device.\n"
        "Mend the cause, then run the command again.\n"
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
