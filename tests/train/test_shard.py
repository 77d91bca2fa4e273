"""Fits over several devices and over several processes: those of one device."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).parent / "sharded_fits.py"
METHODS = ["adam", "lbfgs", "ssbroyden", "lm_primal", "minibatch"]

# Sums over rows are taken in another order, and iterations amplify the rounding: on one
# device, reversing the rows changes these fits as much.
TOLERANCE = 1e-10

pytestmark = pytest.mark.slow


def begin(*arguments, devices):
    """Starts the script in a process of its own, which sees so many devices."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    own = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, SCRIPT, *arguments],
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ends(processes):
    """Returns what each process found; none outlives this."""
    try:
        written = [process.communicate(timeout=400) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for process, (_, errors) in zip(processes, written, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [json.loads(output.splitlines()[-1]) for output, _ in written]


@pytest.fixture(scope="module")
def devices():
    return ends([begin(devices=4)])[0]


@pytest.fixture(scope="module")
def processes():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    return ends([begin(address, str(index), devices=2) for index in range(2)])


# --- several devices ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [*METHODS, "lm_dual", "lm_free", "grid", "single", "moved"]
)
def test_a_fit_over_devices_is_that_of_one(devices, name):
    assert devices["gaps"][name] < TOLERANCE


def test_a_fit_over_devices_is_resumed_with_the_same_bits(devices):
    assert devices["gaps"]["resumed"] == 0.0


def test_rows_are_spread_and_the_model_is_everywhere(devices):
    # 37 rows and 3 that weigh nothing.
    assert devices["shards"] == [[10, 2]] * 4
    assert all(devices["is_on_all"])


def test_each_device_does_its_part_of_the_work(devices):
    assert 0.25 <= devices["flops"] < 0.3


def test_all_chunks_share_one_compilation(devices):
    assert devices["traces"] == 0


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("axis", ["no axis 'points'", "['rows']", "Pass axis='rows'"]),
        ("few", ["4 devices", "more than 3 rows", "fewer devices"]),
        ("empty", ["['a'] have no rows"]),
        ("lengths", ["'a' have [7, 8] rows"]),
        ("batch", ["size is 6", "4 devices", "multiple of 4"]),
        ("diagnosis", ["before the first step", "'inside.value', row 5"]),
    ],
)
def test_messages(devices, name, parts):
    for part in parts:
        assert part in devices["messages"][name]


# --- several processes ----------------------------------------------------------------


@pytest.mark.parametrize("name", [*METHODS, "local"])
def test_a_fit_over_processes_is_that_of_one(processes, name):
    for found in processes:
        assert found["gaps"][name] < TOLERANCE


def test_a_fit_over_processes_is_resumed_with_the_same_bits(processes):
    for found in processes:
        assert found["gaps"]["resumed"] == 0.0


def test_processes_whose_clocks_differ_take_the_same_steps(processes):
    first, second = (found["timed"] for found in processes)
    assert first == second
    assert len(first) > 2


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("empty", ["['a'] have no rows"]),
        ("form", ["different labels, shapes or dtypes", "('float64', (1,))"]),
        ("net", ["not the same in every process"]),
        ("diagnosis", ["'inside.value', row 5"]),
    ],
)
def test_every_process_gets_the_message(processes, name, parts):
    for index, found in enumerate(processes):
        for part in parts:
            own = part.replace("float64", "int64") if index else part
            assert own in found["messages"][name]


def test_a_mesh_of_another_process_is_refused(processes):
    first, second = (found["messages"]["mesh"] for found in processes)
    assert not first
    assert "devices of the processes [0]" in second
    assert "process 1 alone" in second
