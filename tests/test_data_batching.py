"""Batches: everything once, in the promised order, and bad arguments refused at the call."""

import numpy as np
import pytest

from tinygrad_edu.data import batches


def test_in_order_with_a_smaller_last_batch():
    x, y = np.arange(14).reshape(7, 2), np.arange(7)
    got = list(batches(x, y, batch_size=3))
    assert [len(b) for _, b in got] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate([a for a, _ in got]), x)
    np.testing.assert_array_equal(np.concatenate([b for _, b in got]), y)


def test_in_order_are_views():
    x = np.zeros((10, 4), np.uint8)
    for (batch,) in batches(x, batch_size=4):
        assert np.shares_memory(batch, x)
        assert batch.dtype == np.uint8


def test_shuffled_is_a_permutation_that_keeps_pairs_together():
    x = np.arange(100)
    got = list(batches(x, x * 10, batch_size=7, rng=np.random.default_rng(3)))
    a, b = (np.concatenate(parts) for parts in zip(*got))
    assert not np.array_equal(a, x)
    np.testing.assert_array_equal(np.sort(a), x)
    np.testing.assert_array_equal(b, a * 10)
    assert a.dtype == x.dtype


def test_same_seed_same_order_and_a_new_order_every_epoch():
    x = np.arange(50)

    def epochs():
        rng = np.random.default_rng(0)
        return [np.concatenate([b for (b,) in batches(x, batch_size=8, rng=rng)]) for _ in range(2)]

    first, again = epochs(), epochs()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])


def test_the_generator_is_used_at_the_call():
    # Two epochs that are created first and read in the other order must not swap their permutations.
    x = np.arange(30)
    rng = np.random.default_rng(1)
    first, second = batches(x, batch_size=30, rng=rng), batches(x, batch_size=30, rng=rng)
    rng = np.random.default_rng(1)
    expected = x[rng.permutation(30)], x[rng.permutation(30)]
    np.testing.assert_array_equal(next(iter(second))[0], expected[1])
    np.testing.assert_array_equal(next(iter(first))[0], expected[0])


def test_a_batch_larger_than_the_data_is_the_data():
    (only,) = batches(np.arange(3), batch_size=np.int64(100))
    np.testing.assert_array_equal(only[0], [0, 1, 2])


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", None, True])
def test_bad_batch_size(size):
    with pytest.raises(ValueError, match=r"batch_size must be a whole number >= 1, got "):
        batches(np.arange(3), batch_size=size)


def test_empty_data():
    with pytest.raises(ValueError, match="data set is empty"):
        batches(np.zeros((0, 28, 28)), np.zeros(0), batch_size=10)


def test_differing_lengths_are_named():
    with pytest.raises(ValueError, match=r"\[3, 4\]"):
        batches(np.zeros(3), np.zeros(4), batch_size=10)


def test_no_arrays():
    with pytest.raises(ValueError, match="at least one array"):
        batches(batch_size=10)


def test_a_seed_is_not_a_generator():
    with pytest.raises(TypeError, match=r"default_rng\(seed\)"):
        batches(np.arange(3), batch_size=1, rng=42)
