"""The ways from a loss to the tensors that it was computed from, and the gradient along one way alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.inspection.trace import result_number
from tinygrad_edu.tensor import Tensor

Edge = tuple[Tensor, int]  # a result, and the position of the input that its gradient goes to


class Routes:
    """The ways from the loss to the tensors of its graph."""

    def __init__(self, loss: Tensor, graph: list[Tensor]) -> None:
        self.loss = loss
        self.graph = sorted(graph, key=lambda t: t._serial)  # youngest first
        self.consumers: dict[Tensor, list[Edge]] = {}
        for y in self.graph:
            for position, x in enumerate(y._inputs):
                if x.requires_grad:
                    self.consumers.setdefault(x, []).append((y, position))

    def number_to(self, tensor: Tensor) -> int:
        """How many there are: those to a tensor are those to all that was computed from it."""
        number = {self.loss: 1}
        for x in self.graph:
            if x is not self.loss:
                number[x] = sum(number[y] for y, _ in self.consumers[x])
        return number[tensor]

    def to(self, tensor: Tensor) -> Iterator[list[Edge]]:
        """Each way as its edges, from the loss on; first those by the youngest."""
        way: list[Edge] = []
        open_ends = [iter(self.consumers.get(tensor, []))]
        if tensor is self.loss:
            yield []
        while open_ends:
            edge = next(open_ends[-1], None)
            if edge is None:
                open_ends.pop()
                if way:
                    way.pop()
            elif edge[0] is self.loss:
                yield [edge, *reversed(way)]
            else:
                way.append(edge)
                open_ends.append(iter(self.consumers[edge[0]]))


def along_path(path: list[Edge], gradient: Array) -> list[Array]:
    """The gradient after each step of one path, if it were the only one: the steps' own backwards, which are linear."""
    along = [gradient]
    for y, position in path:
        sent = _plain(y._backward)(along[-1])[position]
        if sent is None:  # as a backward may say for zeros
            X = y._inputs[position].data
            sent = array_module(X).zeros_like(X)
        # What a result of several hands on is no gradient; it puts it aside for the operation.
        along.append(along[-1] if result_number(y) is not None else sent)
    return along


def _plain(backward: Any) -> Any:
    """A backward without what `retain_grad` put around it, which would add to `.grad`."""
    return (
        backward.__closure__[backward.__code__.co_freevars.index("backward")].cell_contents
        if hasattr(backward, "retains")
        else backward
    )
