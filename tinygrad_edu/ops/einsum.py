"""Einstein's notation: products of two tensors, said by the letters of their axes."""

from __future__ import annotations

import re
from collections import Counter

from tinygrad_edu.backend import array_module
from tinygrad_edu.ops.support import Operand, same_kind
from tinygrad_edu.runtime.blas import alone
from tinygrad_edu.tensor import Tensor, record

SUBSCRIPTS = re.compile(
    r"(?P<a>[a-zA-Z]*(\.\.\.)?[a-zA-Z]*),(?P<b>[a-zA-Z]*(\.\.\.)?[a-zA-Z]*)(->(?P<y>[a-zA-Z]*(\.\.\.)?[a-zA-Z]*))?"
)


def einsum(subscripts: str, a: Operand, b: Operand) -> Tensor:
    """Y = the sum over all letters that Y does not have of A * B: `einsum("nd,dm->nm", a, b)` is the matrix product.

    Every letter is an axis; the same letter in A and B is the same index. Without `->`, Y has the letters that occur
    once, in the order of the alphabet; `...` stands for the axes in front that need no name. An example with the
    letters i, j, k:   Y[i,k] = sum_j A[i,j] B[j,k].

    In general Y[y] = sum over the rest of A[a] B[b], where a, b and y are tuples of letters. A[a] is a factor in every
    term in which the letters of a have these values, and the other factor is B[b], so

    dL/dA[a] = sum over the letters of b and y that a does not have of  G[y] B[b],   that is   einsum("y,b->a", G, B),

    and dL/dB alike: a product is differentiated by writing G into the place of the factor. A letter that A has alone is
    summed over in Y, so every entry along it has the same gradient: there, the result is repeated.

    Raises
    ------
    ValueError
        The subscripts do not fit the operands, a letter occurs twice in one of them (take the diagonal first), or
        lengths of one letter differ (nothing is broadcast).
    """
    a, b = same_kind("einsum", a, b)
    letters_a, letters_b, letters_y = _letters(subscripts, a, b)
    A, B = a.data, b.data
    xp = array_module(A)

    def product(letters_1, X1, letters_2, X2, letters_out):
        product = f"{letters_1},{letters_2}->{letters_out}"
        return alone(lambda: xp.einsum(product, X1, X2, optimize=True))  # "optimize" lets BLAS multiply

    def gradient(G, other_letters, other, letters, shape):
        shared = "".join(letter for letter in letters if letter in letters_y or letter in other_letters)
        D = product(letters_y, G, other_letters, other, shared)
        alone = tuple(i for i, letter in enumerate(letters) if letter not in shared)
        return xp.broadcast_to(xp.expand_dims(D, alone), shape).copy()

    def backward(G):
        return (
            gradient(G, letters_b, B, letters_a, A.shape) if a.requires_grad else None,
            gradient(G, letters_a, A, letters_b, B.shape) if b.requires_grad else None,
        )

    return record(product(letters_a, A, letters_b, B, letters_y), (a, b), backward)


def _letters(subscripts: str, a: Tensor, b: Tensor) -> tuple[str, str, str]:
    """The letters of A, B and Y, with letters in place of `...`; ValueError when they do not fit."""
    found = SUBSCRIPTS.fullmatch(subscripts.replace(" ", "")) if isinstance(subscripts, str) else None
    if not found:
        raise ValueError(f"einsum: expected subscripts such as 'ij,jk->ik' for two operands, got {subscripts!r}")
    spare = "".join(letter for letter in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if letter not in subscripts)
    names = []
    for name, x in (("a", a), ("b", b)):
        unnamed = x.data.ndim - len(found[name].replace("...", ""))
        names.append(found[name].replace("...", spare[:unnamed][::-1] if unnamed > 0 else ""))
        if len(names[-1]) != x.data.ndim or len(set(names[-1])) < len(names[-1]):
            raise ValueError(
                f"einsum: {found[name]!r} must name each of the {x.data.ndim} axes of {x.shape} once (no diagonals); "
                "'...' stands for axes in front"
            )
    front = max((n for n, k in zip(names, "ab") if "..." in found[k]), key=len, default="")
    front = "".join(letter for letter in front if letter in spare)
    if found["y"] is None:
        once = Counter(found["a"] + found["b"])
        y = front + "".join(sorted(letter for letter, n in once.items() if n == 1 and letter != "."))
    else:
        y = found["y"].replace("...", front)
    length: dict[str, int] = {}
    for letters, x in zip(names, (a, b)):
        for letter, n in zip(letters, x.shape):
            if length.setdefault(letter, n) != n:
                raise ValueError(
                    f"einsum: in {subscripts!r} the shapes {a.shape} and {b.shape} give one letter two lengths"
                )
    if len(set(y)) < len(y) or not set(y) <= set(length):
        raise ValueError(f"einsum: the result of {subscripts!r} must name axes of the operands, each once")
    return names[0], names[1], y
