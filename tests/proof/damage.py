"""Files of weights that were damaged: every one is refused in a sentence, and no model changes.

`PYTHONPATH=tests python -m proof.damage`
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from proof.section import Section, conclude
from tinygrad_edu import nn, optim
from tinygrad_edu.training import CheckpointError, load_checkpoint, load_weights, save_checkpoint

MUTATIONS = 10_000
WORDS = (b'"F32"', b'"BF16"', b"null", b"-1", b"9" * 30, b"[", b"{", b"\xff", b"\0" * 8, b'"shape":[', b"NaN")


def mutate(content: bytes, chance: random.Random) -> bytes:
    """One to four changes: bytes drawn anew, cut out, doubled, moved, or replaced by what a header is made of."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        # Half of them in the header, which is a small part of the file.
        at = chance.randrange(min(len(changed), 400) if chance.random() < 0.5 else len(changed)) if changed else 0
        length = chance.choice((1, 2, 8, 40))
        kind = chance.choice(("draw", "cut", "double", "word", "end"))
        if kind == "draw":
            changed[at : at + length] = chance.randbytes(length)
        elif kind == "cut":
            del changed[at : at + length]
        elif kind == "double":
            changed[at:at] = changed[at : at + length]
        elif kind == "word":
            word = chance.choice(WORDS)
            changed[at : at + len(word)] = word
        else:
            del changed[at:]
    return bytes(changed)


def prove(mutations: int = MUTATIONS, seed: int = 0) -> Section:
    """Change every bit of a checkpoint in turn, then mutate it at random; both loaders read the mutations by turns."""
    chance = random.Random(seed)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm(2))
    optimizer = optim.Adam(model.parameters())
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"

        def is_refused(content: bytes, load: Callable[[], object], what: str) -> None:
            path.write_bytes(content)
            before = model.state_dict() | {"t": np.array(optimizer.t)}
            try:
                load()
            except CheckpointError as error:
                counts[f"{what} refused"] += 1
                if str(path) not in str(error):
                    failures.append(f"{what}: the message does not name the file: {error}")
            except BaseException as error:
                failures.append(f"{what}: {type(error).__name__}: {error}")
            else:
                failures.append(f"{what}: read as if nothing had been changed")
            after = model.state_dict() | {"t": np.array(optimizer.t)}
            if any(not np.array_equal(before[name], after[name]) for name in before):
                failures.append(f"{what}: the model or its optimiser was changed")

        save_checkpoint(path, model, optimizer, {"epochs": [{"epoch": 0, "loss": 0.5}]})
        checkpoint = path.read_bytes()
        for bit in range(8 * len(checkpoint)):
            changed = bytearray(checkpoint)
            changed[bit // 8] ^= 1 << bit % 8
            is_refused(bytes(changed), lambda: load_checkpoint(path, model, optimizer), "bits")
        for number in range(mutations):
            changed_file = checkpoint
            while changed_file == checkpoint:
                changed_file = mutate(checkpoint, chance)
            if number % 2:
                is_refused(changed_file, lambda: load_checkpoint(path, model, optimizer), "mutations")
            else:
                is_refused(changed_file, lambda: load_weights(path, model), "mutations")
    figures = {
        "bits of a checkpoint changed, one at a time": 8 * len(checkpoint),
        "of them noticed": counts["bits refused"],
        "mutated files of weights": mutations,
        "of them refused in a sentence": counts["mutations refused"],
    }
    return Section("damage", "Files of weights that are damaged", figures, failures[:20], mutations >= MUTATIONS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=MUTATIONS, help=f"how many ({MUTATIONS:,})")
    parser.add_argument("--seed", type=int, default=0, help="for what is changed (0)")
    options = parser.parse_args()
    began = time.perf_counter()
    section = prove(options.mutations, options.seed)
    sys.exit(conclude(section, time.perf_counter() - began))


if __name__ == "__main__":
    main()
