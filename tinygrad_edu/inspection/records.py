"""What a trace is made of: leaves, steps with their inputs, and the trace itself. No code, but their meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tinygrad_edu.inspection.arrays import Seen
from tinygrad_edu.inspection.replay import Measured
from tinygrad_edu.inspection.watch import Book, Place
from tinygrad_edu.tensor import Tensor


@dataclass
class Leaf:
    """A tensor that no operation computed, and that the walk brought a gradient.

    Attributes
    ----------
    row : int
        Its place among all leaves and steps, in the order of birth.
    name, module : str
        What the network, or the user's variable, calls it, and the module it belongs to; empty where nobody watched.
    value : Seen
    gradient : Seen or None
        dL/d(this leaf), the sum of all that arrived; None where nothing did.
    arrived : list of (int, int)
        The rows of the steps that brought it, and the position among their inputs, in the order of the walk.
    """

    row: int
    name: str
    module: str
    value: Seen
    gradient: Seen | None = None
    arrived: list[tuple[int, int]] = field(default_factory=list)

    @property
    def label(self) -> str:
        return self.name or "a leaf"


@dataclass
class Input:
    """One input of a step, and what the step sent back to it.

    Attributes
    ----------
    name : str
        Of the operation's argument, such as `x` or `W`, where it is known.
    row : int or None
        The row of the leaf or step; None for a constant.
    value : Seen or None
        Of a constant; what a leaf or step is, it says itself.
    shape : tuple
    gradient : Seen or None
        dL/d(input) through this step alone; None where none was asked for.
    summed : tuple of int
        The axes of the output along which broadcasting had repeated this input, so that the step summed over them.
    measured : list of Measured
        Entries whose derivative through this step was measured by differences.
    """

    name: str
    row: int | None
    value: Seen | None
    shape: tuple[int, ...]
    gradient: Seen | None = None
    summed: tuple[int, ...] = ()
    measured: list[Measured] = field(default_factory=list)


@dataclass
class Step:
    """One operation, and what the walk did there.

    Attributes
    ----------
    number : int
        0 for the loss, then in the order of the walk.
    row : int
        Its place among all leaves and steps, in the order of birth.
    op, formula, code : str
        The operation, what its docstring says, and its lines.
    result : int or None
        An operation with several results, such as `lstm`, has a step for each, numbered here, and one for itself, which
        they hand their gradients to.
    inputs : list of Input
    value : Seen or None
        The output; None for the step of an operation with several results.
    gradient : Seen or None
        G = dL/d(output), the sum of all that arrived.
    arrived : list of (int, int)
        As of a `Leaf`. Where there are two or more, paths met, and the walk added.
    held : int
        Bytes that only the tape kept alive: the output and what the backward needs, each array counted with the first
        step that holds it; leaves are not counted.
    seconds : float
        That the step's backward took.
    place, module : Place, str
        The user's line of the forward, and the module at work; empty where nobody watched.
    unmeasured : str
        Why nothing was measured by differences; empty where something was, or nobody asked.
    """

    number: int
    row: int
    op: str
    formula: str
    code: str
    result: int | None
    inputs: list[Input]
    value: Seen | None
    held: int
    place: Place
    module: str
    gradient: Seen | None = None
    arrived: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 0.0
    unmeasured: str = ""

    @property
    def label(self) -> str:
        return self.op if self.result is None else f"{self.op}, result {self.result}"


@dataclass(repr=False)
class Trace:
    """What one walk did: the steps in its order, `for step in trace`, and all rows in the order of birth.

    Attributes
    ----------
    rows : list of Leaf and Step
        In the order of birth; inputs come before what was computed from them.
    steps : list of Step
        In the order of the walk.
    leaves : list of Leaf
    book : Book or None
        What `watch` saw of the forward.
    leaf_rows : dict
        Leaf, the tensor -> its row.
    """

    rows: list[Leaf | Step]
    steps: list[Step]
    book: Book | None
    leaf_rows: dict[Tensor, int] = field(repr=False)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        return f"Trace({len(self.steps):,} steps, {len(self.leaves):,} leaves; print(explain(trace)) tells of them)"

    def __getitem__(self, number: int) -> Step:
        return self.steps[number]

    @property
    def leaves(self) -> list[Leaf]:
        return [row for row in self.rows if isinstance(row, Leaf)]
