"""What is wrong with a backward pass, in plain words: one function, and some sentences, for each thing that goes wrong.

A sentence begins with what was seen and where, and ends with what it means or what to do.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_edu.inspection.records import Leaf, Step, Trace
from tinygrad_edu.inspection.summary import in_bytes
from tinygrad_edu.inspection.watch import Birth, Book
from tinygrad_edu.tensor import Tensor

DIED, EXPLODED = 1e-4, 1e3  # |G| against the largest before it, or the smallest
SILENT = 0.5  # share of a ReLU's units that are off for the whole batch, from which on it is worth a sentence


UNWATCHED = (
    " What was cut off from it shows only where the forward was watched: hand over a function that computes the loss."
)


def diagnose(trace: Trace) -> list[str]:
    """All that is wrong; then where memory and time went."""
    wrong = [*not_finite(trace), *silent_relus(trace), *without_gradient(trace), *norms(trace)]
    if not wrong:
        reached = [leaf for leaf in trace.leaves if leaf.gradient is not None]
        wrong = [
            f"Nothing is wrong that this would see: every number is finite, and a gradient reached each leaf of this "
            f"graph, {len(reached)} in all.{'' if trace.book else UNWATCHED}"
        ]
    return [*wrong, *memory(trace), *seconds(trace)]


def where(step: Step) -> str:
    """ "step 3, relu (layers.1, net.py:12)": a step by its number in the walk, module and line."""
    beside = ", ".join(filter(None, (step.module, str(step.place))))
    return f"step {step.number}, {step.label}" + (f" ({beside})" if beside else "")


# --- NaN and infinity ---


def not_finite(trace: Trace) -> Iterator[str]:
    """The first number that is none, in the order of the forward; if all are, in the order of the backward."""
    for row in trace.rows:
        if row.value is None or row.value.is_finite:
            continue
        what = _bad(row.value.nans, row.value.infinities, row.value.size)
        if isinstance(row, Leaf):
            yield f"The first {what} are in the leaf {row.label}, before any operation: where do its values come from?"
            return
        yield f"The first {what} came up in the forward: {where(row)} computed them{_from(trace, row)}.{_line(row)}"
        return
    for step in trace:
        for x in step.inputs:
            if x.gradient is None or x.gradient.is_finite:
                continue
            what = _bad(x.gradient.nans, x.gradient.infinities, x.gradient.size)
            yield (
                f"All values of the forward are finite; the first {what} came up in the backward: {where(step)} "
                f"sent them back{_from(trace, step)}.{_line(step)}"
            )
            return


def _bad(nans: int, infinities: int, size: int) -> str:
    parts = [f"{n:,} {what}" for n, what in ((nans, "NaN"), (infinities, "infinite")) if n]
    return f"{' and '.join(parts)} of {size:,} numbers"


def _from(trace: Trace, step: Step) -> str:
    """What went in: the range of each input."""
    ranges = []
    for x in step.inputs:
        value = x.value if x.row is None else trace.rows[x.row].value
        if value is not None and value.size:
            ranges.append(f"{x.name or 'its input'} lay between {value.smallest:.4g} and {value.largest:.4g}")
    return ", where " + " and ".join(ranges) if ranges else ""


def _line(step: Step) -> str:
    return f" The line: {step.place.text}" if step.place.text else ""


# --- units that are off ---


def silent_relus(trace: Trace) -> Iterator[str]:
    """ReLUs of which half of the units or more are 0 for every item of the batch."""
    for row in trace.rows:
        if not isinstance(row, Step) or row.op != "relu" or row.value is None or not row.value.shape:
            continue
        units, silent = row.value.shape[-1], row.value.silent
        items = row.value.size // max(units, 1)
        if items > 1 and silent >= SILENT * units:
            whole = "is never on" if silent == units else "is hardly ever on"
            yield (
                f"A ReLU {whole}: {where(row)} gives 0 in {silent:,} of {units:,} units for all {items:,} items"
                f"{_from(trace, row)}. No gradient passes such a unit, so what feeds it does not learn: look at the "
                "bias and the scale of the weights before it, or lower the learning rate if training brought it there."
            )


# --- parameters without a gradient ---


def without_gradient(trace: Trace) -> Iterator[str]:
    """Parameters that the walk did not reach, or brought nothing but zeros; each with the reason."""
    names = _candidates(trace)
    reasons: dict[str, list[str]] = {}
    for tensor, name in names.items():
        row = trace.leaf_rows.get(tensor)
        reason = why_unreached(trace.book, tensor) if row is None else _why_zero(trace, row)
        if reason:
            reasons.setdefault(reason, []).append(name)
    for reason, missing in reasons.items():
        shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6:,} more" if len(missing) > 6 else "")
        yield f"No gradient for {shown}. Why: {reason}"


def _candidates(trace: Trace) -> dict[Tensor, str]:
    """All that could get a gradient: parameters of the networks that were seen at work, and leaves of the user's."""
    rows = trace.rows
    found = {tensor: rows[row].label for tensor, row in trace.leaf_rows.items() if isinstance(rows[row], Leaf)}
    if trace.book:
        for root in trace.book.roots:
            found = {parameter: name for name, parameter in root.named_parameters()} | found
        found = {tensor: trace.book.names.get(tensor, "a leaf") for tensor in trace.book.uses} | found
    return found


def why_unreached(book: Book | None, tensor: Tensor) -> str:
    """Why the walk did not come to a tensor."""
    if not tensor.requires_grad:
        return "frozen, requires_grad is False."
    uses = book.uses.get(tensor, []) if book else []
    if not uses:
        return "no operation used it in this forward; was its module called?"
    if not any(birth.recorded for birth in uses):
        return f"{_told(uses[0])} ran inside no_grad(), so it is not on the tape."
    return f"the loss was not computed from what {_told(uses[0])} computed{_cut(book)}."


def _why_zero(trace: Trace, row: int) -> str:
    """Why a leaf got a gradient of zeros; empty where it did not."""
    leaf = trace.rows[row]
    if leaf.gradient is None:
        return "the steps that used it returned None for it."
    if leaf.gradient.norm > 0 or not leaf.gradient.is_finite or not leaf.gradient.size:
        return ""
    lost = _lost_at(trace, row)
    if lost is None:
        return "the gradient that the walk began with is 0."
    values = [(x.name or "an input", x.value if x.row is None else trace.rows[x.row].value) for x in lost.inputs]
    zeros = [name for name, value in values if value is not None and value.size and value.zeros == 1]
    cause = f", whose {zeros[0]} is 0 everywhere" if zeros else _one_time_step(lost, trace.rows[row])
    return f"it is 0 everywhere, and becomes so in {where(lost)}{cause}."


def _one_time_step(lost: Step, leaf: Leaf | Step) -> str:
    """The reason that a recurrent operation has, for the weights that multiply its state."""
    by_name = {x.name: x for x in lost.inputs}
    if "U" not in by_name or by_name["U"].row != leaf.row or by_name["x"].shape[1] > 1:
        return ""
    return ": with a single time step they multiply nothing but the state that it began with, which is 0"


def _cut(book: Book | None) -> str:
    if not book or not book.severed:
        return ""
    origin, taker = book.severed[0]
    return (
        f": the result of {_told(origin)} lost its history, by .detach(), .data or .numpy(), before {_told(taker)} "
        "used its values"
    )


def _told(birth: Birth) -> str:
    beside = ", ".join(filter(None, (birth.module, str(birth.place))))
    return birth.op + (f" ({beside})" if beside else "")


def _lost_at(trace: Trace, row: int) -> Step | None:
    """The step that was given a gradient and sent back zeros, on the way from the loss to a row."""
    waiting, seen = [row], {row}
    while waiting:
        for consumer, position in trace.rows[waiting.pop()].arrived:
            step = trace.rows[consumer]
            assert isinstance(step, Step)
            sent = step.inputs[position].gradient
            # An operation with several results has no G of its own; its results have.
            given = [step] if step.gradient else [trace.rows[result] for result, _ in step.arrived]
            if any(g.gradient and g.gradient.norm > 0 for g in given) and sent is not None and sent.norm == 0:
                return step
            if consumer not in seen:
                seen.add(consumer)
                waiting.append(consumer)
    return None


# --- how large gradients are along the walk ---


def norms(trace: Trace) -> Iterator[str]:
    """Where |G|, the norm of dL/d(output), dies out or explodes on its way from the loss."""
    steps = [step for step in trace if step.gradient and step.gradient.is_finite and step.gradient.norm > 0]
    if len(steps) < 3:
        return
    sizes = np.array([step.gradient.norm for step in steps if step.gradient])
    fall = sizes / np.maximum.accumulate(sizes)
    rise = sizes / np.minimum.accumulate(sizes)
    for ratio, verb, advice in (
        (fall, "dies out", "what lies behind hardly learns"),
        (rise, "explodes", "a step along it goes far too far, and clip_grad_norm shortens it"),
    ):
        died = verb == "dies out"
        b = int(np.argmin(ratio) if died else np.argmax(ratio))
        if DIED < ratio[b] < EXPLODED:
            continue
        a = int(np.argmax(sizes[: b + 1]) if died else np.argmin(sizes[: b + 1]))
        factor = (sizes[b] / sizes[a]) ** (1 / max(b - a, 1))
        yield (
            f"The gradient {verb}: |G| goes from {sizes[a]:.3g} at {where(steps[a])} to {sizes[b]:.3g} at "
            f"{where(steps[b])}, times {factor:.3g} a step on average; {advice}."
        )


# --- what it cost ---


def memory(trace: Trace) -> Iterator[str]:
    """What the tape held, and the three that held most of it."""
    total = sum(step.held for step in trace)
    most = [step for step in sorted(trace, key=lambda step: -step.held)[:3] if step.held > 0.05 * total]
    shares = ", ".join(f"{where(step)} {in_bytes(step.held)}" for step in most)
    yield f"The tape held {in_bytes(total)}" + (f"; most of it: {shares}." if most else ", no step much of it.")


def seconds(trace: Trace) -> Iterator[str]:
    """How long the steps' backwards took, and the slowest."""
    slowest = max(trace, key=lambda step: step.seconds)
    total = sum(step.seconds for step in trace)
    yield (
        f"The {len(trace):,} backwards took {1e3 * total:.3g} ms; the slowest: {where(slowest)} "
        f"{1e3 * slowest.seconds:.3g} ms."
    )
