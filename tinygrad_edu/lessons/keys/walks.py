"""The order in which learners go through the steps 1 ... T on the way back, the right one first."""

from __future__ import annotations


def backwards(T: int) -> range:
    return range(T, 0, -1)


def forwards(T: int) -> range:
    return range(1, T + 1)


def without_last(T: int) -> range:
    return range(T - 1, 0, -1)


def without_first(T: int) -> range:
    return range(T, 1, -1)
