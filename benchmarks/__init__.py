"""Side by side with PyTorch: `python -m benchmarks`.

How a comparison is made fair is told in `harness.py`; what is compared stands in one file per row, with the contenders
below each other: `softmax_regression.py`, `tape.py`, `import_time.py`.

To add a row: copy `softmax_regression.py`, write a `Contender` for each side and a `ROW` that names them, and append
the `ROW` to `ROWS` in `__main__.py`. A row may have more than two contenders, for example fused, unfused and torch.
"""
