"""Samples make_sharding among devices and processes give what one device gives."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dense_program import dense_inputs, dense_program

from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift.engines import jax_engine

jax = pytest.importorskip("jax", reason="the engine needs JAX: the extra jax")

SECONDS = 60
STEPS, SAMPLES = 4, 12

#: What a process of a test runs first.
HEADER = """
import json, sys
import numpy as np
import jax
from dense_program import dense_inputs, dense_program
import tinygrad_lite as tg
from tinygrad_lite.errors import LiftError
from tinygrad_lite.lift import lift
from tinygrad_lite.lift.engines import jax_engine
from tinygrad_lite.lift.engines.jax_library import use_x64
from tinygrad_lite.lift.engines.sharding import make_mesh, make_sharding

def descended(run, inputs, steps):
    *parameters, x, y = inputs
    losses = []
    for _ in range(steps):
        loss, *gradients, residuals = run([*parameters, x, y])
        losses.append(float(loss))
        parameters = [np.asarray(p) - 0.1 * np.asarray(g) for p, g in zip(parameters, gradients)]
    return losses

def loss(w, b, x, y):
    return (tg.tanh(sum(wk * xk for wk, xk in zip(w, x)) + b) - y) ** 2

def trained(samples, **options):
    # losses of a few steps of gradient descent, by a lifted function of scalars
    step = lift(tg.value_and_grad(loss, (0, 1)), batch=(None, None, 0, 0), engine="jax", **options)
    rng = np.random.default_rng(0)
    w, b, x, y = rng.normal(size=3), 0.5, rng.normal(size=(12, 3)), rng.normal(size=12)
    losses = []
    for _ in range(4):
        found, (dw, db) = step(w, b, x[samples], y[samples])
        losses.append(float(found))
        w, b = w - 0.1 * np.asarray(dw), b - 0.1 * float(db)
    return losses
"""

FOUR_DEVICES = """
inputs = dense_inputs(16)
upright = [*inputs[:3], inputs[3].T, inputs[4].T]
one, four = jax_engine.build(dense_program()), jax_engine.build(dense_program(), devices=4)
mesh = jax.sharding.Mesh(np.array(jax.devices()).reshape(2, 2), ("rows", "columns"))
runs = one, four, jax_engine.build(dense_program(), devices=mesh)
found = [[np.asarray(array).tolist() for array in run(inputs)] for run in runs]
turned = jax_engine.build(dense_program(), devices=4, axes=(None, None, None, 0, 0))
found.append([np.asarray(array).tolist() for array in turned(upright)])
with use_x64():
    function = jax_engine.make_function(dense_program())
    def step(parameters, state, batch):
        loss, *gradients, _ = function([*parameters, *batch])
        return [p - 0.1 * g for p, g in zip(parameters, gradients)], state, loss
    batches = [np.stack([array] * 3) for array in inputs[3:]]
    placed = [jax.device_put(array, make_sharding(make_mesh(4), 2)) for array in batches]
many = jax_engine.scan_steps(step)
scanned = [many(inputs[:3], (), data)[2] for data in (batches, placed)]
try:
    four(dense_inputs(10))
except LiftError as error:
    refused = str(error)
print(json.dumps({
    "refused": refused,
    "devices": len(four(inputs)[-1].sharding.device_set),
    "found": found,
    "text": four.text(inputs),
    "text_of_one": one.text(inputs),
    "scanned": [np.asarray(losses).tolist() for losses in scanned],
    "lifted": [trained(slice(12), **options) for options in ({}, {"devices": 4}, {"devices": mesh})],
    "scanned_on": len(placed[0].sharding.device_set),
}))
"""

PROCESS = """
number, port = int(sys.argv[1]), sys.argv[2]
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=number, initialization_timeout=40)
*parameters, x, y = dense_inputs(12)
mine = slice(6 * number, 6 * number + 6)
run = jax_engine.build(dense_program(), devices=4)
refused = []
for attempt in (lambda: make_mesh(2), lambda: run(dense_inputs(5))):
    try:
        attempt()
    except LiftError as error:
        refused.append(str(error))
local = descended(run, [*parameters, x[:, mine], y[:, mine]], 4)
with use_x64():
    whole = [jax.make_array_from_process_local_data(make_sharding(make_mesh(4), 1), a[:, mine].copy()) for a in (x, y)]
print(json.dumps({
    "local": local,
    "global": descended(run, [*parameters, *whole], 4),
    "refused": refused,
    "lifted": trained(mine, devices=4),
}))
jax.distributed.shutdown()
"""


def started(text: str, *arguments: str, devices: int = 1) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.Popen(
        [sys.executable, "-c", HEADER + text, *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def results(*processes: subprocess.Popen[str]) -> list[dict]:
    """What each printed, as the last line; all are stopped if one is late."""
    try:
        ended = [process.communicate(timeout=SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, ended, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [json.loads(printed.splitlines()[-1]) for printed, _ in ended]


@pytest.fixture(scope="module")
def four_devices() -> dict:
    (found,) = results(started(FOUR_DEVICES, devices=4))
    return found


def test_four_devices_give_what_one_gives(four_devices):
    one, *others = four_devices["found"]
    assert four_devices["devices"] == 4
    assert len(others) == 3
    for results_of_many in others:
        for array, truth in zip(results_of_many, one, strict=True):
            assert np.allclose(array, truth, rtol=1e-9, atol=1e-12)


def test_gradients_are_reduced_between_the_devices(four_devices):
    assert "all-reduce" in four_devices["text"]
    assert "all-reduce" not in four_devices["text_of_one"]
    assert "all-gather" not in four_devices["text"]  # samples stay where they are


def test_steps_on_batches_that_are_divided_give_the_same_losses(four_devices):
    one, four = four_devices["scanned"]
    assert four_devices["scanned_on"] == 4
    assert np.allclose(four, one, rtol=1e-9)


def test_a_lifted_function_trains_on_many_devices_as_on_one(four_devices):
    one, *others = four_devices["lifted"]
    assert len(set(one)) == 4
    for losses in others:
        assert np.allclose(losses, one, rtol=1e-9)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def two_processes() -> list[dict]:
    port = str(free_port())
    return results(*[started(PROCESS, str(number), port, devices=2) for number in range(2)])


def test_two_processes_give_the_losses_of_one(two_processes):
    run = jax_engine.build(dense_program())
    *parameters, x, y = dense_inputs(SAMPLES)
    truth = []
    for _ in range(STEPS):
        loss, *gradients, _ = run([*parameters, x, y])
        truth.append(float(loss))
        parameters = [p - 0.1 * np.asarray(g) for p, g in zip(parameters, gradients, strict=True)]
    assert len(set(truth)) == STEPS
    for process in two_processes:
        assert np.allclose(process["local"], truth, rtol=1e-9)
        assert np.allclose(process["global"], truth, rtol=1e-9)


def test_a_lifted_function_trains_on_two_processes_as_on_one(four_devices, two_processes):
    for process in two_processes:
        assert np.allclose(process["lifted"], four_devices["lifted"][0], rtol=1e-9)


def test_what_processes_cannot_share_is_refused_in_each(two_processes):
    for process in two_processes:
        assert process["refused"] == [
            "devices=2 leaves process 1 without a device: give devices=4, those of all processes, or a mesh with "
            "devices of each",
            "x has 5 samples, which 2 devices of this process cannot share equally: give a multiple of 2, 4 or 6",
        ]


def test_one_device_is_a_number_of_devices_too():
    inputs = dense_inputs(7)
    for array, truth in zip(
        jax_engine.build(dense_program(), devices=1)(inputs), jax_engine.build(dense_program())(inputs), strict=True
    ):
        assert np.allclose(array, truth, rtol=1e-12)


def test_samples_that_devices_cannot_share_are_refused(four_devices):
    assert four_devices["refused"] == (
        "x has 10 samples, which 4 devices cannot share equally: give a multiple of 4, 8 or 12"
    )


@pytest.mark.parametrize("devices", [0, -1, True, 2.0, "cpu"])
def test_what_is_no_number_of_devices_is_refused(devices):
    with pytest.raises(LiftError, match=r"devices is a number of devices, a jax\.sharding\.Mesh or None, not"):
        jax_engine.build(dense_program(), devices=devices)


def test_more_devices_than_there_are_is_an_error_that_says_how_to_get_them():
    with pytest.raises(LiftError, match=r"devices=512: JAX sees .*xla_force_host_platform_device_count=512"):
        jax_engine.build(dense_program(), devices=512)
