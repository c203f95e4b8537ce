"""BLAS has one thread beside ours, and its own again, whatever happens in between."""

import functools
import os
import threading

import numpy as np
import pytest

from tinygrad_edu import Tensor, ops, tune_process
from tinygrad_edu.runtime import blas, parallel


class Library:
    """What threadpoolctl tells of a BLAS library."""

    num_threads = 8

    def set_num_threads(self, threads):
        self.num_threads = threads


@pytest.fixture
def library(monkeypatch):
    own = Library()
    monkeypatch.setattr(blas, "_libraries", lambda: ([own], 8))
    monkeypatch.setattr(blas, "_sharing", True)
    return own


def test_within_it_is_one_and_afterwards_what_it_was(library):
    assert blas.alone(lambda: library.num_threads) == 1
    assert library.num_threads == 8
    library.num_threads = 5  # the user's own choice, later
    assert blas.alone(lambda: library.num_threads) == 1
    assert library.num_threads == 5


@pytest.mark.parametrize(("most", "left"), [(2, 2), (16, 8)])
def test_a_limit_is_for_blas_and_for_our_threads(monkeypatch, most, left):
    own = Library()
    monkeypatch.setattr(blas, "_libraries", functools.cache(lambda: ([own], own.num_threads)))
    assert blas.thread_count() == 8
    blas.limit_threads(most)
    assert own.num_threads == blas.thread_count() == left


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_after_an_error_it_is_given_back(library, error):
    def fails():
        raise error

    with pytest.raises(error):
        blas.alone(fails)
    assert library.num_threads == 8


@pytest.mark.parametrize("when", ["_take", "_give_back"])
def test_what_an_interrupt_left_undone_the_next_operation_does(library, monkeypatch, when):
    real = getattr(blas, when)

    def interrupted():
        if when == "_take":
            real()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(blas, when, interrupted)
        with pytest.raises(KeyboardInterrupt):
            blas.alone(lambda: None)
    blas.alone(lambda: None)
    assert library.num_threads == 8


def test_of_several_threads_the_last_one_gives_it_back(library):
    inside, leave = threading.Event(), threading.Event()
    other = threading.Thread(target=blas.alone, args=(lambda: (inside.set(), leave.wait(5)),))
    other.start()
    assert inside.wait(5)
    blas.alone(lambda: None)
    assert library.num_threads == 1
    leave.set()
    other.join()
    assert library.num_threads == 8


def test_what_somebody_else_said_meanwhile_stays(library):
    def limited():
        library.num_threads = 3

    blas.alone(limited)
    assert library.num_threads == 3


def test_tune_process_is_heard_after_the_first_large_operation_as_well(library):
    try:
        tune_process(False)
        assert blas.alone(lambda: library.num_threads) == 8
    finally:
        tune_process(True)


def test_a_small_operation_asks_and_tells_nothing(library, monkeypatch):
    monkeypatch.setattr(blas, "_take", lambda: pytest.fail("a small operation told BLAS"))
    x, W, U, b = (Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in ((1, 3, 2), (2, 16), (4, 16), 16))
    ops.lstm(x, W, U, b)[0].sum().backward()
    ops.linear(x, W).sum().backward()


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: ops.linear(x, x),
        lambda x: x @ x,
        lambda x: ops.einsum("ij,jk->ik", x, x),
        lambda x: ops.conv2d(x.reshape(1, 50, 50, 100), np.ones((1, 1, 100, 100), np.float32)),
    ],
    ids=["linear", "matmul", "einsum", "conv2d"],
)
def test_an_operation_that_is_large_for_blas_but_not_cut_tells_it(library, monkeypatch, compute):
    told = []
    monkeypatch.setattr(Library, "set_num_threads", lambda self, threads: told.append(threads))
    compute(Tensor(np.ones((500, 500), np.float32)))
    assert told[0] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_an_operation_begins_afresh(library):
    inside, leave = threading.Event(), threading.Event()
    other = threading.Thread(target=blas.alone, args=(lambda: (inside.set(), leave.wait(5)),))
    other.start()
    assert inside.wait(5)
    with blas._lock:  # held by another thread at the moment of the fork
        child = os.fork()
        if child == 0:
            free = library.num_threads == 8
            os._exit(0 if free and blas.alone(lambda: library.num_threads) == 1 and library.num_threads == 8 else 1)
    leave.set()
    other.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_threads_of_a_forked_child_are_its_own():
    parallel._settle_in()
    before = parallel._threads()
    child = os.fork() if hasattr(os, "fork") else pytest.skip("there is no fork here")
    if child == 0:
        os._exit(0 if parallel._threads() is not before else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
