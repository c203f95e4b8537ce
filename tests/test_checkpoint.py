"""Files of weights: what is saved comes back, whatever was changed is noticed, and nothing in them can run code."""

import ast
import json
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu import nn, optim
from tinygrad_edu.data import DataError, load_airline, load_cifar10, load_mnist, load_shakespeare
from tinygrad_edu.training import (
    CheckpointError,
    load_checkpoint,
    load_weights,
    read_checkpoint,
    read_weights,
    save_checkpoint,
    save_weights,
)

ROOT = Path(__file__).parent.parent
OPTIMIZERS = {
    "momentum": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: optim.Adam(parameters, lr=0.1),
    "adamw": lambda parameters: optim.AdamW(parameters, lr=0.1, weight_decay=0.1),
}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def train(model, optimizer, seed, steps):
    """Steps with gradients that differ from one to the next, so that a lost moment shows."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in model.parameters():
            p.grad = rng.normal(size=p.shape).astype(p.dtype)
        optimizer.step()


# --- what is saved comes back ---


def test_weights_that_lie_in_another_order_are_saved_as_they_read(tmp_path):
    model = nn.Linear(3, 2)
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    for lying in (values.copy(order="F"), np.repeat(values, 2, axis=0)[::2], values[::-1][::-1]):
        model.weight.data = lying
        save_weights(tmp_path / "weights", model)
        np.testing.assert_array_equal(read_weights(tmp_path / "weights")[0]["weight"], values)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_state_of_an_optimiser_is_really_gone_on_with(tmp_path, kind):
    def new():
        nn.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
        return model, OPTIMIZERS[kind](model.parameters())

    model, optimizer = new()
    train(model, optimizer, seed=0, steps=3)
    save_checkpoint(tmp_path / "checkpoint", model, optimizer, {})
    train(model, optimizer, seed=1, steps=2)

    other, restored = new()
    train(other, restored, seed=2, steps=1)  # it has moments of its own, which must be gone
    load_checkpoint(tmp_path / "checkpoint", other, restored)
    train(other, restored, seed=1, steps=2)
    assert same(other.state_dict(), model.state_dict())

    forgetful, fresh = new()
    forgetful.load_state_dict(read_checkpoint(tmp_path / "checkpoint").model)
    train(forgetful, fresh, seed=1, steps=2)
    assert not same(forgetful.state_dict(), model.state_dict())  # so the state was needed


def test_what_the_loop_remembers_is_kept_beside_the_rest(tmp_path):
    model = nn.Linear(1, 1)
    memory = {"h": np.arange(6.0).reshape(2, 3).T, "count": np.array(3)}
    save_checkpoint(tmp_path / "checkpoint", model, optim.SGD(model.parameters()), {"a": 1}, memory)
    checkpoint = read_checkpoint(tmp_path / "checkpoint")
    assert same(checkpoint.memory, memory)
    assert checkpoint.facts == {"a": 1}


def test_equal_weights_make_equal_files(tmp_path):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm(2))
    for name in ("a", "b"):
        save_weights(tmp_path / name, model, {"vocabulary": ["a", "b"], "window": 3})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_checkpoint_before_stays_where_it_is_wanted(tmp_path):
    model = nn.Linear(1, 1)
    optimizer = optim.SGD(model.parameters())
    for epoch in range(3):
        save_checkpoint(tmp_path / "last", model, optimizer, {"epoch": epoch}, keep=tmp_path / "before")
    assert [read_checkpoint(tmp_path / name).facts["epoch"] for name in ("last", "before")] == [2, 1]


# --- what was changed is noticed ---


def test_every_bit_that_is_changed_is_noticed(tmp_path):
    model = nn.Linear(2, 1)
    save_checkpoint(tmp_path / "whole", model, optim.SGD(model.parameters(), momentum=0.9), {"epochs": [{"loss": 0.5}]})
    whole, path = (tmp_path / "whole").read_bytes(), tmp_path / "changed"
    for bit in range(0, 8 * len(whole), 3):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(CheckpointError):
            read_checkpoint(path)


def test_a_file_that_was_cut_is_noticed_wherever(tmp_path):
    save_weights(tmp_path / "whole", nn.Linear(2, 1), {"a": 1})
    whole = (tmp_path / "whole").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="not a whole safetensors file"):
            read_weights(tmp_path / "cut")
    (tmp_path / "long").write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        read_weights(tmp_path / "long")


def safetensors(dtype="F32", shape=(2, 1), end=8, facts=None, data=bytes(8)):
    """A file by hand: a length, a header in JSON, the numbers."""
    header = {"weight": {"dtype": dtype, "shape": list(shape), "data_offsets": [0, end]}}
    if facts is not None:
        header["__metadata__"] = {"facts": facts}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (safetensors("BF16", end=4, data=bytes(4)), r"no such numbers: weight \(BF16\); convert them to F32"),
        (safetensors("F8_E4M3", end=2, data=bytes(2)), r"no such numbers: weight \(F8_E4M3\)"),
        (safetensors(shape=(10**6, 10**6), end=4 * 10**12), "not a whole safetensors file"),
        (safetensors(shape=(2**40, 2**40)), "not a whole safetensors file"),
        (struct.pack("<Q", 2**50) + b"{}", "not a whole safetensors file"),
        (safetensors(facts="\n" + "[" * 100_000), "recursion"),
        (safetensors(facts='\n{"n": ' + "9" * 5000 + "}"), "4300"),
        (safetensors(facts="\n[1, 2]"), r"should have a dict of facts, and has \[1, 2\]"),
        (safetensors(facts="\nepochs: 3"), "not a whole safetensors file"),
        (safetensors(facts="0" * 64 + "\n{}"), "was changed after it was written"),
        (safetensors("I32"), "dtype: weight is float32 here, int32 there"),
        (safetensors(shape=(1, 2)), r"weight is \(2, 1\) here, \(1, 2\) there"),
        (b"", "not a whole safetensors file"),
        (pickle.dumps({"weight": np.zeros((2, 1))}), "not a whole safetensors file"),
    ],
)
def test_files_of_others_are_refused_in_a_line_and_change_nothing(tmp_path, content, message):
    model = nn.Linear(2, 1, bias=False)
    before = model.state_dict()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as error:
        load_weights(path, model)
    assert str(path) in str(error.value)
    with pytest.raises(CheckpointError):
        load_checkpoint(path, model, optim.SGD(model.parameters()))
    assert same(model.state_dict(), before)


def test_weights_that_were_not_written_here_need_no_checksum(tmp_path):
    (tmp_path / "weights").write_bytes(safetensors(data=np.array([3, 4], np.float32).tobytes()))
    model = nn.Linear(2, 1, bias=False)
    assert load_weights(tmp_path / "weights", model) == {}
    assert model.weight.numpy().tolist() == [[3], [4]]


def test_a_file_larger_than_the_memory_is_refused(tmp_path):
    content = safetensors(shape=(2**40, 1), end=2**42, data=b"")
    path = tmp_path / "weights"
    path.write_bytes(content)
    try:
        os.truncate(path, len(content) + 2**42)  # a hole: it takes no room on the disk
    except OSError:
        pytest.skip("this file system has no files of four terabytes")
    with pytest.raises(CheckpointError, match="larger than the memory that is left"):
        read_weights(path)


@pytest.mark.skipif(os.name == "nt", reason="there are no such files on this system")
def test_what_is_not_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(CheckpointError, match="is not a file"):
            read_weights(path)
    with pytest.raises(CheckpointError, match=r"not a whole safetensors file .*name too long"):
        read_weights(tmp_path / ("x" * 300))


# --- what cannot be written ---


FULL = """
import resource, sys
from tinygrad_edu import nn, optim
from tinygrad_edu.training import CheckpointError, load_checkpoint, save_checkpoint

model = nn.Linear(100, 10)
optimizer = optim.SGD(model.parameters())
save_checkpoint(sys.argv[1], model, optimizer, {"epoch": 1})
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
try:
    save_checkpoint(sys.argv[1], model, optimizer, {"epoch": 2})
except CheckpointError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, limits)  # what measures coverage writes its file at the end
print(load_checkpoint(sys.argv[1], model, optimizer))
"""


@pytest.mark.skipif(os.name == "nt", reason="there are no such limits on this system")
def test_a_checkpoint_for_which_there_is_no_room_leaves_the_old_one(tmp_path):
    path = tmp_path / "checkpoint"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.check_output([sys.executable, "-c", FULL, str(path)], text=True, env=environment)
    reason = "File too large; the file is as it was before; make room or name another"
    assert output.splitlines() == [f"{path} cannot be written: {reason}", "{'epoch': 1}"]
    assert os.listdir(tmp_path) == ["checkpoint"]


# --- no code comes in with data ---


def test_nothing_that_can_run_code_is_read_or_written_anywhere():
    """Nor `eval` and `exec`, nor NumPy's files with objects, nor PyTorch's; `benchmarks` as well.

    One file runs what is no data: a learner's answer, in a process that was started for it. And one packs messages
    with pickle, from process to process of the same run, which no file holds.
    """
    messages = ROOT / "tinygrad_edu" / "training" / "group.py"
    modules = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
    for path in [file for folder in ("tinygrad_edu", "models", "benchmarks") for file in (ROOT / folder).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                if path == messages and [alias.name for alias in node.names] == ["pickle"]:
                    continue
                assert not modules & {alias.name.split(".")[0] for alias in node.names}, place
            elif isinstance(node, ast.ImportFrom):
                assert str(node.module).split(".")[0] not in modules, place
            elif isinstance(node, ast.keyword):
                assert node.arg != "allow_pickle", place
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called == "exec" and path == ROOT / "tinygrad_edu" / "lessons" / "child.py":
                    continue
                assert called not in ("eval", "exec", "torch.load", "torch.save", "__import__"), f"{place}: {called}"


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_a_pickle_is_refused_by_every_loader_and_its_code_does_not_run(tmp_path):
    mark, data = tmp_path / "it ran", tmp_path / "data"
    trap = pickle.dumps(Trap(mark))
    np.save(tmp_path / "objects.npy", np.array([Trap(mark)], dtype=object), allow_pickle=True)
    objects = (tmp_path / "objects.npy").read_bytes()
    names = {
        load_mnist: ["mnist/" + name for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")]
        + ["mnist/" + name for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")],
        load_cifar10: [f"cifar10/data_batch_{i}.bin" for i in range(1, 6)] + ["cifar10/test_batch.bin"],
        load_shakespeare: ["shakespeare/input.txt"],
        load_airline: ["airline/airline-passengers.csv"],
    }
    for content in (trap, objects):
        for load, files in names.items():
            for name in files:
                (data / name).parent.mkdir(parents=True, exist_ok=True)
                (data / name).write_bytes(content)
            with pytest.raises(DataError):
                load(data)
        for name in ("weights.safetensors", "weights.npy", "weights.pt"):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(CheckpointError):
                read_weights(tmp_path / name)
    assert not mark.exists()
    pickle.loads(trap)
    assert mark.exists()  # so it would have been seen
