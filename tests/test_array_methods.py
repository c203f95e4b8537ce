"""NumPy's habits: what a tensor can do because it holds an array."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, ops

A = np.array([[1.5, -2.0, 0.25], [4.0, 0.0, -1.0]])


def leaf(data=A):
    return Tensor(np.array(data, float), requires_grad=True)


def test_shape_and_size_are_those_of_the_array():
    x = Tensor(A)
    assert (x.ndim, x.size, x.shape) == (2, 6, (2, 3))
    assert (Tensor(1.0).ndim, Tensor(1.0).size) == (0, 1)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4)])
def test_t_reverses_the_axes_and_so_the_gradient(shape):
    data = np.arange(float(np.prod(shape, dtype=int))).reshape(shape)
    x = leaf(data)
    np.testing.assert_array_equal(x.T.data, data.T)
    G = np.array(data.T * 2)
    x.T.backward(G)
    np.testing.assert_array_equal(x.grad, 2 * data)


def test_a_tensor_without_a_gradient_is_an_array_where_numpy_wants_one():
    x = Tensor(A)
    assert np.asarray(x) is not None
    np.testing.assert_array_equal(np.asarray(x), A)
    assert np.asarray(x).dtype == np.float64
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    assert np.shares_memory(np.asarray(x), A)
    assert not np.shares_memory(np.array(x), A)
    assert np.allclose(x, A)
    assert np.array_equal(np.concatenate([x, x]), np.concatenate([A, A]))
    assert np.array([Tensor(1.0), Tensor(2.0)]).tolist() == [1.0, 2.0]
    figure, axes = plt.subplots()
    axes.imshow(x)
    axes.plot(x[0], x[1])
    plt.close(figure)


def test_with_a_gradient_it_refuses_and_says_what_to_do():
    x = leaf()
    for convert in (np.asarray, np.array, lambda x: np.allclose(x, A), lambda x: np.array([x, x]), Tensor):
        for y in (x, x * 2.0, nn.Parameter(A.astype(np.float32))):
            with pytest.raises(TypeError, match=r"would lose its own; say \.detach\(\) or \.data"):
                convert(y)
    assert np.allclose(x.detach(), A)
    assert Tensor(x.detach()).data is x.data


def test_a_tensor_on_the_gpu_is_not_fetched_unasked(cupy):
    x = Tensor(A).to("cuda")
    with pytest.raises(TypeError, match=r"on 'cuda' becomes a NumPy array by x\.numpy\(\)"):
        x.__array__()
    assert (x > 0.0).sum().item() == 3
    assert x.argmax(axis=1).get().tolist() == [0, 0]


def test_formats():
    loss = leaf([0.12345]).sum()
    assert f"{loss:.3f}" == "0.123"
    assert f"{Tensor([[7]]):03d}" == "007"
    assert f"{loss}" == str(loss) == repr(loss)
    assert f"{Tensor(A)}" == repr(Tensor(A))
    with pytest.raises(TypeError, match=r"'\.3f' is for one number, this tensor has shape \(2, 3\); reduce it"):
        f"{Tensor(A):.3f}"


def test_numbers():
    assert type(float(Tensor(3))) is float
    assert type(int(Tensor(2.75))) is int
    assert int(Tensor([[2.75]])) == 2


@pytest.mark.parametrize("other", [0.25, 0, A[:1], A[0].tolist(), Tensor(A[1:]), leaf(A[1:]), Tensor(A.astype("f"))])
def test_comparisons_give_arrays_of_booleans(other):
    x = leaf()
    B = other.data if isinstance(other, Tensor) else np.asarray(other)
    for result, expected in (
        (x < other, A < B),
        (x <= other, A <= B),
        (x > other, A > B),
        (x >= other, A >= B),
        (other < x, B < A),
        (other >= x, B >= A),
    ):
        assert isinstance(result, np.ndarray)
        assert result.dtype == bool
        np.testing.assert_array_equal(result, expected)
    ops.where(x > 0, x, 0.0).sum().backward()
    assert x.grad.tolist() == [[1, 0, 1], [1, 0, 0]]
    assert x[x > 1].shape == (2,)


def test_comparisons_are_exact_and_refuse_what_does_not_fit():
    assert (Tensor(np.array([200], np.uint8)) < 300).tolist() == [True]
    with pytest.raises(ValueError, match=r"<: shapes \(2, 3\) and \(2,\) do not broadcast"):
        Tensor(A) < [1.0, 2.0]  # noqa: B015
    with pytest.raises(TypeError, match=r"<: a tensor holds real numbers"):
        Tensor(A) < "a"  # noqa: B015


def test_equality_is_identity():
    x, y = Tensor(A), Tensor(A)
    assert (x == y) is False
    assert (x == x) is True
    assert (A == x) is False
    assert x in [y, x]


def test_where_the_largest_is():
    x = leaf()
    for name in ("argmax", "argmin"):
        for axis in (None, 0, 1, -1):
            for keepdims in (False, True):
                expected = getattr(A, name)(axis=axis, keepdims=keepdims)
                np.testing.assert_array_equal(getattr(x, name)(axis=axis, keepdims=keepdims), expected)
    with pytest.raises(ValueError, match="argmax: axis 2 is out of range for a tensor with 2 axes"):
        x.argmax(axis=2)
    with pytest.raises(ValueError, match=r"argmin: no elements to compare, shape \(0, 3\) along axis 0"):
        Tensor(np.zeros((0, 3))).argmin(axis=0)


def test_flatten_keeps_the_axes_in_front():
    x = leaf(np.arange(24.0).reshape(2, 3, 4))
    assert x.flatten().shape == (24,)
    assert x.flatten(1).shape == (2, 12)
    assert x.flatten(-1).shape == (2, 3, 4)
    assert Tensor(1.0).flatten().shape == (1,)
    assert Tensor(np.zeros((2, 0, 3))).flatten(1).shape == (2, 0)
    with pytest.raises(ValueError, match="flatten: axis 3 is out of range"):
        x.flatten(3)


def test_tensors_on_two_devices_are_not_compared(cupy):
    here, there = Tensor([1.0]), Tensor([1.0]).to("cuda")
    with pytest.raises(TypeError, match=r"operands on different devices, 'cpu' and 'cuda'; move one with \.to"):
        here < there  # noqa: B015
