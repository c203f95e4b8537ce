"""Writing text with a trained character network. Used by `shakespeare_lstm.py`."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import no_grad

TEMPERATURES = (0.2, 0.5, 1.0, 1.2)


def next_probabilities(scores, temperature):
    """softmax(scores / temperature) in float64: below 1 the likely characters become likelier, above 1 all alike.

    At 0 it would be the likeliest character for certain, which writes in circles, and is a division by zero.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature must be > 0, got {temperature}; try 0.5")
    z = scores.astype(np.float64) / temperature
    p = np.exp(z - z.max())
    return p / p.sum()


@no_grad()
def write(model, vocabulary, prompt, length, temperature, rng, window=None):
    """Continue `prompt` by `length` characters; each one is drawn, appended, and read by the network in turn.

    With `window`, the network reads the last `window` characters anew for each character, from a state of zeros, which
    is how it was trained: the practical's way, some thirty times the work. Without, it reads one character and carries
    its state along. After a prompt of one window both give the same probabilities for the first character.
    """
    if not prompt:
        raise ValueError("the prompt is empty; give at least one character")
    ids = list(vocabulary.encode(prompt))  # ValueError for a character that is not in the vocabulary
    written, state, unread = [], None, ids[-window:] if window else ids
    was_training = model.training
    model.eval()
    try:
        for _ in range(length):
            scores, state = model(np.array([unread]), None if window else state)  # (1, K)
            p = next_probabilities(scores.numpy()[0], temperature)
            written.append(int(rng.choice(len(p), p=p)))
            unread = (unread + written[-1:])[-window:] if window else written[-1:]
    finally:
        model.train(was_training)
    return vocabulary.decode(written)


def sample_text(model, vocabulary, prompt, length, rng, window=None):
    """One sample at each temperature, with headings."""
    parts = []
    for temperature in TEMPERATURES:
        text = write(model, vocabulary, prompt, length, temperature, rng, window)
        parts.append(f"--- temperature {temperature:g}\n{prompt}|{text}\n")
    return "\n".join(parts)
