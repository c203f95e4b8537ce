"""Spoilt data files, some of the proof's, and what its guard must see. `python -m proof.mutated` does 10,000."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and counted as on Linux")
guarded = pytest.importorskip("proof.guarded") if sys.platform == "linux" else None


def fails(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: None, "loaded"),
        (fails(ValueError("/a/file: damaged")), "refused"),
        (fails(ValueError("damaged")), "bare exception: ValueError that does not name the file"),
        (fails(ValueError("/a/file: " + "x" * 30_000)), "bare exception: a message of 30,009 characters"),
        (fails(KeyError("x")), "bare exception: KeyError"),
        (lambda: warnings.warn("odd", UserWarning, stacklevel=1), "bare exception: UserWarning"),
        (lambda: bytearray(2**31), "over memory"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "crash: killed by SIGKILL"),
        (lambda: os._exit(0), "crash: no answer"),
        (lambda: time.sleep(60), "hang"),
    ],
)
def test_the_guard_sees_what_became_of_a_call(monkeypatch, call, expected):
    monkeypatch.setattr(guarded, "WAIT", 0.2)
    assert guarded.outcome(call, ValueError, "/a/file", memory=2**24).startswith(expected)


def test_the_guard_stops_a_file_that_grows_too_large(tmp_path):
    grow = (tmp_path / "file").write_bytes
    assert guarded.outcome(lambda: grow(bytes(5000)), ValueError, "", 2**24, disk=4000) == "crash: killed by SIGXFSZ"


DATA = ("IDX", "IDX labels", "IDX gzip", "CIFAR batches", "CIFAR archive", "CSV", "text")


@pytest.mark.parametrize("only", [DATA, ("weights", "checkpoints")])
def test_spoilt_files_are_loaded_or_refused(only):
    """In a small process: each file is read in a fork, and to fork one that has grown takes long."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    code = f"import json, proof.mutated as m; print(json.dumps(vars(m.prove(cases=30, only={only}))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    section = json.loads(done.stdout)
    assert section["failures"] == []
    assert section["figures"]["files in all"] >= 30
    assert not section["whole"]
