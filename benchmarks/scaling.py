"""`python -m benchmarks.scaling`: what several processes gain, measured here, and a simulation of many.

Measured, with one core a process: the time of a training step of two networks at 1, 2 and 4 processes, where they share
one batch (*strong*) and where each has a batch of its own (*weak*); how long the sums of the gradients take by
themselves, and how long a step still waits for them when they are under way while the walk goes on.

The simulation is that of `scaling_model.py`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.report import available_cores
from benchmarks.scaling_figure import draw
from benchmarks.scaling_model import ETHERNET, MANY, SIMULATED_BATCH, Model, fit

BATCH = 128
PROCESSES = (1, 2, 4)
NETWORKS = ("mini-AlexNet", "character LSTM")


def run(processes: int, wanted: list[tuple[str, int]], rounds: int) -> dict[str, Any]:
    """What rank 0 of so many processes measured."""
    mpiexec = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if mpiexec is None:
        raise SystemExit("benchmarks.scaling needs MPI: pip install mpi4py mpich")
    command = [mpiexec, "-n", str(processes), sys.executable, "-m", "benchmarks.scaling_worker"]
    one_core = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, json.dumps(wanted), str(rounds)], env=one_core, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{processes} processes failed:\n{done.stderr}")
    return json.loads(done.stdout)


def by_examples(rows: list[dict[str, Any]], network: str) -> dict[int, dict[str, Any]]:
    return {row["examples"]: row for row in rows if row["network"] == network}


def print_measured(title: str, rows: list[tuple[int, dict[str, Any]]], weak: bool) -> None:
    """A line for each number of processes."""
    print(f"\n{title}")
    print("processes  step, ms  speed  sum alone, ms  MB      waits, ms  without buckets, ms  hidden")
    first = rows[0][1]["step"]
    for n, row in rows:
        speed = first / row["step"] * (n if weak else 1)
        text = f"{n:>9}  {1e3 * row['step']:>8.1f}  {speed:>5.2f}"
        if n > 1:
            hidden = 1 - row["waited"] / row["waited at the end"]
            sums = f"{1e3 * row['sum']:>13.2f}  {row['bytes'] / 1e6:<6.2f}  {1e3 * row['waited']:>9.2f}"
            text += f"  {sums}  {1e3 * row['waited at the end']:>19.2f}"
            text += f"  {100 * hidden:>5.0f}%" if row["buckets"] > 1 else "  one bucket"  # full at the end alone
        print(text, flush=True)


def print_simulated(network: str, model: Model, where: str) -> None:
    """The simulation in words."""
    N = SIMULATED_BATCH
    cross, fastest = model.crossover(N), model.fastest(N)
    crossed = f"crossover at {cross} processes, which add up for longer than they work on their examples"
    crossed = crossed if cross else "no crossover"
    gain = model.seconds(1, N) / model.seconds(fastest, N)
    weak = model.seconds(1, BATCH) / (model.compute(1, BATCH) + model.sum(MANY[-1]))
    print(f"simulated, {network}, {where}: latency {1e6 * model.a:.0f} us, bandwidth {model.B / 1e9:.2f} GB/s")
    print(f"  one batch of {N} (strong): {crossed}; fastest with {fastest}, {gain:.1f} times as fast as one")
    print(f"  {BATCH} each (weak): with {MANY[-1]:,}, each is at {100 * weak:.0f}% of the speed of one", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="steps of each kind (10)")
    parser.add_argument("--figure", type=Path, help="draw the simulation into this file")
    options = parser.parse_args()
    cores = available_cores()
    print(f"{cores} cores; one for each process, so more than {cores} processes take turns and are left out of the fit")
    measured = {}
    for n in PROCESSES:
        sizes = (BATCH // 4, BATCH // 2, BATCH) if n == 1 else (BATCH, BATCH * n)
        measured[n] = run(n, [(network, size) for network in NETWORKS for size in sizes], options.rounds)
    messages = {n: {int(k): s for k, s in m["messages"].items()} for n, m in measured.items() if 1 < n <= max(cores, 2)}
    models = {}
    for network in NETWORKS:
        steps = {
            n: {row["examples"]: row for row in m["steps"] if row["network"] == network} for n, m in measured.items()
        }
        print_measured(f"{network}, one batch of {BATCH} (strong)", [(n, steps[n][BATCH]) for n in PROCESSES], False)
        print_measured(f"{network}, {BATCH} each (weak)", [(n, steps[n][BATCH * n]) for n in PROCESSES], True)
        models[network] = fit(list(steps[1].values()), messages, steps[2][BATCH]["buckets"])
        told = ", ".join(f"{n}: {1e3 * models[network].seconds(n, BATCH):.1f}" for n in messages)
        print(f"the model says, ms a step (strong): {told}")
    print()
    for network, model in models.items():
        print_simulated(network, model, "as processes talk here")
        print_simulated(network, Model(**{**vars(model), **ETHERNET}), "assuming 10 Gbit Ethernet")
    if options.figure:
        draw(options.figure, models)


if __name__ == "__main__":
    main()
