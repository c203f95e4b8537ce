"""Weights and whole training states in files: safetensors, which holds arrays and text and can run no code.

Every file is written whole or not at all, see `files.py`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from tinygrad_edu.files import write_whole
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer


class CheckpointError(Exception):
    """A file of weights cannot be read, or belongs to another network; the message says which and why."""


def save_weights(path: str | Path, model: Module, facts: dict[str, Any] | None = None) -> None:
    """Write a model's parameters and buffers, with `facts` (what JSON can hold, such as a vocabulary) beside them."""
    _write(Path(path), model.state_dict(), facts or {})


def load_weights(path: str | Path, model: Module) -> dict[str, Any]:
    """Set a model's parameters and buffers from a file, and return the facts stored with them.

    Raises CheckpointError when there is no such file, it is damaged, or its names and shapes are not the model's.
    """
    arrays, facts = read_weights(path)
    with _naming(path):
        model.load_state_dict(arrays)
    return facts


def read_weights(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the facts in a file, before there is a model to put them into."""
    return _read(Path(path), lambda file: {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


def _read(path: Path, arrays: Callable[[Any], dict[str, np.ndarray]]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        with safe_open(path, framework="numpy") as file:
            return arrays(file), json.loads((file.metadata() or {}).get("facts", "{}"))
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path} with weights; train first, or check the path") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file ({error}); is it the right one?") from None


def read_facts(path: str | Path) -> dict[str, Any]:
    """The facts in a file alone, as `read_weights`."""
    return _read(Path(path), lambda file: {})[1]


def save_checkpoint(path: str | Path, model: Module, optimizer: Optimizer, facts: dict[str, Any]) -> None:
    """Write all that training needs to go on as if it had never stopped: weights, optimiser and `facts`."""
    arrays = {f"model.{name}": values for name, values in model.state_dict().items()}
    arrays |= {f"optimizer.{name}": values for name, values in optimizer.state_dict().items()}
    _write(Path(path), arrays, facts)


def load_checkpoint(path: str | Path, model: Module, optimizer: Optimizer) -> dict[str, Any]:
    """Restore what `save_checkpoint` wrote, and return its facts.

    CheckpointError like `load_weights`, also for an optimiser of another kind; then nothing has changed, neither in the
    model nor in the optimiser.
    """
    arrays, facts = read_weights(path)
    parts: dict[str, dict[str, np.ndarray]] = {"model": {}, "optimizer": {}}
    for name, values in arrays.items():
        part, _, rest = name.partition(".")
        parts.get(part, {})[rest] = values
    if "t" not in parts["optimizer"]:
        raise CheckpointError(f"{path} holds weights, but no state of an optimiser; it cannot be resumed from")
    with _naming(path):
        model.check_state_dict(parts["model"])
        optimizer.check_state_dict(parts["optimizer"])
    model.load_state_dict(parts["model"])
    optimizer.load_state_dict(parts["optimizer"])
    return facts


def _write(path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    contiguous = {name: np.ascontiguousarray(values).reshape(values.shape) for name, values in arrays.items()}
    write_whole(path, lambda temporary: save_file(contiguous, temporary, metadata={"facts": json.dumps(facts)}))


@contextlib.contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Turn a ValueError about what is in a file into a CheckpointError that names the file."""
    try:
        yield
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from None
