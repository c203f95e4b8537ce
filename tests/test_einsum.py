"""`einsum` of two operands: NumPy's values, PyTorch's gradients, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, ops

RNG = np.random.default_rng(0)
LENGTHS = dict(zip("ijklm", (2, 3, 4, 1, 2)))


@st.composite
def products(draw):
    letters = st.lists(st.sampled_from("ijklm"), unique=True, max_size=4).map("".join)
    a, b = draw(letters), draw(letters)
    y = draw(st.lists(st.sampled_from(sorted({*a, *b})), unique=True).map("".join)) if a + b else ""
    return a, b, y


@given(products())
def test_values_are_numpys_and_gradients_pytorchs(drawn):
    a, b, y = drawn
    subscripts = f"{a},{b}->{y}"
    A, B = (np.asarray(RNG.normal(size=[LENGTHS[letter] for letter in letters])) for letters in (a, b))
    x1, x2 = Tensor(A, requires_grad=True), Tensor(B, requires_grad=True)
    out = ops.einsum(subscripts, x1, x2)
    np.testing.assert_allclose(out.data, np.einsum(subscripts, A, B), rtol=1e-12, atol=1e-13)
    torch = pytest.importorskip("torch")
    G = np.asarray(RNG.normal(size=out.shape))
    out.backward(G)
    t1, t2 = torch.tensor(A, requires_grad=True), torch.tensor(B, requires_grad=True)
    torch.einsum(subscripts, t1, t2).backward(torch.tensor(G))
    np.testing.assert_allclose(x1.grad, t1.grad.numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(x2.grad, t2.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "subscripts",
    ["...ij,...jk->...ik", "ij...,jk...->ik...", "...ij,jk->...ik", "ij,...jk", "...,...", "...,ij->...ij"],
)
def test_dots_stand_for_the_axes_in_front(subscripts):
    shapes = {"i": 2, "j": 3, "k": 4}
    a, b = (
        [n for c in part.replace("...", ".") for n in ([5, 6] if c == "." else [shapes[c]])]
        for part in subscripts.split("->")[0].split(",")
    )
    A, B = RNG.normal(size=a), RNG.normal(size=b)
    np.testing.assert_allclose(ops.einsum(subscripts, A, B).data, np.einsum(subscripts, A, B), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("subscripts", "message"),
    [
        ("ij->ji", "for two operands, got 'ij->ji'"),
        ("ij,jk,kl->il", "for two operands"),
        (7, "expected subscripts such as"),
        ("ijk,jk->i", r"'ijk' must name each of the 2 axes of \(2, 3\) once"),
        ("ii,ij->j", r"'ii' must name each of the 2 axes of \(2, 3\) once \(no diagonals\)"),
        ("ij,ik->jk", r"the shapes \(2, 3\) and \(3, 4\) give one letter two lengths"),
        ("ij,jk->iz", "must name axes of the operands, each once"),
        ("ij,jk->ii", "must name axes of the operands, each once"),
    ],
)
def test_what_does_not_fit_is_refused(subscripts, message):
    with pytest.raises(ValueError, match=f"^einsum: .*{message}"):
        ops.einsum(subscripts, Tensor(RNG.normal(size=(2, 3))), Tensor(RNG.normal(size=(3, 4))))


def test_a_letter_may_be_neither_longer_nor_shorter_the_second_time():
    for b in (2, 4):
        with pytest.raises(ValueError, match=r"^einsum: .* give one letter two lengths"):
            ops.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((b, 2)))
