"""A backward pass in words: a table of its steps with a diagnosis, or why one gradient is what it is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, to_numpy
from tinygrad_edu.inspection.arrays import KEPT, Seen
from tinygrad_edu.inspection.diagnosis import diagnose, why_unreached
from tinygrad_edu.inspection.records import Input, Leaf, Step, Trace
from tinygrad_edu.inspection.routes import Edge, Routes, along_path
from tinygrad_edu.inspection.summary import in_bytes
from tinygrad_edu.inspection.trace import computed, graph_of, result_number, trace
from tinygrad_edu.inspection.watch import BIRTHS
from tinygrad_edu.markup import Html, ends, table, tag
from tinygrad_edu.tensor import Tensor

SHOWN = 60  # rows of a table; of a longer one the two ends
PATHS = 8


@dataclass
class Part:
    """A table under a title."""

    title: str
    head: Sequence[str]
    rows: Sequence[tuple[str, ...]]


@dataclass
class Explanation:
    """What `explain` found: print it, or let a notebook show it.

    Attributes
    ----------
    title : str
    parts : list of Part
        Tables.
    findings : list of str
        Sentences.
    trace : Trace
        The numbers themselves.
    """

    title: str
    parts: list[Part]
    findings: list[str]
    trace: Trace = field(repr=False)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, most: int = SHOWN) -> str:
        """Tables with up to `most` rows each, and the sentences below."""
        lines = [self.title]
        for part in self.parts:
            lines += ["", *([part.title] if part.title else []), *_columns(part.head, part.rows, most)]
        return "\n".join([*lines, "", *self.findings])

    def _repr_html_(self) -> str:
        blocks: list[Html] = [tag("p", tag("strong", self.title))]
        for part in self.parts:
            first, left_out, last = ends(part.rows, SHOWN)
            rows = [*first, *([(_left_out(left_out),)] if left_out else []), *last]
            blocks += [tag("p", part.title), table(part.head, rows)]
        return tag("div", *blocks, tag("ul", *(tag("li", sentence) for sentence in self.findings)))


def explain(
    loss: Tensor | Callable[[], Tensor] | Trace,
    tensor: Tensor | None = None,
    *,
    entry: tuple[int, ...] | None = None,
    gradient: Tensor | Array | None = None,
    retain_graph: bool = False,
) -> Explanation:
    """Run `loss.backward()` and say what it did; or, with a tensor, why dL/d(that tensor) is what it is.

    The walk is the real one: it adds to every leaf's `.grad`.

    Parameters
    ----------
    loss : Tensor, or function without arguments that computes it, or Trace
        As for `trace`: from a function, source lines and modules are known. A trace is explained without another walk.
    tensor : Tensor, optional
        Any tensor that the loss depends on: a leaf, or a result between. The answer shows what was added where paths
        meet, and every path from the loss to it with the factor of each step: by how much the gradient's norm grew;
        for single numbers the derivative itself. The gradient of a path by itself is found by walking it alone.
    entry : tuple of int, optional
        Of the tensor: that number's gradient is followed, instead of the norm of the whole.
    gradient, retain_graph
        As for `backward`.

    Raises as `trace`; ValueError where the loss does not depend on `tensor`, or it has no such entry.
    """
    if isinstance(loss, Trace):
        if tensor is not None:
            raise TypeError("explain: one tensor is explained by walking its paths; hand over the loss, not a trace")
        return _of_all(loss)
    loss = computed("explain", loss)
    if tensor is None:
        return _of_all(trace(loss, gradient, retain_graph=retain_graph))
    checks.instance("explain", "tensor", tensor, Tensor, "a Tensor")
    graph = graph_of(loss)
    if tensor not in graph:
        birth = BIRTHS.get(loss)
        why = (
            why_unreached(birth.book, tensor) if birth else "hand over the function that computes the loss to see why."
        )
        raise ValueError(f"explain: no gradient comes to this tensor, the loss does not depend on it. {why}")
    index = _checked(entry, tensor)
    start = loss._initial_gradient(gradient)
    routes = Routes(loss, graph)
    walked = [(path, along_path(path, start)) for path in itertools.islice(routes.to(tensor), PATHS)]
    number = routes.number_to(tensor)
    labels = {edge: _label(*edge) for path, _ in walked for edge in path}
    rows = {x: row for row, x in enumerate(sorted(graph, key=lambda t: -t._serial))}
    keep = KEPT if index is None else max(KEPT, tensor.data.size)  # an entry is read from the gradients themselves
    seen = trace(loss, gradient, retain_graph=retain_graph, keep=keep)
    return _of_one(seen, rows[tensor], index, walked, number, labels)


# --- the whole pass ---


def _of_all(seen: Trace) -> Explanation:
    head = ("step", "operation", "module", "output", "|G|", "sent back", "added", "held", "µs", "line")
    return Explanation(
        f"The backward pass in {len(seen):,} steps, from the loss to {len(seen.leaves):,} leaves; "
        f"|G| is the norm of G = dL/d(output){_loss_text(seen)}",
        [Part("", head, [_row(seen, step) for step in seen]), _leaves(seen)],
        diagnose(seen),
        seen,
    )


def _loss_text(seen: Trace) -> str:
    value = seen[0].value
    return f"; the loss is {value.grid.values.item():.6g}" if value is not None and value.size == 1 else ""


def _row(seen: Trace, step: Step) -> tuple[str, ...]:
    G, value = step.gradient, step.value
    return (
        str(step.number),
        step.label,
        step.module,
        _shape(value.shape) if value else "",
        _norm(G) if G else "",
        ", ".join(_sent(seen, x) for x in step.inputs if x.gradient),
        str(len(step.arrived)) if len(step.arrived) > 1 else "",
        in_bytes(step.held),
        f"{1e6 * step.seconds:.0f}",
        str(step.place),
    )


def _sent(seen: Trace, x: Input) -> str:
    """ "W 0.31": what an input is called, and the norm of what was sent back to it."""
    assert x.gradient is not None
    summed = f" (summed over axes {', '.join(map(str, x.summed))})" if x.summed else ""
    row = seen.rows[x.row] if x.row is not None else None
    name = x.name or (row.name if isinstance(row, Leaf) else "")
    return f"{name} {_norm(x.gradient)}{summed}".strip()


def _norm(g: Seen) -> str:
    return "NaN!" if g.nans else "inf!" if g.infinities else f"{g.norm:.3g}"


def _leaves(seen: Trace) -> Part:
    rows = []
    for leaf in seen.leaves:
        g = leaf.gradient
        numbers = ("none", "", "") if g is None else (_norm(g), f"{g.smallest:.3g}", f"{g.largest:.3g}")
        zeros = "" if g is None else f"{100 * g.zeros:.0f}%"
        rows.append((leaf.label, _shape(leaf.value.shape), *numbers, zeros, str(len(leaf.arrived))))
    head = ("leaf", "shape", "|gradient|", "smallest", "largest", "zeros", "uses")
    return Part("", head, rows)


# --- one tensor ---


def _label(y: Tensor, position: int) -> str:
    birth = BIRTHS.get(y)
    number = result_number(y)
    beside = ", ".join(filter(None, (birth.module, str(birth.place)))) if birth else ""
    name = y.op if number is None else f"{y.op}, result {number}"
    return name + (f" ({beside})" if beside else "")


def _of_one(
    seen: Trace,
    row: int,
    index: tuple[int, ...] | None,
    walked: list[tuple[list[Edge], list[Array]]],
    number: int,
    labels: dict[Edge, str],
) -> Explanation:
    target = seen.rows[row]
    name = target.label if isinstance(target, Leaf) else f"the result of {target.label}"
    what = "its norm" if index is None else f"entry {index}"
    total = target.gradient
    parts = [_added(seen, target, index), *_paths(walked, number, labels, index)]
    value = (
        ""
        if total is None or total.values is None or index is None
        else f", entry {index} is {total.values[index]:.6g}"
    )
    title = f"dL/d({name}), shape {_shape(target.value.shape if target.value else ())}"
    if total is not None:
        title += f": norm {total.norm:.4g}, from {total.smallest:.4g} to {total.largest:.4g}{value}"
    sentences = [f"Shown of each gradient is {what}; gradients add, their norms do not."]
    if number > len(walked):
        sentences.append(f"{number - len(walked):,} further paths are not shown; what was added above is all of them.")
    elif total is not None and total.values is not None:
        whole = sum(to_numpy(along[-1]).astype(np.float64) for _, along in walked)
        apart = float(np.abs(whole - total.values).max(initial=0))
        sentences.append(f"The paths' gradients add up to it: no entry is off by more than {apart:.1e}.")
    return Explanation(title, parts, sentences, seen)


def _added(seen: Trace, target: Leaf | Step, index: tuple[int, ...] | None) -> Part:
    rows = []
    for consumer, position in target.arrived:
        step = seen.rows[consumer]
        assert isinstance(step, Step)
        x = step.inputs[position]
        assert x.gradient is not None
        shown = f"{x.gradient.norm:.4g}"
        if index is not None and x.gradient.values is not None:
            shown = f"{x.gradient.values[index]:.6g}"
        rows.append((f"step {step.number}", step.label, x.name, step.module, str(step.place), shown))
    many = len(rows) > 1
    title = (
        f"It is the sum of {len(rows)} gradients:" if many else "It came from one step:" if rows else "It is the loss."
    )
    return Part(title, ("from", "operation", "as", "module", "line", "gradient"), rows)


def _paths(
    walked: list[tuple[list[Edge], list[Array]]], number: int, labels: dict[Edge, str], index: tuple[int, ...] | None
) -> Iterator[Part]:
    for i, (path, along) in enumerate(walked, 1):
        sizes = [_size(g) for g in along]
        final = to_numpy(along[-1])
        contribution = f"{sizes[-1]:.4g}" if index is None else f"{final[index]:.6g}"
        rows = [
            (labels[edge], _factor(before, after), f"{_size(after):.4g}")
            for edge, before, after in zip(path, along, along[1:])
        ]
        title = f"Path {i} of {number:,}, which contributes {contribution}:"
        if index is not None:
            title = f"Path {i} of {number:,}, which contributes {contribution} to the entry; below, norms of the whole:"
        yield Part(title, ("step", "factor", "norm after it"), rows)


def _factor(before: Array, after: Array) -> str:
    if before.size == after.size == 1 and float(before.reshape(())) != 0:
        return f"x {float(after.reshape(())) / float(before.reshape(())):.4g}"
    size = _size(before)
    return f"x {_size(after) / size:.4g}" if size else "-"


def _size(g: Array) -> float:
    return float(array_module(g).sqrt((g.astype(np.float64) ** 2).sum()))


def _checked(entry: tuple[int, ...] | None, tensor: Tensor) -> tuple[int, ...] | None:
    if entry is None:
        return None
    index = tuple(entry) if isinstance(entry, tuple | list) else (entry,)
    shape = tensor.data.shape
    if len(index) != len(shape) or not all(checks.is_whole(i) and -n <= i < n for i, n in zip(index, shape)):
        raise ValueError(
            f"explain: a tensor of shape {shape} has no entry {checks.shown(entry)}; name one number, such as (0, 0)"
        )
    return index


# --- tables ---


def _shape(shape: tuple[int, ...]) -> str:
    return str(tuple(shape))


def _left_out(n: int) -> str:
    return f"... {n:,} not shown; .text(most={10 * n}) shows all"


def _columns(head: Sequence[str], rows: Sequence[tuple[str, ...]], most: int) -> list[str]:
    """A table in lines; columns that are empty are left out."""
    used = [i for i in range(len(head)) if any(row[i] for row in rows)]
    first, left_out, last = ends(rows, most)
    shown = [[row[i] for i in used] for row in (tuple(head), *first, *last)]
    widths = [max(len(line[i]) for line in shown) for i in range(len(used))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in shown]
    lines.insert(1, "-" * max(map(len, lines), default=0))
    if left_out:
        lines.insert(2 + len(first), _left_out(left_out))
    return lines
