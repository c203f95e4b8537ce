"""Wrong answers to exercise 7.2, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def clip_each(a, b, max_norm):
    "each array is clipped by its own length"
    out = []
    for g in (a, b):
        n = np.sqrt(np.sum(g * g))
        out.append(g / n * max_norm if n > max_norm else g)
    return tuple(out)


def clip_numbers(a, b, max_norm):
    "every number is limited by itself"
    return np.minimum(np.maximum(a, -max_norm), max_norm), np.minimum(np.maximum(b, -max_norm), max_norm)


def clip_always(a, b, max_norm):
    "short gradients are lengthened"
    n = np.linalg.norm(np.concatenate([a.ravel(), b.ravel()]))
    n = max(n, 1e-12)
    return max_norm * a / n, max_norm * b / n


def clip_no_root(a, b, max_norm):
    "the square root is missing"
    n = np.sum(a * a) + np.sum(b * b)
    return (a * max_norm / n, b * max_norm / n) if n > max_norm else (a, b)


def clip_zero_divided(a, b, max_norm):
    "2 of its 2 entries are not a number"
    n = np.sqrt(np.sum(a * a) + np.sum(b * b))
    return a / n * min(n, max_norm), b / n * min(n, max_norm)


def clip_in_place(a, b, max_norm):
    "wrote into a"
    n = np.sqrt(np.sum(a * a) + np.sum(b * b))
    if n > max_norm:
        a *= max_norm / n
        b *= max_norm / n
    return a, b


def clip_without_a_condition(a, b, max_norm):
    "you scale whatever the length is"
    with np.errstate(invalid="ignore"):  # 0 / 0, a warning
        length = np.sqrt((a**2).sum() + (b**2).sum())
        return a * max_norm / length, b * max_norm / length
