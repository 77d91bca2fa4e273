"""A run is never lost and never half-written."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import osculate
from osculate import store, tasks, train
from osculate.core import InputError
from osculate.tasks._folder import RunFolder
from osculate.tasks._journal import Journal, State
from smooth import QUICK

JOB = """
import sys
import numpy as np
from osculate import data, tasks

x = np.random.default_rng(0).uniform(-1, 1, (400, 2))
a, b = 3 * x.T
J = 3 * np.stack([np.cos(a) * b, np.sin(a)], 1)
table = data.table(x, np.sin(a) * b, jacobian=J)
tasks.surrogate(
    table, out=sys.argv[1], resume=True, width=16, depth=3, budget="3000steps", seed=3
)
"""


def run_job(folder, *, kill_after=None):
    """Runs the job in a fresh process; kills it -9 so long after its first chunk."""
    job = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", JOB, str(folder)],
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "cache")},
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
    assert job.wait() == -signal.SIGKILL, "it ended before it was killed"


@pytest.mark.slow
def test_kill_9_at_any_moment_and_resume_gives_the_same_bits(tmp_path):
    run_job(tmp_path / "whole")
    torn = tmp_path / "torn"
    for kill_after in (0.0, 0.4, 1.2):
        run_job(torn, kill_after=kill_after)
        with pytest.raises(InputError, match="has not ended"):
            osculate.load(torn)
    run_job(torn)
    assert osculate.load(torn).settings.seed == 3
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
        ("derivatives/search/descent", 100),
        ("derivatives/all rows/descent", 0),
        ("values only/search/descent", 200),
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


def test_a_log_that_grew_since_the_last_checkpoint_is_no_damage(tmp_path, table):
    out = tmp_path / "run"
    watch = interrupt_at("derivatives/search/descent", 0)
    with pytest.raises(KeyboardInterrupt):
        tasks.surrogate(table, out=out, watch=watch, **QUICK)
    with (out / "log.jsonl").open("a") as log:
        log.write("{}\n")
    with pytest.raises(InputError, match=r"has not ended\.\n.*the call that began"):
        osculate.load(out)


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def interrupted(out, table, leg="derivatives/all rows/descent"):
    with pytest.raises(KeyboardInterrupt):
        tasks.surrogate(
            table, out=out, compare=True, watch=interrupt_at(leg, 0), **QUICK
        )
    return sorted((out / "state").iterdir())


@pytest.mark.parametrize("count", [1, 2])
def test_a_damaged_checkpoint_gives_way_to_an_older_one(tmp_path, table, quick, count):
    out = tmp_path / "run"
    for newest in interrupted(out, table)[-count:]:
        damage(newest)
    found = tasks.surrogate(table, out=out, compare=True, resume=True, **QUICK)
    assert found.metrics == quick.metrics
    assert osculate.load(out).metrics == quick.metrics
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    keys = [(line["leg"], line["step"]) for line in lines]
    assert len(keys) == len(set(keys)), "what was done again was logged twice"


def test_a_crash_while_falling_back_can_be_resumed(tmp_path, table, quick, monkeypatch):
    out = tmp_path / "run"
    damage(interrupted(out, table)[-1])

    def power_cut(*_):
        real(*_)
        raise KeyboardInterrupt

    real = os.truncate
    monkeypatch.setattr(os, "truncate", power_cut)
    with pytest.raises(KeyboardInterrupt):
        tasks.surrogate(table, out=out, compare=True, resume=True, **QUICK)
    monkeypatch.undo()
    found = tasks.surrogate(table, out=out, compare=True, resume=True, **QUICK)
    assert osculate.load(out).metrics == found.metrics == quick.metrics


def test_where_all_checkpoints_are_damaged_the_run_must_begin_again(tmp_path, table):
    out = tmp_path / "run"
    for state in interrupted(out, table):
        damage(state)
    with pytest.raises(store.CorruptFileError, match="Begin the run again, with --fo"):
        tasks.surrogate(table, out=out, compare=True, resume=True, **QUICK)


def test_what_a_killed_process_leaves_is_swept(tmp_path, table, quick):
    out = tmp_path / "run"
    interrupted(out, table)
    left = [f".{'0' * 16}.tmp", f"state/.{'a' * 16}.tmp", "state/000099.npz"]
    for name in left:
        (out / name).write_bytes(b"half")
    (out / ".lock").touch()
    found = tasks.surrogate(table, out=out, compare=True, resume=True, **QUICK)
    assert found.metrics == quick.metrics
    names = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert names == {*store.entries(out), "manifest.json"}


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


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_existing_run_is_not_overwritten(tmp_path, table, quick):
    out = tmp_path / "run"
    quick.save(out)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"exists there, finished.*\n.*--force"):
        tasks.surrogate(table, out=out, **QUICK)
    assert before == contents(tmp_path)
    interrupted(tmp_path / "half", table)
    with pytest.raises(InputError, match="Continue it with --resume, replace it with"):
        quick.save(tmp_path / "half")


OWN = {
    "a file": lambda path: path.write_text("years"),
    "a thesis": lambda path: folder_of(path, {"thesis.tex": "years"}),
    "a run.json of their own": lambda path: folder_of(path, {"run.json": "{}"}),
    "an empty log": lambda path: folder_of(path, {"log.jsonl": ""}),
    "a web page": lambda path: folder_of(
        path, {"run.json": '{"kind": "surrogate"}', "manifest.json": '{"name": "page"}'}
    ),
    "a signed folder of another kind": lambda path: signed_folder(path, "recipe"),
}


def folder_of(path, files):
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)


def signed_folder(path, kind):
    path.mkdir()
    store.write(path / "run.json", store.render({"format": 1, "kind": kind}))
    store.commit(path, ["run.json"])


@pytest.mark.parametrize("what", OWN)
@pytest.mark.parametrize("options", [{}, {"force": True}, {"resume": True}])
def test_what_is_no_run_of_ours_is_never_touched(tmp_path, table, what, options):
    OWN[what](tmp_path / "mine")
    before = contents(tmp_path)
    with pytest.raises((InputError, store.CorruptFileError)) as refused:
        tasks.surrogate(table, out=tmp_path / "mine", **options, **QUICK)
    assert before == contents(tmp_path)
    if "resume" not in options:
        assert re.search("already exists and is not a run", str(refused.value))
        assert "--force" not in str(refused.value)


@pytest.mark.parametrize("name", ["notes.txt", "figures/", "state/mine.npz", "t.csv"])
def test_force_spares_a_run_that_holds_files_of_the_user(tmp_path, quick, name):
    out = quick.save(tmp_path / "run")
    (out / "state").mkdir()
    if name.endswith("/"):
        (out / name).mkdir()
    else:
        (out / name).write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(
        InputError, match=f"holds '{name.strip('/')}', which"
    ) as refused:
        quick.save(out, force=True)
    assert len(str(refused.value).splitlines()) <= 6
    assert before == contents(tmp_path)


def test_force_spares_what_stands_where_the_old_run_would_be_kept(tmp_path, quick):
    aside = tmp_path / ".run.replaced"
    quick.save(aside)
    (aside / "thesis.tex").write_text("years")
    out = quick.save(tmp_path / "run")
    with pytest.raises(InputError, match=r"\.run\.replaced exists and is not just a"):
        quick.save(out, force=True)
    assert (aside / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_run_that_died_as_it_began_does_not_stand_in_the_way(
    tmp_path, quick, monkeypatch, steps
):
    calls = []

    def dying(path, content):
        calls.append(path)
        if len(calls) == steps:
            raise KeyboardInterrupt
        real(path, content)

    real = store.write
    monkeypatch.setattr(store, "write", dying)
    monkeypatch.setattr("osculate.store._manifest.write", dying)
    with pytest.raises(KeyboardInterrupt):
        quick.save(tmp_path / "run")
    monkeypatch.undo()
    if steps < 3:
        quick.save(tmp_path / "run")
        assert osculate.load(tmp_path / "run").metrics == quick.metrics
    else:
        with pytest.raises(InputError, match="already exists there"):
            quick.save(tmp_path / "run")


def test_a_crash_while_a_run_is_removed_leaves_nothing_half(
    tmp_path, quick, monkeypatch
):
    out = quick.save(tmp_path / "run")

    def dying(path, **_):
        next(p for p in path.rglob("*") if p.is_file()).unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", dying)
    with pytest.raises(KeyboardInterrupt):
        quick.save(out, force=True)
    monkeypatch.undo()
    visible = [p for p in tmp_path.iterdir() if not p.name.startswith(".")]
    assert visible == [out]
    assert osculate.load(out).metrics == quick.metrics
    quick.save(out, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "spelling", [".", "../here", "../here/", "../elsewhere/../here", "../link"]
)
def test_an_empty_folder_however_it_is_spelled(
    tmp_path, table, quick, monkeypatch, spelling
):
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "link").symlink_to(here)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(here)
    tasks.surrogate(table, out=spelling, compare=True, **QUICK)
    assert osculate.load(spelling).metrics == quick.metrics
    with pytest.raises(InputError, match="the folder you are in"):
        quick.save(spelling, force=True)
    monkeypatch.chdir(tmp_path)
    quick.save(tmp_path / "elsewhere" / spelling, force=True)
    assert osculate.load(here).metrics == quick.metrics
    assert {p.name for p in tmp_path.iterdir()} == {"here", "link", "elsewhere"}


def test_missing_parents_are_made_and_files_among_them_refused(tmp_path, table, quick):
    quick.save(tmp_path / "a" / "b" / "run")
    assert osculate.load(tmp_path / "a/b/run").metrics == quick.metrics
    (tmp_path / "file").write_text("")
    never = lambda name, progress: pytest.fail("work began")
    for path in ("file/run", "file/a/run"):
        with pytest.raises(InputError, match="file is a file; expected a folder"):
            tasks.surrogate(table, out=tmp_path / path, watch=never, **QUICK)
    with pytest.raises(InputError, match="cannot be used: File name too long"):
        tasks.surrogate(table, out=tmp_path / ("x" * 300), watch=never, **QUICK)


def test_a_parent_without_permission_is_refused(tmp_path, table, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="no permission to write in"):
        tasks.surrogate(table, out=tmp_path / "run", **QUICK)


def test_a_run_has_one_writer(tmp_path, table, quick):
    out, asked = tmp_path / "run", []

    def second(name, progress):
        for options in ({"resume": True}, {"force": True}):
            with pytest.raises(tasks.TakenError, match="is in use by another process"):
                tasks.surrogate(table, out=out, compare=True, **options, **QUICK)
        asked.append(name)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tasks.surrogate(table, out=out, compare=True, watch=second, **QUICK)
    assert asked
    found = tasks.surrogate(table, out=out, compare=True, resume=True, **QUICK)
    assert found.metrics == quick.metrics
    assert not (out / ".lock").exists()
    with (
        RunFolder.open(out, to_write=True),
        pytest.raises(tasks.TakenError, match="in use"),
    ):
        tasks.rewrite_report(out)
    tasks.rewrite_report(out)


def test_a_checkpoint_costs_no_reading_of_the_others(tmp_path, monkeypatch):
    read = []
    real = store._manifest._measure
    monkeypatch.setattr(
        store._manifest,
        "_measure",
        lambda file, *limit: (read.append(Path(file.name).name), real(file, *limit))[1],
    )
    with RunFolder.create(tmp_path / "run", {"kind": "surrogate"}) as run:
        for _ in range(5):
            run.append_log("{}")
            run.save_state(State())
    assert set(read) == {"log.jsonl"}
    assert set(store.verify(tmp_path / "run")) == {
        *("run.json", "log.jsonl"),
        *(f"state/00000{n}.npz" for n in (2, 3, 4)),
    }


def test_slow_saves_become_rare(monkeypatch):
    clock, saved = [0.0], []
    monkeypatch.setattr("osculate.tasks._journal.time.perf_counter", lambda: clock[0])

    def save(state):
        saved.append(clock[0])
        clock[0] += 2.0

    journal = Journal(save=save)
    monkeypatch.setattr(store, "leaves", lambda tree: {})
    for _ in range(200):
        clock[0] += 0.5
        journal._look(train.Progress(0, None, None, {}, {}, 0.0))
    assert saved[0] == 1.5
    assert np.diff(saved).min() > 40.0


def test_force_keeps_the_old_run_until_the_new_one_has_ended(tmp_path, table, quick):
    out = tmp_path / "run"
    quick.save(out)
    watch = interrupt_at("derivatives/search/descent", 0)
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
    monkeypatch.setattr("osculate.tasks._journal.COMPUTED_PER_SAVE", 0)
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
        is_report = path.name == "report.html"
        for position in rng.integers(0, len(content), 25):
            flipped = bytearray(content)
            flipped[position] ^= 1 << rng.integers(0, 8)
            path.write_bytes(bytes(flipped))
            if is_report:
                with pytest.warns(UserWarning, match=r"report\.html: missing or alter"):
                    osculate.load(out)
            else:
                with pytest.raises((store.CorruptFileError, store.NewerFormatError)):
                    osculate.load(out)
        path.write_bytes(content)
    assert osculate.load(out).metrics == quick.metrics


def test_a_damaged_or_missing_report_is_written_again(tmp_path, quick):
    out = quick.save(tmp_path / "run")
    whole = (out / "report.html").read_bytes()
    damage(out / "report.html")
    assert tasks.rewrite_report(out) == out / "report.html"
    assert (out / "report.html").read_bytes() == whole
    assert osculate.load(out).metrics == quick.metrics
    (out / "report.html").unlink()
    with pytest.warns(UserWarning, match=r"Write it again: osculate report .*run$"):
        osculate.load(out)
    tasks.rewrite_report(out)
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
