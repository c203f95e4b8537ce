"""Weights to and from PyTorch and Keras: every network of models/ computes and learns alike on both sides.

A network of ours with random weights gives them to theirs, which gives them back to a second one of ours, and that must
have the same bits. Then both compute the scores of a batch, in evaluation and in training, and the gradients of one
training step. Dropout is off: nobody draws another's masks.

In float32, a rounding can decide on which side of a ReLU's kink a number falls, or which of two pixels is the larger;
the gradient jumps there. Such a comparison is told from a mistake by two others, and counted apart: in float64 ours and
theirs agree, to a bound 100,000 times closer, and ours in float32 agree with ours in float64, which theirs do not.
"""

import argparse
import importlib
import os
import sys
import time

import numpy as np
from ports import PORTS, apart, compare

from proof.section import Section, conclude

SEEDS = (0, 1, 2, 3)
BOUNDS = {np.float32: (1e-5, 1e-5), np.float64: (1e-12, 1e-10)}  # of logits, and of gradients over their largest entry
FRAMEWORKS = {"torch": ("torch",), "keras": ("keras", "tensorflow")}
TITLES = {"torch": "PyTorch", "keras": "Keras"}


def prove(seeds=SEEDS, quick=False):
    """Compare every network at every seed; `quick`: at the first alone, and in float32."""
    seeds, dtypes = (seeds[:1], [np.float32]) if quick else (seeds, list(BOUNDS))
    figures, failures = {}, []
    rows = ["| network | framework | dtype | logits differ by | gradients differ by |", "|---|---|---|---|---|"]
    for framework, packages in FRAMEWORKS.items():
        title = TITLES[framework]
        try:
            modules = [importlib.import_module(package) for package in packages]
        except ImportError as error:
            failures.append(f"{title}: not compared, {error}")
            continue
        worst = {dtype: np.zeros(2) for dtype in dtypes}
        at_kinks = 0
        for name in PORTS:
            of_network = {dtype: np.zeros(2) for dtype in dtypes}
            for seed in seeds:
                found = {dtype: compare(framework, name, seed, modules, dtype) for dtype in dtypes}
                for dtype, (logits, gradients, _) in found.items():
                    if within(dtype, logits, gradients):
                        of_network[dtype] = np.maximum(of_network[dtype], [logits, gradients])
                    elif dtype is np.float32 and decided_by_rounding(found):
                        at_kinks += 1
                    else:
                        failures.append(
                            f"{name}, {title}, {np.dtype(dtype)}, seed {seed}: logits differ by {logits:.1e}, "
                            f"gradients by {gradients:.1e}"
                        )
            for dtype, (logits, gradients) in of_network.items():
                rows.append(f"| {name} | {title} | {np.dtype(dtype)} | {logits:.1e} | {gradients:.1e} |")
                worst[dtype] = np.maximum(worst[dtype], of_network[dtype])
        figures[f"comparisons with {title}"] = len(PORTS) * len(seeds) * len(dtypes)
        figures[f"{title}: of these, at a kink decided by a rounding"] = at_kinks
        for dtype, (logits, gradients) in worst.items():
            figures[f"{title}, {np.dtype(dtype)}: logits differ by at most"] = f"{logits:.1e}"
            figures[f"{title}, {np.dtype(dtype)}: gradients, relative"] = f"{gradients:.1e}"
    return Section(
        "interop", "Weights to and from PyTorch and Keras", figures, failures, whole=not quick, details="\n".join(rows)
    )


def within(dtype, logits, gradients):
    return logits <= BOUNDS[dtype][0] and gradients <= BOUNDS[dtype][1]


def decided_by_rounding(found):
    """Whether float32 fails at a kink alone: its logits agree, float64 does, and our gradients are those of float64."""
    if np.float64 not in found or not within(np.float64, *found[np.float64][:2]):
        return False
    logits, _, own = found[np.float32]
    return within(np.float32, logits, apart(own, found[np.float64][2]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, nargs="+", default=SEEDS, help="of weights and batches (0 to 3)")
    parser.add_argument("--quick", action="store_true", help="the first seed and float32 alone")
    options = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    start = time.monotonic()
    section = prove(tuple(options.seed), options.quick)
    sys.exit(conclude(section, time.monotonic() - start))


if __name__ == "__main__":
    main()
