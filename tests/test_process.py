"""What a training step changes in its process: nothing by an import, little by default, nothing where that is said."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOK = """
import ctypes, sys, threading
import numpy as np
import threadpoolctl

told = []
if sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt"):
    class Watched(ctypes.CDLL):  # what keep_freed_memory tells malloc goes through here
        @property
        def mallopt(self):
            return lambda *setting: told.append(setting) or 1
    ctypes.CDLL = Watched

def seen():
    blas = [lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]
    return blas, threading.active_count(), list(told)

before = seen()
import tinygrad_edu
from tinygrad_edu import Tensor, nn, ops, optim
assert seen() == before, seen()
"""
STEP = """
def numbers(*shape):
    return Tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32))

tinygrad_edu.manual_seed(0)
model = nn.Sequential(nn.Conv2d(8, 64), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 256, 10))
optimizer = optim.Adam(model.parameters())
lstm = nn.LSTM(64, 128)
during = []
real = ops.conv.correlate
ops.conv.correlate = lambda *given: during.append(seen()[0]) or real(*given)
def step():
    optimizer.zero_grad()
    loss = ops.softmax_cross_entropy(model(numbers(64, 16, 16, 8)), np.arange(64) % 10)
    loss = loss + lstm(numbers(128, 20, 64)).sum()
    loss.backward()
    optimizer.step()
step()
"""


def run(code, **environment):
    """What a new Python prints, on a computer on which BLAS finds two cores."""
    two = {"OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", **environment}
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, env={**os.environ, **two}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def one_step(say="", **environment):
    """What is seen of a process before, during and after its training step, and its gradients' lengths."""
    told = """
import json
lengths = [float((p.grad**2).sum()) for p in model.parameters()]
print(json.dumps({"before": before, "during": during, "after": seen(), "gradients": lengths}))
"""
    return json.loads(run(LOOK + say + STEP + told, **environment))


def test_the_users_blas_has_its_threads_again_after_a_step():
    step = one_step()
    assert step["after"][0] == step["before"][0]
    assert step["during"]
    assert all(threads == [1] for threads in step["during"])


def test_a_step_of_a_large_network_is_seen_by_default():
    """Or the test below would see nothing whatever happened."""
    (_, before, _), (_, after, told) = one_step()["before"], one_step()["after"]
    assert after == before + 1
    assert len(told) == 2


@pytest.mark.parametrize(
    ("say", "environment"),
    [("tinygrad_edu.tune_process(False)\n", {}), ("", {"TINYGRAD_EDU_TUNE": "0"})],
    ids=["one call", "one environment variable"],
)
def test_nothing_of_the_process_is_changed_where_that_is_forbidden(say, environment):
    step = one_step(say, **environment)
    assert step["after"] == step["before"]
    assert step["during"][0] == step["before"][0]


def test_the_switch_changes_no_gradient_but_for_roundings():
    tuned, left = one_step(), one_step(TINYGRAD_EDU_TUNE="0")
    assert tuned["gradients"] == pytest.approx(left["gradients"], rel=1e-4)


def test_a_wrong_value_of_the_variable_is_explained():
    code = "try:\n import tinygrad_edu\nexcept ValueError as error:\n print(error)"
    assert "TINYGRAD_EDU_TUNE=maybe: expected 1" in run(code, TINYGRAD_EDU_TUNE="maybe")
