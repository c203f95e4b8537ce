"""Whole trainings of `models/` written again in PyTorch: what the same network reaches there, and how fast.

A row of `python -m benchmarks` times one training step; a twin runs to the end, from the same initial weights, over the
same data in the same order, and is measured by the same figures:

    python -m benchmarks.twins.mini_yolo --seed 0

Each is a script of its own, with the names of the model script that it follows.
"""
