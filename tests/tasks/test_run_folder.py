"""A run is never lost and never half-written."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import osculate
from osculate import store, tasks
from osculate.core import InputError
from smooth import QUICK

JOB = """
import sys
import numpy as np
from osculate import data, tasks

x = np.random.default_rng(0).uniform(-1, 1, (40, 2))
a, b = x.T
J = np.stack([np.cos(a) * b, np.sin(a)], 1)
table = data.table(x, np.sin(a) * b, jacobian=J)
tasks.surrogate(
    table, out=sys.argv[1], resume=True, width=8, depth=2, budget="6000steps", seed=3
)
"""


def run_job(folder, *, kill_after=None):
    """Runs the job in a fresh process; kills it -9 so long after its first chunk."""
    job = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", JOB, str(folder)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if kill_after is None:
        assert job.wait() == 0
        return
    log = folder / "log.jsonl"
    before = log.stat().st_size if log.exists() else 0
    while job.poll() is None and not (log.exists() and log.stat().st_size > before):
        time.sleep(0.01)
    time.sleep(kill_after)
    job.send_signal(signal.SIGKILL)
    job.wait()


@pytest.mark.slow
def test_kill_9_at_any_moment_and_resume_gives_the_same_bits(tmp_path):
    run_job(tmp_path / "whole")
    torn = tmp_path / "torn"
    for kill_after in (0.0, 0.05, 0.4, 1.1, 1.7):
        run_job(torn, kill_after=kill_after)
    run_job(torn)
    for name in ("model.npz", "history.npz"):
        assert (torn / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    lines = [json.loads(line) for line in (torn / "log.jsonl").read_text().splitlines()]
    keys = [(line["leg"], line["step"]) for line in lines]
    assert len(keys) == len(set(keys)), "what was done again was logged twice"


def interrupt_at(leg, step):
    def watch(name, progress):
        if name == leg and progress.step >= step:
            raise KeyboardInterrupt

    return watch


@pytest.mark.parametrize(
    ("leg", "step"),
    [
        ("derivatives/search/adam", 0),
        ("derivatives/search/adam", 50),
        ("derivatives/search/lbfgs", 100),
        ("derivatives/all rows/lbfgs", 0),
        ("values only/search/lbfgs", 200),
    ],
)
def test_an_interrupted_run_continues_from_its_last_chunk(
    tmp_path, table, quick, leg, step
):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        tasks.surrogate(
            table, out=out, compare=True, watch=interrupt_at(leg, step), **QUICK
        )
    with pytest.raises(InputError, match="has not ended"):
        osculate.load(out)
    seen = []
    watch = lambda name, progress: seen.append((name, progress.step))
    found = tasks.surrogate(
        table, out=out, compare=True, resume=True, watch=watch, **QUICK
    )
    assert (leg, step) not in seen
    assert seen[0][0] == leg
    x = np.array([[0.3, -0.4]])
    assert np.array_equal(found.predict(x), quick.predict(x))
    for name, column in quick.histories.items():
        assert np.array_equal(found.histories[name], column, equal_nan=True)
    assert found.metrics == quick.metrics


def test_a_damaged_checkpoint_gives_way_to_an_older_one(tmp_path, table, quick):
    out = tmp_path / "run"
    watch = interrupt_at("derivatives/all rows/lbfgs", 0)
    with pytest.raises(KeyboardInterrupt):
        tasks.surrogate(table, out=out, compare=True, watch=watch, **QUICK)
    newest = sorted((out / "state").iterdir())[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(bytes(content))
    found = tasks.surrogate(table, out=out, compare=True, resume=True, **QUICK)
    assert found.metrics == quick.metrics


def test_only_the_last_checkpoints_are_kept(tmp_path, table):
    tasks.surrogate(table, out=tmp_path / "run", compare=True, **QUICK)
    states = sorted(p.name for p in (tmp_path / "run" / "state").iterdir())
    assert len(states) <= 3
    listed = set(store.verify(tmp_path / "run"))
    assert {f"state/{name}" for name in states} <= listed
    assert {
        "run.json",
        "model.npz",
        "history.npz",
        "log.jsonl",
        "metrics.json",
    } <= listed


def test_resuming_a_finished_run_loads_it(tmp_path, table):
    first = tasks.surrogate(table, out=tmp_path / "run", **QUICK)
    never = lambda name, progress: pytest.fail("nothing is left to do")
    again = tasks.surrogate(
        table, out=tmp_path / "run", resume=True, watch=never, **QUICK
    )
    assert again.metrics == first.metrics


@pytest.mark.parametrize(
    ("change", "message"),
    [({"seed": 5}, "begun with seed = 0; this call says 5"), ({"width": 9}, "width")],
)
def test_resuming_with_other_choices_is_refused(tmp_path, table, change, message):
    tasks.surrogate(table, out=tmp_path / "run", **QUICK)
    with pytest.raises(InputError, match=message):
        tasks.surrogate(table, out=tmp_path / "run", resume=True, **{**QUICK, **change})


def test_resuming_with_another_table_is_refused(tmp_path, table):
    tasks.surrogate(table, out=tmp_path / "run", **QUICK)
    with pytest.raises(InputError, match="begun with another table"):
        tasks.surrogate(
            table.rows(slice(0, 30)), out=tmp_path / "run", resume=True, **QUICK
        )


def test_an_existing_folder_is_not_overwritten(tmp_path, table, quick):
    out = tmp_path / "run"
    quick.save(out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    with pytest.raises(InputError, match=r"already exists.*\n.*--resume.*--force"):
        tasks.surrogate(table, out=out, **QUICK)
    assert before == {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match="is not a run, so that --force does not"):
        tasks.surrogate(table, out=tmp_path / "mine", force=True, **QUICK)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years"


def test_force_keeps_the_old_run_until_the_new_one_has_ended(tmp_path, table, quick):
    out = tmp_path / "run"
    quick.save(out)
    watch = interrupt_at("derivatives/search/lbfgs", 0)
    with pytest.raises(KeyboardInterrupt):
        tasks.surrogate(table, out=out, force=True, watch=watch, **QUICK)
    assert osculate.load(tmp_path / ".run.replaced").metrics == quick.metrics
    tasks.surrogate(table, out=out, force=True, seed=1, **QUICK)
    assert osculate.load(out).settings.seed == 1
    assert not (tmp_path / ".run.replaced").exists()


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, table, quick, monkeypatch):
    out, writes = tmp_path / "run", []
    real = store.write

    def failing(path, content):
        writes.append(path)
        if len(writes) > 7:
            raise OSError(28, "No space left on device", str(path))
        real(path, content)

    monkeypatch.setattr(store, "write", failing)
    monkeypatch.setattr("osculate.store._manifest.write", failing)
    monkeypatch.setattr("osculate.tasks._journal.SECONDS_BETWEEN_SAVES", 0.0)
    with pytest.raises(OSError, match="No space left"):
        tasks.surrogate(table, out=out, compare=True, **QUICK)
    monkeypatch.undo()
    assert list((out / "state").glob("*.npz")), (
        "nothing was saved before the disk was full"
    )
    found = tasks.surrogate(table, out=out, compare=True, resume=True, **QUICK)
    assert found.metrics == quick.metrics


def test_any_flipped_byte_is_detected(tmp_path, quick):
    out = quick.save(tmp_path / "run")
    rng = np.random.default_rng(0)
    for path in [p for p in out.rglob("*") if p.is_file() and p.stat().st_size]:
        content = path.read_bytes()
        for position in rng.integers(0, len(content), 25):
            flipped = bytearray(content)
            flipped[position] ^= 1 << rng.integers(0, 8)
            path.write_bytes(bytes(flipped))
            with pytest.raises((store.CorruptFileError, store.NewerFormatError)):
                osculate.load(out)
        path.write_bytes(content)
    assert osculate.load(out).metrics == quick.metrics


def test_a_newer_format_is_refused(tmp_path, quick):
    out = quick.save(tmp_path / "run")
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["format"] = 99
    (out / "manifest.json").write_bytes(store.render(manifest))
    with pytest.raises(store.NewerFormatError, match="99"):
        osculate.load(out)


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        osculate.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a run; a run is a folder"):
        osculate.load(tmp_path)


def test_a_copied_run_is_as_good(tmp_path, quick):
    shutil.copytree(quick.save(tmp_path / "run"), tmp_path / "copy")
    assert osculate.load(tmp_path / "copy").metrics == quick.metrics
