"""One forward and one backward of a module of PyTorch's, by its own hooks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_edu.interop.matching import as_numpy
from tinygrad_edu.interop.runs import Run, Seen, cotangent, first_tensor


def is_torch(theirs: Any) -> bool:
    """Whether this is a module of PyTorch's, which is not imported to find out."""
    return hasattr(theirs, "register_forward_hook")


def images_last(values: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C), and back by `images_first`; anything else as it is."""
    return values.transpose(0, 2, 3, 1) if values.ndim == 4 else values


def images_first(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if values.ndim == 4 else values


def run_torch(module: Any, batch: np.ndarray, training: bool) -> Run:
    """By PyTorch's own hooks. What is changed for it, such as the modes and the running statistics, is put back."""
    torch = sys.modules["torch"]  # there, since its module is
    seen: dict[str, Seen] = {}
    parameters = dict(module.named_parameters())
    with contextlib.ExitStack() as undo:
        _put_back(undo, torch, module)
        for name, part in module.named_modules():
            undo.enter_context(_torch_mode(part, training))
            children = list(part.children())
            if not children or part._parameters:
                layer = Seen(name, type(part).__name__, not children)
                undo.callback(part.register_forward_pre_hook(_torch_hook(seen, layer, part, "input")).remove)
                undo.callback(part.register_forward_hook(_torch_hook(seen, layer, part, "output")).remove)
        x = torch.from_numpy(np.array(images_first(batch)))
        like = next(iter(parameters.values()), x)
        x = x.to(like.device, like.dtype).requires_grad_() if x.is_floating_point() else x.to(like.device)
        with torch.enable_grad():
            output = first_tensor(module(x))
            result = images_last(as_numpy("first_difference", "the output", output))
            if output.requires_grad:
                V = torch.from_numpy(np.array(images_first(cotangent(result.shape, result.dtype))))
                output.backward(V.to(output.device))
        found = {name: p.grad for name, p in parameters.items() if p.grad is not None}
        gradients = {name: as_numpy("first_difference", name, gradient) for name, gradient in found.items()}
    return Run(result, list(seen.values()), gradients)


def _put_back(undo: contextlib.ExitStack, torch: Any, module: Any) -> None:
    """Forget the gradients; at the end, these and the running statistics are as they were."""

    def restore(tensor: Any, values: Any) -> None:
        with torch.no_grad():
            tensor.copy_(values)

    for buffer in module.buffers():
        undo.callback(restore, buffer, buffer.clone())
    for parameter in module.parameters():
        undo.callback(setattr, parameter, "grad", parameter.grad)
        parameter.grad = None


@contextlib.contextmanager
def _torch_mode(part: Any, training: bool) -> Iterator[None]:
    """Evaluation but for normalisation, if wanted. A recurrent layer has a backward on a GPU in training alone."""
    mode, recurrent = part.training, hasattr(part, "num_layers") and hasattr(part, "batch_first")
    dropout = part.dropout if recurrent else None
    try:
        part.training = recurrent or (training and hasattr(part, "running_mean"))
        if recurrent:
            part.dropout = 0.0
        yield
    finally:
        part.training = mode
        if recurrent:
            part.dropout = dropout


def _torch_hook(seen: dict[str, Seen], layer: Seen, part: Any, side: str) -> Any:
    time_first = getattr(part, "batch_first", True) is False

    def ours(tensor: Any) -> np.ndarray | None:
        if tensor is None:  # the gradient of an output that nothing uses, such as that of every step beside h
            return None
        values = images_last(as_numpy("first_difference", layer.name, tensor.clone()))
        return values.swapaxes(0, 1) if time_first and values.ndim == 3 else values

    def hook(_: Any, inputs: Any, output: Any = None) -> None:
        tensor = first_tensor(inputs if side == "input" else output)
        if getattr(layer, side) is not None or not hasattr(tensor, "register_hook"):
            return
        seen.setdefault(layer.name, layer)
        setattr(layer, side, ours(tensor))
        if tensor.requires_grad:
            tensor.register_hook(lambda gradient: setattr(layer, f"{side}_gradient", ours(gradient)))

    return hook
