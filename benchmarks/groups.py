"""All rows, in groups: what stands together in one table of RESULTS.md, with the sentences that a reader needs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import (
    import_time,
    manners,
    markdown,
    model_memory,
    share,
    sizes,
    sizes_figure,
    tape,
    textbook,
)
from benchmarks.architectures import rows as architectures
from benchmarks.contender import Row
from benchmarks.harness import Result
from benchmarks.practicals import rows as practicals

Results = Sequence[Result]


@dataclass(frozen=True)
class Group:
    """Rows under one name for `--only`.

    Attributes
    ----------
    about : str
        What the table shows, and against which baseline.
    by_default : bool
        Whether the rows are measured when the command line names none.
    table : callable
        The lines of the group's table in Markdown.
    notes : callable
        The lines below it.
    figure : callable, optional
        Draws the group's figure into a file.
    """

    name: str
    heading: str
    about: str
    rows: Sequence[Row]
    by_default: bool = False
    table: Callable[[Results], list[str]] = markdown.table
    notes: Callable[[Results], Iterable[str]] = markdown.notes
    figure: Callable[[Path, Results], object] | None = None


GROUPS = (
    Group(
        "practicals",
        "The five practicals",
        "One training step (zero grad, forward, loss, backward, optimiser) on a batch that is already in memory. The "
        "ratio is the other's time over ours: above 1, ours is faster. *textbook* is this framework on its plain "
        "storey, *unfused* its recurrent cells unrolled with small operations; *torch* is PyTorch eager, *torch-best* "
        "PyTorch with fused optimisers, channels-last images and time-first sequences; *keras* is Keras' "
        "`train_on_batch` on TensorFlow; *jax* is the whole step compiled by `jax.jit`. Peak memory is that of the "
        "contender's process, its imports included.",
        practicals.ROWS,
        by_default=True,
    ),
    Group(
        "architectures",
        "The overview's other two architectures",
        "One training step of a small GPT and of a small YOLO, measured as the practicals' are, with clipped gradients "
        "in the GPT's. *small-pages* is ours without the large pages of `runtime/memory.py`, *torch* PyTorch eager "
        "with its own attention, *torch-best* PyTorch with fused optimisers and channels-last images.",
        architectures.ROWS,
        by_default=True,
    ),
    Group(
        "basics",
        "The tape and the import",
        "What remembering costs: one node of the tape, forward and backward, above the raw addition in NumPy. And what "
        "the import statement costs beside `import numpy`, which it needs.",
        (tape.ROW, import_time.ROW),
        by_default=True,
    ),
    Group(
        "manners",
        "A guest in the user's process",
        "How long the user's own matrix product in NumPy takes after we were there; the baseline is a process that "
        "knows nothing of us. A ratio of 1 means that nothing changed.",
        (manners.ROW,),
    ),
    Group(
        "memory",
        "Memory of a whole training",
        "The most resident memory of a whole run of a model script; the baseline is a process that imports the same "
        "and holds the same data.",
        (model_memory.ROW,),
        table=markdown.memory_table,
    ),
    Group(
        "share",
        "The share of sgemm's limit",
        "How many useful operations in floating point (multiplications and additions of the formula, no more) an "
        "operation does in a second, forward and backward, at the practicals' sizes; the baseline is what NumPy's "
        "product of two float32 matrices 2048 x 2048 does in the same run.",
        share.ROWS,
        table=share.table,
    ),
    Group(
        "scaling",
        "Time against size",
        "How the time of an operation, forward and backward, grows with the batch, the sequence and the channels, over "
        "a factor of sixteen. The work is proportional to the size, so the slope of the line on logarithmic axes, by "
        "least squares, should be 1; below it, a fixed cost weighs on the small sizes, above it, something is lost on "
        "the large ones.",
        sizes.ROWS,
        table=sizes.table,
        notes=markdown.note_on_all,
        figure=sizes_figure.draw,
    ),
    Group(
        "textbook",
        "The price list of cleverness",
        "Each fast operation, forward and backward, beside its plain twin in `tinygrad_edu/textbook`, at the "
        "practicals' sizes. The ratio is the plain twin's time over the fast form's.",
        textbook.ROWS,
    ),
)
