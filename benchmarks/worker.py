"""The process of one contender: `python -m benchmarks.worker MODULE CLASS SEED`, started by `harness.py`.

It reads requests from stdin and writes one reply to each, every one a line of JSON:

    {"do": "gradients", "file": F}   writes them to F, an .npz file        {}
    {"do": "round", "steps": N}      N steps; the median time of a step    {"seconds": 0.0001}
    {"do": "memory"}                 peak resident memory                  {"bytes": 60000000}
    {"do": "remark"}                 what a reader must know               {"text": "real data"}

It ends when stdin does. An exception ends it too, with a traceback on stderr, where the harness finds it.
"""

import importlib
import json
import os
import statistics
import sys
from typing import Any, TextIO

import numpy as np

from benchmarks.contender import Contender


def main() -> None:
    module, class_name, seed = sys.argv[1:]
    replies = _take_stdout()
    contender = getattr(importlib.import_module(module), class_name)(int(seed))
    for line in sys.stdin:
        print(json.dumps(answer(contender, json.loads(line))), file=replies, flush=True)


def answer(contender: Contender, request: dict[str, Any]) -> dict[str, Any]:
    """Do what one request asks, and return the reply."""
    match request["do"]:
        case "gradients":
            gradients = contender.gradients()
            for name, gradient in gradients.items():
                if not isinstance(gradient, np.ndarray):
                    raise TypeError(f"the gradient of {name} is {gradient!r:.80}, not a NumPy array")
            np.savez(request["file"], **gradients)  # type: ignore[arg-type]
            return {}
        case "round":
            return {"seconds": statistics.median(contender.time_steps(request["steps"]))}
        case "memory":
            return {"bytes": contender.peak_memory()}
        case "remark":
            return {"text": contender.remark()}
    raise ValueError(f"unknown request {request}")


def _take_stdout() -> TextIO:
    """The pipe to the harness, for replies alone: whatever a library prints goes to stderr from here on."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return replies


if __name__ == "__main__":
    main()
