"""Which layers at work, ours and theirs, are to be compared."""

from __future__ import annotations

import itertools
from dataclasses import replace

from tinygrad_edu.interop.matching import Own, Theirs
from tinygrad_edu.interop.runs import Run, Seen

Sides = list[tuple[Seen, Seen]]
NOTHING = {"dropout", "identity"}  # what these do in evaluation


def sides_of(ours: Run, theirs: Run, layers: list[tuple[Own, Theirs]]) -> Sides:
    """Pairs in our order: layers with weights, and what stands alike between two of them, such as pooling."""
    there = {seen.name: (seen, i) for i, seen in enumerate(theirs.seen)}
    partner = {own.name: layer for own, layer in layers if _at_work(layer) in there}
    sides: Sides = []
    between: list[Seen] = []
    paired = {_at_work(layer) for layer in partner.values()}
    at = 0  # in theirs, behind the last pair
    for seen in ours.seen:
        if seen.name not in partner:
            between += [seen] if seen.is_leaf else []
            continue
        layer = partner[seen.name]
        other, position = there[_at_work(layer)]
        sides += _alike(between, theirs.seen[at:position], paired)
        sides.append((seen, _of_depth(other, layer, [t for _, t in layers])))
        between, at = [], position + 1
    return sides + _alike(between, theirs.seen[at:], paired)


def alone(ours: Run, theirs: Run, sides: Sides) -> list[str]:
    """The layers that were left over, by their labels and where they are."""
    done_here, done_there = ({side[i].name for side in sides} for i in (0, 1))
    return [
        f"{seen.label} {where}"
        for run, done, where in ((ours, done_here, "here"), (theirs, done_there, "there"))
        for seen in run.seen
        if seen.is_leaf and seen.name not in done and _kind(seen) not in NOTHING
    ]


def _at_work(layer: Theirs) -> str:
    """The name of the module that a layer's weights are in: of every depth of a recurrent one the same."""
    return layer.name.partition("[")[0]


def _of_depth(seen: Seen, layer: Theirs, layers: list[Theirs]) -> Seen:
    """A recurrent module of several depths shows the first one's input and the last one's output."""
    depths = [other.name for other in layers if _at_work(other) == _at_work(layer)]
    if layer.name != depths[0]:
        seen = replace(seen, input=None, input_gradient=None)
    return seen if layer.name == depths[-1] else replace(seen, output=None, output_gradient=None)


def _alike(ours: list[Seen], theirs: list[Seen], paired: set[str]) -> Sides:
    """Layers without weights: from the start, as far as the same kinds stand there."""
    ours = [seen for seen in ours if _kind(seen) not in NOTHING]
    theirs = [s for s in theirs if s.is_leaf and s.name not in paired and _kind(s) not in NOTHING]
    return list(itertools.takewhile(lambda side: _kind(side[0]) == _kind(side[1]), zip(ours, theirs)))


def _kind(seen: Seen) -> str:
    """MaxPool2d and MaxPooling2D are one kind, and so are ReLU, relu and Activation("relu")."""
    kind = seen.kind.lower().replace("pooling", "pool").replace("average", "avg").replace("_", "")
    return kind.removesuffix("2d")
