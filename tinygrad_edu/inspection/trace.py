"""What one walk back through a graph did, as data.

`trace` lets `backward()` itself walk, over steps each of which was told to keep what it was given and what it gave
back. So every gradient here is the one that training gets, to the last bit.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu import tensor as engine
from tinygrad_edu.backend import Array
from tinygrad_edu.inspection.arrays import KEPT, Seen, see
from tinygrad_edu.inspection.formula import code_of, formula_of, function_of
from tinygrad_edu.inspection.memory import held_by
from tinygrad_edu.inspection.records import Input, Leaf, Step, Trace
from tinygrad_edu.inspection.replay import measure
from tinygrad_edu.inspection.watch import BIRTHS, Birth, Book, Place, watch
from tinygrad_edu.ops.support import unbroadcast
from tinygrad_edu.tensor import Tensor


def trace(
    loss: Tensor | Callable[[], Tensor],
    gradient: Tensor | Array | None = None,
    *,
    retain_graph: bool = False,
    keep: int = KEPT,
    differences: int = 0,
) -> Trace:
    """Run `loss.backward()` and return what every step of the walk did.

    Parameters
    ----------
    loss : Tensor, or function without arguments that computes it
        A function is run inside `watch()`, so that source lines and modules are known. So they are of a tensor that was
        computed inside one.
    gradient, retain_graph
        As for `backward`.
    keep : int
        Arrays of up to so many entries are kept; of all there are statistics.
    differences : int
        Of so many entries of each step's inputs, the derivative through the step is measured by differences as well.

    Raises RuntimeError for a leaf, a graph that was released, a tensor that requires no gradient, or one of several
    elements without a `gradient`; then no `.grad` has changed.
    """
    loss, keep = computed("trace", loss), checks.whole("trace", "keep", keep)
    differences = checks.whole("trace", "differences", differences)
    tensors = graph_of(loss)
    rows = {tensor: row for row, tensor in enumerate(sorted(tensors, key=lambda t: -t._serial))}
    steps = [tensor for tensor in tensors if tensor._backward]
    held = held_by(steps)
    results = _results_of(steps)
    births = {tensor: BIRTHS[tensor] for tensor in steps if tensor in BIRTHS}
    described = {tensor: _describe(tensor, rows, births.get(tensor), held[tensor], keep) for tensor in steps}
    kept = {tensor: (tensor._backward, tensor._inputs) for tensor in steps}

    given: dict[Tensor, Array] = {}
    returned: dict[Tensor, tuple] = {}  # in the order of the walk
    seconds: dict[Tensor, float] = {}

    def observe(tensor: Tensor) -> Any:
        backward: Any = tensor._backward

        def observed(G):
            start = time.perf_counter()
            gradients = backward(G)
            seconds[tensor] = time.perf_counter() - start
            given[tensor], returned[tensor] = G, gradients
            return gradients

        observed.__qualname__ = backward.__qualname__
        if hasattr(backward, "retains"):
            observed.retains = True  # type: ignore[attr-defined]
        return observed

    try:
        for tensor in steps:
            tensor._backward = observe(tensor)
        with np.errstate(all="ignore"):
            loss.backward(gradient, retain_graph=retain_graph)
    finally:
        for tensor, (backward, _) in kept.items():
            if tensor._backward is not engine._released:
                tensor._backward = backward

    birth = BIRTHS.get(loss)
    book = birth.book if birth else None
    leaves = {tensor: _leaf(tensor, rows[tensor], book, keep) for tensor in tensors if tensor not in described}
    sums: dict[Tensor, Array] = {}
    order = []
    for number, (tensor, gradients) in enumerate(returned.items()):
        step, (backward, inputs) = described[tensor], kept[tensor]
        order.append(step)
        step.number, step.seconds = number, seconds[tensor]
        if step.value is not None:
            step.gradient = see(given[tensor], keep)
        for position, (x, g) in enumerate(zip(inputs, gradients)):
            if g is None or not x.requires_grad:
                continue
            g = g if step.result is None else given[tensor]  # what the result put aside for its operation
            step.inputs[position].gradient = see(g, keep)
            step.inputs[position].summed = _summed(backward, tensor.data.shape, x.data.shape)
            (leaves.get(x) or described[x]).arrived.append((step.row, position))
            if x in leaves:
                sums[x] = sums[x] + g if x in sums else g
        if differences and step.result is None:
            outputs = results.get(tensor, [tensor])
            G = [given.get(output) for output in outputs]
            values = [output.data for output in outputs]
            call = births[tensor].call if tensor in births else None
            picked = [_picked(x.gradient) for x in step.inputs]
            found, step.unmeasured = measure(call, inputs, values, G, gradients, picked, differences)
            for position, measured in found.items():
                step.inputs[position].measured = measured
    for x, total in sums.items():
        leaves[x].gradient = see(total, keep)
    everything: dict[Tensor, Leaf | Step] = {**leaves, **described}
    return Trace([everything[tensor] for tensor in rows], order, book, {tensor: rows[tensor] for tensor in leaves})


def computed(name: str, loss: Tensor | Callable[[], Tensor]) -> Tensor:
    """The loss itself, or what the function computes; RuntimeError or TypeError where no walk can begin there."""
    if not isinstance(loss, Tensor):
        if not callable(loss):
            raise TypeError(f"{name}: expected a tensor, or a function that computes one; got {loss!r:.80}")
        with watch(), np.errstate(all="ignore"):  # what is not finite is told in the end
            result = loss()
        if not isinstance(result, Tensor):
            raise TypeError(f"{name}: the function must return the loss, a tensor; it returned {result!r:.80}")
        loss = result
    if loss._backward is engine._released:
        raise RuntimeError(
            f"{name}: this graph was walked and released, by backward(), trace(), explain() or player(); pass "
            "retain_graph=True to the earlier call, or hand over the function that computes the loss"
        )
    if not loss.requires_grad:
        raise RuntimeError(
            f"{name}: this tensor requires no gradient, so there is nothing to walk: it was computed inside no_grad(), "
            "from tensors without requires_grad=True, or from what was cut off by .detach(), .data or .numpy()"
        )
    if loss._backward is None:
        raise RuntimeError(
            f"{name}: this tensor is a leaf, no operation computed it; hand over a loss computed from it"
        )
    return loss


def graph_of(loss: Tensor) -> list[Tensor]:
    """All tensors that the walk from `loss` reaches; RuntimeError where a part of the graph was released."""
    found, waiting = {loss}, [loss]
    while waiting:
        tensor = waiting.pop()
        if tensor._backward is engine._released:
            raise RuntimeError(
                "a part of this graph was released by an earlier backward(), at a tensor of shape "
                f"{tensor.data.shape}; pass retain_graph=True to that call, or cut a carried state by nn.detach(state)"
            )
        for x in tensor._inputs:
            if x.requires_grad and x not in found:
                found.add(x)
                waiting.append(x)
    return list(found)


def _picked(gradient: Seen | None) -> list[tuple[int, ...]]:
    """The entries that are in the picture, those with the largest gradients first."""
    if gradient is None or not gradient.size:
        return []
    shape = gradient.shape or (1,)
    size = np.abs(np.nan_to_num(gradient.grid.values))
    places = np.unravel_index(np.argsort(-size, axis=None), size.shape)
    flat = [gradient.grid.rows[i] * shape[-1] + gradient.grid.columns[j] for i, j in zip(*places)]
    return [tuple(map(int, np.unravel_index(k, gradient.shape))) if gradient.shape else () for k in flat]


# --- one step ---


def _describe(tensor: Tensor, rows: dict[Tensor, int], birth: Birth | None, held: int, keep: int) -> Step:
    """What is known of a step before the walk."""
    backward: Any = tensor._backward
    function = function_of(tensor.op, backward)
    names = _argument_names(birth, tensor._inputs)
    return Step(
        number=-1,
        row=rows[tensor],
        op=tensor.op,
        formula=formula_of(function),
        code=code_of(function),
        result=result_number(tensor),
        inputs=[
            Input(name, rows.get(x), None if x in rows else see(x.data, keep), x.data.shape)
            for name, x in zip(names, tensor._inputs)
        ],
        value=None if has_results(tensor) else see(tensor.data, keep),
        held=held,
        place=birth.place if birth else Place(),
        module=birth.module if birth else "",
    )


def _leaf(tensor: Tensor, row: int, book: Book | None, keep: int) -> Leaf:
    name = book.names.get(tensor, "") if book else ""
    return Leaf(row, name, name.rpartition(".")[0], see(tensor.data, keep))


def _argument_names(birth: Birth | None, inputs: tuple[Tensor, ...]) -> list[str]:
    """The names of the operation's arguments that its inputs were handed over as; empty where they are not known."""
    if not (birth and birth.call):
        return ["" for _ in inputs]
    function, arguments, named = birth.call
    pairs = [*zip(inspect.signature(function).parameters, arguments), *named.items()]
    names: dict[Tensor, list[str]] = {}
    for name, value in pairs:
        if isinstance(value, Tensor):
            names.setdefault(value, []).append(name)
    given = {x: iter(names.get(x, ())) for x in inputs}  # one tensor may be several arguments
    return [next(given[x], "") for x in inputs]


def _summed(backward: Any, output: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of the output that `unbroadcast` summed over, for an input of this shape; none where it is not used."""
    if (
        not inspect.isfunction(backward)
        or unbroadcast.__name__ not in backward.__code__.co_names
        or len(shape) > len(output)
    ):
        return ()
    added = len(output) - len(shape)
    return tuple(i for i, n in enumerate(output) if i < added or (shape[i - added] == 1 and n != 1))


# --- an operation with several results hangs them on one hidden tensor, see `record_many` ---


def result_number(tensor: Tensor) -> int | None:
    """Which result of an operation with several a tensor is; None for any other."""
    backward: Any = tensor._backward
    return inspect.getclosurevars(backward).nonlocals["i"] if _code_name(backward) == "backward_one" else None


def _code_name(backward: Any) -> str:
    return backward.__code__.co_name if inspect.isfunction(backward) else ""


def has_results(tensor: Tensor) -> bool:
    """Whether a tensor is the hidden one."""
    backward: Any = tensor._backward
    return _code_name(backward) == "backward_all"


def _results_of(steps: list[Tensor]) -> dict[Tensor, list[Tensor]]:
    """Hidden tensor -> those of its results that the walk reaches, by number."""
    found: dict[Tensor, list[Tensor]] = {}
    for tensor in steps:
        if result_number(tensor) is not None:
            found.setdefault(tensor._inputs[0], []).append(tensor)
    return {whole: sorted(results, key=lambda t: result_number(t) or 0) for whole, results in found.items()}
