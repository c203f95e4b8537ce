"""Writing text with a trained character network. Used by `shakespeare_lstm.py` and `shakespeare_gpt.py`."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import no_grad, ops

TEMPERATURES = (0.2, 0.5, 1.0, 1.2)
BLANK = "_"  # in a text that is to be filled in; no character of Shakespeare's


def next_probabilities(scores, temperature, top_k=None):
    """softmax(scores / temperature) in float64: below 1 the likely characters become likelier, above 1 all alike.

    At 0 it would be the likeliest character for certain, which writes in circles, and is a division by zero. With
    `top_k`, none but the k likeliest can be drawn: each of the others is improbable, but there are many.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature must be > 0, got {temperature}; try 0.5")
    z = scores.astype(np.float64) / temperature
    if top_k is not None and top_k < len(z):
        z[np.argsort(z)[:-top_k]] = -np.inf
    p = np.exp(z - z.max())
    return p / p.sum()


@no_grad()
def write(model, vocabulary, prompt, length, temperature, rng, window=None, top_k=None):
    """Continue `prompt` by `length` characters; each one is drawn, appended, and read by the network in turn.

    With `window`, the network reads the last `window` characters anew for each character, from a state of zeros, which
    is how it was trained: the practical's way, some thirty times the work. Without, it reads one character and carries
    its state along: an LSTM's memory, or the keys and values of a Transformer. After a prompt of one window both give
    the same probabilities for the first character.
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
            p = next_probabilities(scores.numpy()[0], temperature, top_k)
            written.append(int(rng.choice(len(p), p=p)))
            unread = (unread + written[-1:])[-window:] if window else written[-1:]
    finally:
        model.train(was_training)
    return vocabulary.decode(written)


def sample_text(model, vocabulary, prompt, length, rng, window=None, temperatures=TEMPERATURES, top_k=None):
    """One sample at each temperature, with headings."""
    parts = []
    for temperature in temperatures:
        text = write(model, vocabulary, prompt, length, temperature, rng, window, top_k)
        parts.append(f"--- temperature {temperature:g}\n{prompt}|{text}\n")
    return "\n".join(parts)


def first_prompt(text, masked):
    """Of a text, what is written on, or, with every seventh character blanked, filled in, when nobody says."""
    if not masked:
        return text[: max(1, len(text) // 2)]
    return "".join(BLANK if i % 7 == 3 else character for i, character in enumerate(text))


def check_prompt(prompt, vocabulary, masked, context):
    """ValueError for one that the network could not go on from, or not fill in."""
    vocabulary.encode(prompt.replace(BLANK, "") if masked else prompt)
    if masked and (BLANK not in prompt or len(prompt) > context):
        raise ValueError(
            f"--prompt: a text to fill in has a blank, {BLANK}, and at most {context} characters; "
            f"got {len(prompt)}, {prompt!r:.80}"
        )


@no_grad()
def fill_in(model, vocabulary, text, likeliest=3):
    """A text whose blanks a masked network fills in, and for each blank the likeliest characters with probabilities.

    The blank's number is the vocabulary's length, as in training.
    """
    K = len(vocabulary)
    places = [i for i, character in enumerate(text) if character == BLANK]
    if not places:
        raise ValueError(f"the prompt {text!r:.80} has no blank to fill in; write {BLANK} where one is to be")
    ids = vocabulary.encode(text.replace(BLANK, vocabulary.characters[0]))
    ids[places] = K
    P = ops.softmax(model.after_each(ids[None])[0, :, :K]).numpy()  # the blank itself is no answer
    ids[places] = P[places].argmax(axis=1)
    lines = [text, vocabulary.decode(ids)]
    for place in places:
        best = P[place].argsort()[::-1][:likeliest]
        lines.append(f"{place:>4}  " + "  ".join(f"{vocabulary.characters[k]!r} {P[place, k]:.0%}" for k in best))
    return "\n".join(lines)
