"""The five practicals, one script each; `python -m models` runs the tour of all of them."""
