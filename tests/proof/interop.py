"""Weights to and from PyTorch and Keras: every network of models/ computes and learns alike on both sides.

A network of ours with random weights gives them to theirs, which gives them back to a second one of ours, and that must
have the same bits. Then both compute the scores of a batch, in evaluation and in training, and the gradients of one
training step. Dropout is off: nobody draws another's masks.

In float32, a rounding can decide on which side of a ReLU's kink a number falls, or which of two pixels is the larger;
the gradient jumps there. At the three seeds none does; at seed 0, the residual network and Keras differ by 0.15 in one
gradient for that reason, and ours in float32 agree with ours in float64. So float64 is compared as well.
"""

import argparse
import importlib
import os
import sys
import time

import numpy as np
from ports import PORTS, compare

from proof.section import Section, conclude

SEEDS = (1, 2, 3)
BOUNDS = {np.float32: (1e-5, 1e-5), np.float64: (1e-12, 1e-10)}  # of logits, and of gradients over their largest entry
FRAMEWORKS = {"torch": ("torch",), "keras": ("keras", "tensorflow")}
TITLES = {"torch": "PyTorch", "keras": "Keras"}


def prove(seeds=SEEDS, quick=False):
    """Compare every network at every seed; `quick`: at the first alone, and in float32."""
    seeds, dtypes = (seeds[:1], [np.float32]) if quick else (seeds, list(BOUNDS))
    figures, failures = {}, []
    rows = ["| network | framework | dtype | logits differ by | gradients differ by |", "|---|---|---|---|---|"]
    for framework, packages in FRAMEWORKS.items():
        try:
            modules = [importlib.import_module(package) for package in packages]
        except ImportError as error:
            failures.append(f"{TITLES[framework]}: not compared, {error}")
            continue
        worst = {}
        for dtype in dtypes:
            for name in PORTS:
                differences = np.array([compare(framework, name, seed, modules, dtype) for seed in seeds]).max(axis=0)
                kind = np.dtype(dtype).name
                worst[kind] = np.maximum(worst.get(kind, 0), differences)
                logits, gradients = differences
                rows.append(f"| {name} | {TITLES[framework]} | {kind} | {logits:.1e} | {gradients:.1e} |")
                if not (logits <= BOUNDS[dtype][0] and gradients <= BOUNDS[dtype][1]):
                    failures.append(
                        f"{name}, {TITLES[framework]}, {kind}: logits by {logits:.1e}, gradients by {gradients:.1e}"
                    )
        figures[f"networks compared with {TITLES[framework]}"] = len(PORTS) * len(seeds) * len(dtypes)
        for kind, (logits, gradients) in worst.items():
            figures[f"{TITLES[framework]}, {kind}: largest difference of logits"] = f"{logits:.1e}"
            figures[f"{TITLES[framework]}, {kind}: of gradients, relative"] = f"{gradients:.1e}"
    return Section(
        "interop", "Weights to and from PyTorch and Keras", figures, failures, whole=not quick, details="\n".join(rows)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, nargs="+", default=SEEDS, help="of weights and batches (1 2 3)")
    parser.add_argument("--quick", action="store_true", help="the first seed and float32 alone")
    options = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    start = time.monotonic()
    section = prove(tuple(options.seed), options.quick)
    sys.exit(conclude(section, time.monotonic() - start))


if __name__ == "__main__":
    main()
