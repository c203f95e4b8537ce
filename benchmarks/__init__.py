"""Side by side with PyTorch, Keras and JAX: `python -m benchmarks`.

How a comparison is made fair is told in `harness.py`; what one is made of, in `contender.py`. The five practicals and
their contenders, by framework, stand in `practicals`, a GPT and a detector in `architectures`; each other row has a
file of its own, with the contenders below each other: `tape.py` is the shortest. Rows of one kind form a group,
`groups.py`, which is a section of RESULTS.md (`results.py`, written with `--results`) and a name for `--only`.

To add a row: copy `tape.py`, write a `Contender` for each side and a `ROW` that names them, and put it into a group. To
add a contender to the practicals: copy the shortest file there, `in_keras.py`, and name its classes in `rows.py`.
"""
