"""What the model scripts share and the student may skip: flags, optimisers by name, tables, clean ends.

The training step, the network and the evaluation are in each script; `run.py` keeps the books of a run.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from models.notebook import write_notebook
from models.stop import Left, Terminated, ending_by_sigterm
from tinygrad_edu import DeviceError, Tensor, optim, textbook
from tinygrad_edu.data import DataError
from tinygrad_edu.training import CheckpointError, TrainingError
from tinygrad_edu.training.group import LIMIT, DistributedError, Group, end, init, leave

EXPECTED_ERRORS = (CheckpointError, DataError, DeviceError, DistributedError, TrainingError, OSError, ValueError)

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": optim.SGD,
    "momentum": functools.partial(optim.SGD, momentum=0.9),
    "adam": optim.Adam,
    "adamw": functools.partial(optim.AdamW, weight_decay=0.01),
}


class TextbookSGD(optim.SGD):
    """`optim.SGD`, moved by the lines of `textbook.sgd`."""

    def update(self, i: int, p: Any, g: Any) -> None:
        own = self.state[i]
        v = own.get("velocity", 0 * p)
        p[...], v = textbook.sgd(p, g, v, self.lr, self.momentum, self.weight_decay)
        if self.momentum:
            own["velocity"] = v


class TextbookAdam(optim.Adam):
    """`optim.Adam`, moved by the lines of `textbook.adam`, each parameter by itself."""

    def step(self) -> None:
        self.keep_together([])
        super().step()

    def update(self, i: int, p: Any, g: Any) -> None:
        own = self.state[i] or {"m": 0 * p, "v": 0 * p}
        t = self.t - self.missed[i]
        p[...], m, v = textbook.adam(p, self.decay(p, g), own["m"], own["v"], t, self.lr, self.betas, self.eps)
        self.state[i] = {"m": m, "v": v}


class TextbookAdamW(TextbookAdam, optim.AdamW):
    """The same with AdamW's decay of the weights."""


BY_THE_TEXTBOOK: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": TextbookSGD,
    "momentum": functools.partial(TextbookSGD, momentum=0.9),
    "adam": TextbookAdam,
    "adamw": functools.partial(TextbookAdamW, weight_decay=0.01),
}

# Flags that change nothing that is computed. Every other one belongs to what a run is: see `Run.identity`.
NOT_COMPUTED = {
    *("device", "epochs", "quick", "data_dir", "data", "out", "resume", "checkpoint_every", "no_progress", "explain"),
    *("notebook", "distributed", "wait", "group"),
}


def whole_number(text: str) -> int:
    """For argparse: a number >= 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """For argparse: a number >= 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number >= 0, got {text!r}")
    return int(text)


def rate(text: str) -> float:
    """For argparse: a finite number > 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number > 0, got {text!r}")
    return value


def seconds(text: str) -> float:
    """For argparse: a finite number >= 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of seconds >= 0, got {text!r}")
    return value


def file_name(text: str) -> str:
    """For argparse: a name that can stand in a line of text: of the screen, of metrics.json."""
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"expected a name of printable characters, got {text!r}")
    return text


def notebook_file(text: str) -> Path:
    """For argparse: the name of a notebook that is not there yet."""
    path = Path(file_name(text))
    if path.suffix != ".ipynb" or path.exists():
        raise argparse.ArgumentTypeError(f"expected the name of a new file that ends in .ipynb, got {text!r}")
    return path


def folder(text: str) -> Path:
    """For argparse: a folder's name; an empty one would be the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected the name of a folder, got an empty one")
    return Path(file_name(text))


class Flags(argparse.ArgumentParser):
    """A parser that keeps, in `options.arguments`, what it was given: a run's report shows the command."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        options = super().parse_args(args, namespace)
        options.arguments = sys.argv[1:] if args is None else list(args)
        if options.notebook:  # in place of a run, as --help
            write_notebook(options.notebook, options.model, without_notebook(options.arguments))
            print(f"{options.notebook}: to open with Jupyter")
            sys.exit(0)
        options.group = Group()
        if options.distributed and options.textbook:
            self.error("--textbook computes plainly, in one process; give it or --distributed, not both")
        if options.distributed:
            options.group = _join(options)
        return options

    def error(self, message: str) -> NoReturn:
        """In one line, also where an argument that nobody knows has several."""
        super().error(" ".join(message.splitlines()))


def _join(options: argparse.Namespace) -> Group:
    """Join the processes that mpiexec started. Rank 0 speaks for all; what is an error is said by any."""
    try:
        group = init(options.wait)
    except DistributedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    if group.rank:
        options.no_progress, sys.stdout = True, open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for rank, process in enumerate(group.processes):
        print(f"rank {rank} of {group.size}: {process}", flush=True)
    return group


def without_notebook(arguments: Sequence[str]) -> list[str]:
    """The other flags of the command: those that the notebook is to run with."""
    kept: list[str] = []
    for before, argument in zip(["", *arguments], arguments):
        if before != "--notebook" and not argument.startswith("--notebook"):
            kept.append(argument)
    return kept


def flags(
    description: str,
    model: str,
    *,
    epochs: int,
    quick_epochs: int,
    lr: float,
    batch_size: int,
    optimizer: str = "adam",
    optimizers: Sequence[str] = tuple(OPTIMIZERS),
) -> argparse.ArgumentParser:
    """A parser with the flags that all scripts have; `epochs` of None becomes the full or the quick number."""
    parser = Flags(
        prog=f"python -m models.{model}",
        description=description.split("\n")[0],
        allow_abbrev=False,  # `script` looks for --textbook itself
    )
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"), help="where to compute (cpu)")
    parser.add_argument("--seed", type=seed, default=0, help="for weights, order of batches and dropout (0)")
    parser.add_argument(
        "--epochs", type=whole_number, help=f"how often to go through the data ({epochs}; {quick_epochs} with --quick)"
    )
    parser.add_argument("--lr", type=rate, default=lr, help=f"the learning rate ({lr:g})")
    parser.add_argument("--batch-size", type=whole_number, default=batch_size, help=f"items in a batch ({batch_size})")
    parser.add_argument(
        "--optimizer", default=optimizer, choices=optimizers, help=f"how weights follow gradients ({optimizer})"
    )
    parser.add_argument(
        "--textbook", action="store_true", help="compute by the plain operations of tinygrad_edu/textbook, slower"
    )
    parser.add_argument(
        "--explain", action="store_true", help="say what the backward pass of the first batch did, step by step"
    )
    parser.add_argument("--quick", action="store_true", help="a short run, to see it work")
    parser.add_argument(
        "--data-dir", type=folder, help="where the data sets are ($TINYGRAD_EDU_DATA, or a cache folder)"
    )
    parser.add_argument(
        "--data",
        default="auto",
        choices=("auto", "real", "synthetic"),
        help="real data only, generated stand-in data, or whichever can be had (auto)",
    )
    parser.add_argument("--out", type=folder, default=Path("runs") / model, help=f"where results go (runs/{model})")
    parser.add_argument(
        "--resume",
        type=file_name,
        nargs="?",
        const="",
        metavar="FILE",
        help="go on from this checkpoint (OUT/checkpoint.safetensors if no file is named)",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="save within an epoch as well, so that --resume loses no more than this (60)",
    )
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="share every batch with the other processes that `mpiexec -n N python -m ...` started",
    )
    parser.add_argument(
        "--wait",
        type=rate,
        default=LIMIT,
        metavar="SECONDS",
        help=f"with --distributed, for how long one process waits for others before the run ends ({LIMIT:g})",
    )
    parser.add_argument("--no-progress", action="store_true", help="no progress bars")
    parser.add_argument(
        "--notebook",
        type=notebook_file,
        metavar="OUT.ipynb",
        help="write the script as a notebook that runs with the other flags given (--quick), and end",
    )
    parser.set_defaults(model=model, description=parser.description, default=parser.get_default)
    parser.set_defaults(default_epochs=epochs, quick_epochs=quick_epochs)
    return parser


def new_optimizer(options: argparse.Namespace, parameters: Iterable[Tensor], **settings: Any) -> optim.Optimizer:
    """The optimiser that --optimizer names, with the rate of --lr; by the textbook if --textbook says so."""
    make = (BY_THE_TEXTBOOK if options.textbook else OPTIMIZERS)[options.optimizer]
    return make(parameters, lr=options.lr, **settings)


def settings(options: argparse.Namespace, also: Sequence[str] = ()) -> dict[str, Any]:
    """The options that change what is computed, by name; `also` names further ones that do not."""
    internal = {"model", "description", "arguments", "default", "default_epochs", "quick_epochs"}
    left_out = NOT_COMPUTED | internal | set(also)
    return {name: value for name, value in vars(options).items() if name not in left_out}


def figure_text(name: str, value: float) -> str:
    """A figure as it is printed: accuracies, which are percentages, with two digits behind the point."""
    return f"{value:.2f}" if "accuracy" in name or "rmse" in name else f"{value:.5g}"


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "") -> None:
    """Columns as wide as their widest entry."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        print((indent + "  ".join(text.ljust(width) for text, width in zip(row, widths))).rstrip())


def script(main: Callable[..., Any]) -> Callable[..., int]:
    """Give a script's `main` its exit status.

    0; 2 after an error it expects, told in a sentence; 130 after Ctrl-C and 143 after SIGTERM, as shells have it.
    """

    def run(arguments: list[str] | None) -> int:
        given = sys.argv[1:] if arguments is None else arguments
        try:
            with textbook.instead() if "--textbook" in given else contextlib.nullcontext(), ending_by_sigterm():
                main(arguments)
        except EXPECTED_ERRORS as error:
            return end(f"error: {error}", 2)
        except Left:
            return 0
        except KeyboardInterrupt:
            return end("interrupted", 130)
        except Terminated as error:
            return end(str(error), error.status)
        return 0

    @functools.wraps(main)
    def wrapped(arguments: list[str] | None = None) -> int:
        status = run(arguments)
        leave()
        return status

    return wrapped
