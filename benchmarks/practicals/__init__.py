"""The five practicals: one training step of each, by every contender.

`problems` says what is computed, and on which data; `ours`, `in_pytorch`, `in_keras` and `in_jax` compute it; `rows`
puts them side by side.
"""
