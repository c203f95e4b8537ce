"""The tour: every script in its quick form, and one table at the end.

`python -m models` runs all of them, `python -m models NAME ...` some. The flags go to every script.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
import sys
import time
from pathlib import Path

from models.common import folder, print_table, seed
from models.report import write_tour

SCRIPTS = (
    "softmax_by_hand",
    "softmax_regression",
    "mini_alexnet",
    "mini_yolo",
    "sine_rnn",
    "airline_lstm",
    "shakespeare_lstm",
    "shakespeare_gpt",
)


STOPPED = (130, 143)  # the statuses of a script after Ctrl-C and SIGTERM


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which scripts to run: {', '.join(SCRIPTS)}")
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"), help="where to compute (cpu)")
    parser.add_argument("--seed", type=seed, default=0, help="for everything random (0)")
    parser.add_argument(
        "--data-dir", type=folder, help="where the data sets are ($TINYGRAD_EDU_DATA, or a cache folder)"
    )
    parser.add_argument("--data", default="auto", choices=("auto", "real", "synthetic"), help="see the scripts (auto)")
    parser.add_argument("--out", type=folder, default=Path("runs") / "tour", help="where results go (runs/tour)")
    parser.add_argument("--no-progress", action="store_true", help="no progress bars")
    parser.add_argument("--textbook", action="store_true", help="compute by the plain operations, slower")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in SCRIPTS]
    if unknown:
        parser.error(f"there is no script {', '.join(unknown)}; there are: {', '.join(SCRIPTS)}")

    names = options.names or SCRIPTS
    modules = {name: importlib.import_module(f"models.{name}") for name in names}
    for name, module in modules.items():
        print(f"{name:<20} {str(module.__doc__).splitlines()[0]}")
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "models", *given])
    closing: list[tuple[str, str, Path | None, str]] = []
    for number, (name, module) in enumerate(modules.items(), 1):
        print(f"\n=== {number}/{len(modules)}  {name}", flush=True)
        start = time.perf_counter()
        status = module.main(script_arguments(name, options))
        seconds = f"{time.perf_counter() - start:.1f} s"
        description = str(module.__doc__).splitlines()[0]
        stopped = dict.fromkeys(STOPPED, f"interrupted after {seconds}")
        how = {0: seconds, **stopped}.get(status, f"failed after {seconds}, see the terminal")
        closing.append((name, description, None if status else options.out / name, how))
        if status in STOPPED:  # which ends the whole tour, not one script of it
            write_tour(options.out, command, closing)
            return status
    for name, _, out, how in closing:
        print_figures(name, out, how)
    print(f"\nto look at: {write_tour(options.out, command, closing)}")
    return 0 if all(out for _, _, out, _ in closing) else 1


def script_arguments(name: str, options: argparse.Namespace) -> list[str]:
    """What a script is called with."""
    arguments = ["--quick", "--out", str(options.out / name), "--data", options.data, "--seed", str(options.seed)]
    # The script that derives its gradients by hand is NumPy alone, and has no GPU form.
    arguments += ["--device", "cpu" if name == "softmax_by_hand" else options.device]
    arguments += ["--data-dir", str(options.data_dir)] if options.data_dir else []
    arguments += ["--textbook"] if options.textbook else []
    return arguments + (["--no-progress"] if options.no_progress else [])


def print_figures(name: str, out: Path | None, how: str) -> None:
    """A script's own table, as it left it in its metrics.json, under a line that says of what and how long it is."""
    if out is None:
        print(f"\n{name}: {how}")
        return
    metrics = json.loads((out / "metrics.json").read_text())
    print(f"\n{name}: {metrics['data']['name']} ({metrics['data']['source']}), {metrics['length']}, {how}")
    print_table(("figure", "report", "measured"), metrics["table"], indent="  ")


if __name__ == "__main__":
    sys.exit(main())
