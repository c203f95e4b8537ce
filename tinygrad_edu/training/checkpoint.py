"""Weights and whole training states in files: safetensors, which holds arrays and text and can run no code.

Every file is written whole or not at all, see `files.py`, and carries a checksum of all that is in it: a bit that was
changed on a disk or on a wire is noticed, also one in the middle of a weight.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tinygrad_edu import checks
from tinygrad_edu.files import write_whole
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer

# What safetensors can hold and NumPy as well. BF16 and the kinds of F8 are the ones that come from other programs.
DTYPES = ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


class CheckpointError(Exception):
    """A file of weights cannot be read or written, or belongs to another network; the message says which and why."""


def save_weights(path: str | Path, model: Module, facts: dict[str, Any] | None = None) -> None:
    """Write a model's parameters and buffers, with `facts` (what JSON can hold, such as a vocabulary) beside them.

    Raises CheckpointError where that is not possible, as on a full disk; then the file is as it was before.
    """
    checks.instance("save_weights", "model", model, Module, "a Module")
    path, facts = checks.path("save_weights", "path", path), _facts("save_weights", {} if facts is None else facts)
    _write(path, model.state_dict(), facts)


def load_weights(path: str | Path, model: Module) -> dict[str, Any]:
    """Set a model's parameters and buffers from a file, and return the facts stored with them.

    Raises CheckpointError when there is no such file, it is damaged, or its names, shapes and kinds of numbers are not
    the model's; then the model is as it was.
    """
    checks.instance("load_weights", "model", model, Module, "a Module")
    arrays, facts = read_weights(path)
    with _naming(path):
        _check_model(model, arrays)
    model.load_state_dict(arrays)
    return facts


def read_weights(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the facts in a file, before there is a model to put them into.

    A file that was not written here has neither facts nor a checksum, and is read all the same.
    """
    arrays, facts, _ = _read(checks.path("read_weights", "path", path))
    return arrays, facts


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any], bool]:
    """The arrays, the facts, and whether there was a checksum, which was right."""
    try:
        if path.exists() and not path.is_file():
            raise CheckpointError(f"{path} is not a file; name the file with the weights")
        np.empty(path.stat().st_size, np.uint8)  # safetensors panics where there is not so much memory, NumPy does not
        with safe_open(path, framework="numpy") as file:
            checksum, _, text = (file.metadata() or {}).get("facts", "\n{}").partition("\n")
            kinds = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
            if strange := [f"{name} ({kind})" for name, kind in kinds.items() if kind not in DTYPES]:
                raise CheckpointError(f"{path}: NumPy has no such numbers: {', '.join(strange)}; convert them to F32")
            arrays = {name: file.get_tensor(name) for name in kinds}
        facts = json.loads(text)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path} with weights; train first, or check the path") from None
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); is it the right one?") from None
    except MemoryError:
        raise CheckpointError(f"{path} is larger than the memory that is left; is it the right one?") from None
    if checksum and checksum != _checksum(arrays, text):
        raise CheckpointError(f"{path} was changed after it was written: its checksum differs")
    if not isinstance(facts, dict):
        raise CheckpointError(f"{path} should have a dict of facts, and has {text:.40}")
    return arrays, facts, bool(checksum)


def _checksum(arrays: dict[str, np.ndarray], facts: str) -> str:
    checksum = hashlib.sha256(facts.encode())
    for name, values in sorted(arrays.items()):
        checksum.update(f"\n{name} {values.dtype} {values.shape}\n".encode())
        checksum.update(values.reshape(-1).view(np.uint8).data)
    return checksum.hexdigest()


# --- all that training goes on from ---


@dataclass(frozen=True)
class Checkpoint:
    """What `save_checkpoint` wrote, read and found whole, and not yet put into a model."""

    path: Path
    model: dict[str, np.ndarray]
    optimizer: dict[str, np.ndarray]
    memory: dict[str, np.ndarray]
    facts: dict[str, Any]

    def restore(self, model: Module, optimizer: Optimizer) -> None:
        """Set both; CheckpointError where one of them is of another kind, and then nothing has changed in either."""
        with _naming(self.path):
            _check_model(model, self.model)
            optimizer.check_state_dict(self.optimizer)
        model.load_state_dict(self.model)
        optimizer.load_state_dict(self.optimizer)


def save_checkpoint(
    path: str | Path,
    model: Module,
    optimizer: Optimizer,
    facts: dict[str, Any],
    memory: dict[str, np.ndarray] | None = None,
    keep: Path | None = None,
) -> None:
    """Write all that training needs to go on as if it had never stopped.

    Parameters
    ----------
    facts : dict
        What JSON can hold: epochs, the states of generators.
    memory : dict of arrays, optional
        What the loop carries from batch to batch, such as the state of a recurrent network.
    keep : Path, optional
        The file that was there before stays under this name.

    Raises CheckpointError like `save_weights`.
    """
    _check_both("save_checkpoint", model, optimizer)
    path, facts = checks.path("save_checkpoint", "path", path), _facts("save_checkpoint", facts)
    keep = None if keep is None else checks.path("save_checkpoint", "keep", keep)
    memory = {} if memory is None else checks.mapping("save_checkpoint", "memory", memory, "a dict, name -> array")
    for name, values in memory.items():
        checks.text("save_checkpoint", "each name in memory", name)
        checks.instance("save_checkpoint", f"memory[{name!r}]", values, np.ndarray, "a NumPy array")
        checks.numbers("save_checkpoint", f"memory[{name!r}]", values)
    parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "memory": memory}
    arrays = {f"{part}.{name}": values for part, own in parts.items() for name, values in own.items()}
    _write(path, arrays, facts, keep)


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a file of `save_checkpoint`; CheckpointError where there is none, or it is damaged, or something else."""
    path = checks.path("read_checkpoint", "path", path)
    arrays, facts, checked = _read(path)
    parts: dict[str, dict[str, np.ndarray]] = {"model": {}, "optimizer": {}, "memory": {}}
    for name, values in arrays.items():
        part, _, rest = name.partition(".")
        parts.get(part, {})[rest] = values
    if "t" not in parts["optimizer"]:
        raise CheckpointError(f"{path} holds weights, but no state of an optimiser; it cannot be resumed from")
    if not checked:
        raise CheckpointError(f"{path} has no checksum, so it may be damaged; it cannot be resumed from")
    return Checkpoint(path, **parts, facts=facts)


def load_checkpoint(path: str | Path, model: Module, optimizer: Optimizer) -> dict[str, Any]:
    """Restore what `save_checkpoint` wrote, and return its facts; errors as `read_checkpoint` and `restore`."""
    _check_both("load_checkpoint", model, optimizer)
    checkpoint = read_checkpoint(path)
    checkpoint.restore(model, optimizer)
    return checkpoint.facts


def _check_both(where: str, model: Any, optimizer: Any) -> None:
    checks.instance(where, "model", model, Module, "a Module")
    checks.instance(where, "optimizer", optimizer, Optimizer, "an Optimizer")


def _facts(where: str, facts: Any) -> dict[str, Any]:
    """A dict that JSON can hold."""
    facts = checks.mapping(where, "facts", facts, "a dict that JSON can hold")
    try:
        json.dumps(facts)
    except (TypeError, ValueError, RecursionError):
        checks.refuse(where, "facts", "a dict that JSON can hold", facts, TypeError)
    return facts


def _write(path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any], keep: Path | None = None) -> None:
    text = json.dumps(facts)
    # safetensors writes the memory of an array as it lies there, which for a transposed one is in another order.
    contiguous = {name: np.ascontiguousarray(values).reshape(values.shape) for name, values in arrays.items()}
    # One entry: several come in any order, and equal weights are to make equal files.
    content = save(contiguous, metadata={"facts": f"{_checksum(contiguous, text)}\n{text}"})
    try:
        write_whole(path, content, keep)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}; make room or name another") from None


def _check_model(model: Module, arrays: dict[str, np.ndarray]) -> None:
    """ValueError, unless these are the model's names, shapes, and kinds of numbers."""
    model.check_state_dict(arrays)
    wrong = [
        f"dtype: {name} is {tensor.dtype} here, {arrays[name].dtype} there"
        for name, tensor in model.named_tensors()
        if tensor.dtype.kind != arrays[name].dtype.kind
    ]
    if wrong:
        raise ValueError(f"these weights do not belong to this {type(model).__name__}:{checks.lines(wrong)}")


@contextlib.contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Turn a ValueError about what is in a file into a CheckpointError that names the file."""
    try:
        yield
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None
