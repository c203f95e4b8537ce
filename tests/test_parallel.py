"""Parts of a batch: in order, whole, with any number of threads; and an error in one of them is heard."""

import threading

import numpy as np
import pytest

from tinygrad_edu import parallel
from tinygrad_edu.parallel import in_parts, product

CPU = np.zeros(1)


@pytest.fixture(params=[1, 2, 3, 8])
def workers(request, monkeypatch):
    parallel._workers()  # tells BLAS; the number below is for the parts alone
    monkeypatch.setattr(parallel, "_workers", lambda: request.param)
    parallel._threads.cache_clear()
    yield request.param
    parallel._threads.cache_clear()


@pytest.mark.parametrize("n", [1, 2, 7, 8, 100])
def test_the_parts_make_the_whole_in_order(workers, n):
    results = in_parts(lambda start, stop: (start, stop), n, 2, CPU)
    assert [i for start, stop in results for i in range(start, stop)] == list(range(n))
    assert len(results) == max(1, min(4, n // 2))


def test_several_threads_take_part(workers):
    together = threading.Barrier(min(workers, 4), timeout=5)  # passed only when that many are inside at once
    names = in_parts(lambda *_: together.wait() * 0 or threading.current_thread().name, min(workers, 4), 1, CPU)
    assert len(set(names)) == min(workers, 4)


def test_an_error_in_a_part_is_raised(workers):
    def work(start, stop):
        if stop == 100:
            raise ZeroDivisionError("in the last part")
        return start

    with pytest.raises(ZeroDivisionError, match="in the last part"):
        in_parts(work, 100, 1, CPU)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 2), (300, 200, 250), (64, 1024, 1024)])
def test_product(shape, monkeypatch):
    monkeypatch.setattr(parallel, "SMALLEST_PRODUCT", 100_000)
    N, D, M = shape
    A, B = np.random.default_rng(0).normal(size=(N, D)), np.random.default_rng(1).normal(size=(D, M))
    np.testing.assert_allclose(product(A, B), A @ B, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(product(A, np.asfortranarray(B)), A @ B, rtol=1e-12, atol=1e-12)
    assert product(A.astype(np.float32), B.astype(np.float32)).dtype == np.float32
