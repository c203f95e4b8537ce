"""Eight lessons with exercises: `python -m tinygrad_edu.lessons` lists them.

`lesson_1.py` to `lesson_8.py` are the texts; each runs as a script and opens as a notebook. `exercises/` holds what a
learner gets, `keys/` what is wanted and which mistakes are known, `solutions/` an answer to each. A check never reads
the solutions: it computes what is right by the package, in `gold.py` for a backward, in `coals.py` for a check.
"""
