"""Parts of a batch: in order, whole, with any number of threads; and an error in one of them is heard."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tinygrad_edu.runtime import parallel
from tinygrad_edu.runtime.parallel import in_parts, product

CPU = np.zeros(1)


@pytest.fixture(params=[1, 2, 3, 8])
def workers(request, monkeypatch):
    parallel._settle_in()  # as the first operation that is cut does
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


@pytest.mark.parametrize("n", [0, 1, 10, 11, 100])
def test_pieces_are_small_and_each_item_is_in_one(workers, monkeypatch, n):
    monkeypatch.setattr(parallel, "PIECE", 5)
    done, sizes = np.zeros(n, int), []

    def work(piece):
        done[piece] += 1
        sizes.append(piece.stop - piece.start)

    parallel.in_pieces(work, n, CPU)
    assert (done == 1).all()
    assert max(sizes, default=0) == min(n, 5)


def test_an_error_in_a_part_is_raised(workers):
    def work(start, stop):
        if stop == 100:
            raise ZeroDivisionError("in the last part")
        return start

    with pytest.raises(ZeroDivisionError, match="in the last part"):
        in_parts(work, 100, 1, CPU)


def test_an_error_in_the_callers_own_part_waits_for_the_others(workers):
    unfinished = []

    def work(start, stop):
        if start == 0:
            raise ZeroDivisionError
        unfinished.append(start)
        time.sleep(0.05)
        unfinished.remove(start)

    with pytest.raises(ZeroDivisionError):
        in_parts(work, 100, 1, CPU)
    assert not unfinished


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 2), (300, 200, 250), (64, 1024, 1024)])
def test_product(shape, monkeypatch):
    monkeypatch.setattr(parallel, "PART_OF_PRODUCT", 100_000)
    N, D, M = shape
    A, B = np.random.default_rng(0).normal(size=(N, D)), np.random.default_rng(1).normal(size=(D, M))
    np.testing.assert_allclose(product(A, B), A @ B, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(product(A, np.asfortranarray(B)), A @ B, rtol=1e-12, atol=1e-12)
    assert product(A.astype(np.float32), B.astype(np.float32)).dtype == np.float32


# --- the last bit ----------------------------------------------------------------------------------------------------

HASH = """
import hashlib
import numpy as np
from tinygrad_edu import Tensor, manual_seed, nn, ops, optim
from tinygrad_edu.runtime import parallel
from tinygrad_edu.runtime.blas import hold_blas

rng = np.random.default_rng(0)
digest = hashlib.sha256()

def note(*arrays):
    for values in arrays:
        digest.update(np.ascontiguousarray(values).tobytes())

def numbers(*shape):
    return rng.normal(size=shape).astype(np.float32)
"""
# Not one of these products is cut, and an OpenBLAS of two threads rounds each otherwise than one of a single thread.
SMALL_PRODUCTS = """
for N, D, M in ((76, 962, 14), (4, 772, 421), (663, 769, 3), (255, 546, 11)):
    x, w = Tensor(numbers(N, D), requires_grad=True), Tensor(numbers(M, D).T, requires_grad=True)
    y = ops.linear(x, w)
    y.sum().backward()
    note(y.data, x.grad, w.grad, (x @ w).data)
"""
TRAINING = """
manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 17), nn.BatchNorm(17), nn.ReLU(), nn.MaxPool2d(3), nn.Conv2d(17, 33), nn.Flatten(),
    nn.Linear(33 * 25, 403), nn.ReLU(), nn.Linear(403, 10),
)
lstm = nn.LSTM(61, 129, return_sequences=True)
optimizer = optim.Adam([*model.parameters(), *lstm.parameters()])
for _ in range(2):
    x, sequences = Tensor(numbers(50, 15, 15, 3)), Tensor(numbers(33, 10, 61))
    loss = ops.softmax_cross_entropy(model(x), rng.integers(0, 10, 50)) + (lstm(sequences) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
note(*model.state_dict().values(), *lstm.state_dict().values())
"""
LARGE_PRODUCT = "note(parallel.product(numbers(301, 503), numbers(503, 701)))\n"
HOLD = "hold_blas()\n"


def run(code, threads):
    """What a new Python prints, on a computer on which BLAS finds so many cores."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    root = Path(__file__).parent.parent
    return subprocess.check_output([sys.executable, "-c", code], text=True, cwd=root, env=environment)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(LARGE_PRODUCT, id="what is cut"),
        pytest.param(LARGE_PRODUCT + SMALL_PRODUCTS, id="all that follows what is cut"),
        pytest.param(HOLD + SMALL_PRODUCTS + TRAINING, id="all that follows hold_blas"),
    ],
)
def test_the_number_of_cores_changes_no_bit_of(code):
    one, two = (run(HASH + code + "print(digest.hexdigest())", threads) for threads in (1, 2))
    assert one == two


def test_a_large_product_changes_no_bit_of_those_after_it_once_blas_is_held():
    code = HASH + HOLD + "x, w = numbers(76, 962), numbers(14, 962).T\nbefore = parallel.product(x, w)\n"
    assert run(code + LARGE_PRODUCT + "print(np.array_equal(before, parallel.product(x, w)))", 2) == "True\n"


def test_the_scripts_hold_blas_from_the_start(tmp_path):
    code = (
        "import threadpoolctl\nfrom models.common import flags\nfrom models.run import Run\n"
        "parser = flags('', 'test', epochs=1, quick_epochs=1, lr=1.0, batch_size=1)\n"
        f"run = Run(parser.parse_args(['--out', {str(tmp_path)!r}]), 'data', 'local')\n"
        "print({lib['num_threads'] for lib in threadpoolctl.threadpool_info() if lib['user_api'] == 'blas'} <= {1})"
    )
    assert run(code, 2).endswith("True\n")
