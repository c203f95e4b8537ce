"""The first batch of a run, looked at from inside: the page `player.html`, and the table that --explain prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from models.run import Run
from tinygrad_edu import Tensor, ops
from tinygrad_edu.inspection import explain, player, trace
from tinygrad_edu.nn import Module, Parameter


def look_inside(
    run: Run,
    model: Module | None,
    loss: Callable[..., Tensor],
    batches: Callable[[], Iterable[tuple]],
    items: int | None = None,
) -> None:
    """Watch the backward pass of the first batch, and leave no trace of it: the run goes on as if nobody had looked.

    Parameters
    ----------
    model : Module or None
        Its parameters end without gradients, its buffers, such as running means, as they were.
    loss : callable
        The loss of one batch, `loss(*batch)`.
    batches : callable
        Returns the batches of an epoch, as for `training.fit`.
    items : int, optional
        Look at so many items of the batch alone: a step of a large network, computed again in double precision, would
        need more memory than its training.
    """
    if run.group.rank:
        return
    generators = run.generators.values()
    states = [generator.bit_generator.state for generator in generators]
    tensors = [tensor for _, tensor in model.named_tensors()] if model else []
    buffers = [(tensor, tensor.data.copy()) for tensor in tensors if not isinstance(tensor, Parameter)]
    first = tuple(array[:items] for array in next(iter(batches())))
    seen = trace(lambda: loss(*first), differences=2)
    for tensor in tensors:
        tensor.grad = None
    for tensor, before in buffers:
        tensor.data = before
    for generator, state in zip(generators, states):
        generator.bit_generator.state = state
    what = "the first batch" if items is None else f"{len(first[0])} items of the first batch"
    player(seen, run.out / "player.html", title=f"{run.options.model}, {what} of {run.data['name']}")
    if run.options.explain:
        print(explain(seen), flush=True)


def compare_with_engine(
    run: Run, X: np.ndarray, T: np.ndarray, W: np.ndarray, b: np.ndarray, gradW: np.ndarray, gradb: np.ndarray
) -> None:
    """For softmax regression by hand, which has no backward pass to watch: what the engine makes of the same batch.

    Parameters
    ----------
    X, T : array (N, 784), (N, 10)
        Images, and their digits one-hot.
    W, b : array (784, 10), (10,)
    gradW, gradb : array
        As derived by hand.
    """
    weight, bias = Parameter(W.copy()), Parameter(b.copy())

    def loss_of(images: np.ndarray, one_hot: np.ndarray) -> Tensor:
        return ops.softmax_cross_entropy(ops.linear(images, weight, bias), one_hot.argmax(axis=1))

    look_inside(run, None, loss_of, lambda: [(X, T)])
    if run.options.explain:
        apart = max(np.abs(gradW - weight.grad).max(), np.abs(gradb - bias.grad).max())
        print(f"That is the engine's walk; the gradients by hand are the same, none off by more than {apart:.1e}")
        print(end="", flush=True)
