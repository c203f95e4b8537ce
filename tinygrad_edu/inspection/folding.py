"""How a tape is folded, so that a person can look at it: by module, and repetitions over time into one row.

A fold is a tree. Its leaves are the numbers of rows of a `Trace`; a leaf of the network stands in front of the step
that uses it first, and in front of a repetition, not inside it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tinygrad_edu.inspection.records import Leaf, Step, Trace

TIMES = 3  # how often a block must come in succession to be a repetition
LONGEST = 200  # steps in such a block


@dataclass
class Fold:
    """Some rows in succession, under one label; a part is the number of a row, or a fold itself."""

    label: str
    parts: list[int | Fold]


def fold(trace: Trace) -> list[int | Fold]:
    """All rows of a trace, folded, in the order in which the page shows them."""
    steps = [row for row in trace.rows if isinstance(row, Step)]
    signatures = [_signature(step) for step in steps]
    shown: set[int] = set()
    parts: list[int | Fold] = []
    flat: list[Leaf | Step] = []
    for start, length, times in _repetitions(signatures):
        block = steps[start : start + length * times]
        flat += _leaves_before(trace, block, shown) if times > 1 else []
        if times == 1:
            for step in block:
                flat += [*_leaves_before(trace, [step], shown), step]
            continue
        parts += _by_module(flat)
        flat = []
        pieces = [block[i : i + length] for i in range(0, len(block), length)]
        name = _common_module(block) or block[0].op
        if length == 1:
            parts.append(Fold(f"{name}: {times:,} x {block[0].label}", [step.row for step in block]))
        else:
            repetitions = [
                Fold(f"{name} {i:,} of {times:,}", _inside(list(piece))) for i, piece in enumerate(pieces, 1)
            ]
            parts.append(Fold(f"{name}: {times:,} x {length} steps", [*repetitions]))
    return parts + _by_module(flat)


def _signature(step: Step) -> tuple:
    """What two steps have in common that are the same step at different times."""
    return step.op, step.result, step.module, step.place.file, step.place.line, step.value and step.value.shape


def _repetitions(signatures: list[tuple]) -> Iterator[tuple[int, int, int]]:
    """(start, length of a block, how often it comes), of blocks that follow one another; the shortest blocks."""
    start = single = 0
    while start < len(signatures):
        length = _period(signatures, start)
        if not length:
            start += 1
            continue
        times = 1
        while signatures[start + times * length : start + (times + 1) * length] == signatures[start : start + length]:
            times += 1
        if single < start:
            yield single, start - single, 1
        yield start, length, times
        start = single = start + times * length
    if single < start:
        yield single, start - single, 1


def _period(s: list[tuple], start: int) -> int:
    """The shortest block that comes `TIMES` times from `start` on, six steps at least; 0 where none does."""
    for length in range(1, min(LONGEST, (len(s) - start) // TIMES) + 1):
        times = TIMES if length > 1 else 2 * TIMES
        block = s[start : start + length]
        if all(s[start + i * length : start + (i + 1) * length] == block for i in range(1, times)):
            return length
    return 0


def _leaves_before(trace: Trace, block: list[Step], shown: set[int]) -> list[Leaf | Step]:
    """The leaves that a block uses and nobody showed before."""
    rows = [x.row for step in block for x in step.inputs if x.row is not None]
    new = [row for row in dict.fromkeys(rows) if row not in shown and isinstance(trace.rows[row], Leaf)]
    shown.update(new)
    return [trace.rows[row] for row in new]


def _common_module(block: list[Step]) -> str:
    """The name that all modules of a block begin with."""
    paths = [step.module.split(".") for step in block]
    same = itertools.takewhile(lambda names: len(set(names)) == 1, zip(*paths))
    return ".".join(names[0] for names in same)


def _inside(rows: list[Leaf | Step]) -> list[int | Fold]:
    """What is in one repetition, without a fold around all of it."""
    parts = _by_module(rows)
    return parts[0].parts if len(parts) == 1 and isinstance(parts[0], Fold) else parts


def _outer(module: str, depth: int) -> str:
    """The module around it at some depth; of a list, the one in it: at depth 0, "layers.3" of "layers.3.body"."""
    return ".".join(re.split(r"\.(?!\d)", module)[: depth + 1])


def _by_module(rows: list[Leaf | Step], depth: int = 0) -> list[int | Fold]:
    """Rows in succession that belong to one module become a fold, and so do parts of modules inside it."""
    parts: list[int | Fold] = []
    for name, group in itertools.groupby(rows, key=lambda row: _outer(row.module, depth)):
        members = list(group)
        if not name or len(members) == 1:
            parts += [row.row for row in members]
            continue
        deeper = any(row.module != name for row in members)
        inside: list[int | Fold] = _by_module(members, depth + 1) if deeper else [*(row.row for row in members)]
        is_chain = len(inside) == 1 and isinstance(inside[0], Fold)
        parts += inside if is_chain else [Fold(name, inside)]
    return parts
