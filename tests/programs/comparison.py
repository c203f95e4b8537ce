"""What a program must agree with: PyTorch or finite differences, the textbook, the stand-in, and itself in float32.

All agree to the bounds of `rounding`. `check` raises `Mismatch`, whose text names the first tensor that is wrong.
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import strict_array

from programs.program import Program, Step, T, loss_of, loss_of_torch, results_of, run, run_torch, torch
from programs.rounding import Bounds, Outcome, bounds, outcome
from programs.script import Expectation, Way, script
from programs.table import TABLE
from tinygrad_edu import no_grad, textbook

U64, U32 = 2.0**-53, 2.0**-24
CUPY = strict_array.CuPy()


WAYS = {
    "the textbook": Way(textbook=True),
    "the stand-in": Way(strict=True),
    "the textbook on the stand-in": Way(textbook=True, strict=True),
    "float32": Way(single=True),
    "the textbook in float32": Way(textbook=True, single=True),
}
OTHERS = "PyTorch or finite differences"


class Mismatch(AssertionError):
    """Two ways to compute a program do not agree; `name` is one of WAYS, or OTHERS."""

    def __init__(self, name: str, message: str, script: str) -> None:
        super().__init__(f"{name}: {message}\n\n{script}")
        self.name = name


def check(program: Program, finite: bool = torch is None, only: str = "") -> dict[str, float]:
    """Raise Mismatch unless all ways to compute a program agree; returns the largest share of each bound that was used.

    With `finite` the gradients are compared with finite differences, else values and gradients with PyTorch. `only` is
    the name of one way, where the others need not be looked at.
    """
    ours = computed(program, OTHERS, Way())
    bound = bounds(program, ours)
    used = {}
    if only in ("", OTHERS):
        if finite:
            compare_with_differences(program, ours, bound)
        else:
            used["PyTorch"] = compare(program, OTHERS, Way(), ours, by_torch(program), bound)
    has_twins = not textbook.TWINS.keys().isdisjoint(program.names)
    for name, way in WAYS.items():
        if only in ("", name) and (has_twins or not way.textbook):  # without twins the textbook is the same code
            used[name] = compare(program, name, way, computed(program, name, way), ours, bound)
    return used


def computed(program: Program, name: str, way: Way) -> Outcome:
    """A program's outcome by this package; an error that it raises is a Mismatch, too."""
    dtype, device = np.float32 if way.single else np.float64, "cuda" if way.strict else "cpu"
    try:
        with contextlib.ExitStack() as stack:
            if way.strict:
                strict_array.install(stack.enter_context(pytest.MonkeyPatch.context()), CUPY)
            if way.textbook:
                stack.enter_context(textbook.instead())
            return outcome(program, run(program, dtype, device))
    except Exception as error:
        raise Mismatch(name, f"{type(error).__name__}: {error}", script(program, way, None, [])) from error


def by_torch(program: Program) -> Outcome:
    """A program's outcome by PyTorch."""
    tensors = run_torch(program, TABLE)
    for x in tensors:
        if x.requires_grad:
            x.retain_grad()
    loss = loss_of_torch(program, tensors)
    if loss.requires_grad:
        loss.backward()
    gradients = [torch.zeros_like(x) if x.grad is None else x.grad for x in tensors]
    return Outcome([x.detach().numpy() for x in tensors], [g.numpy() for g in gradients])


def compare(program: Program, name: str, way: Way, ours: Outcome, right: Outcome, bound: Bounds) -> float:
    """The largest error in units of its bound; Mismatch where it is above 1, or shape or dtype are wrong."""
    u = U32 + U64 if way.single else 2 * U64
    dtype = "float32" if way.single else "float64"
    largest = 0.0
    for what in ("value", "gradient"):
        rows = zip(getattr(ours, what + "s"), getattr(right, what + "s"), getattr(bound, what + "s"), strict=True)
        for i, (x, y, limit) in enumerate(rows):
            of = f"dL/d({T(i)})" if what == "gradient" else f"{T(i)}"
            for attribute, got, expected in (("shape", x.shape, y.shape), ("dtype", x.dtype, dtype)):
                if got != expected:
                    message = f"{of} has {attribute} {got}, expected {expected}"
                    wrong = Expectation(T(i), what, expected, attribute=attribute)
                    raise mismatch(name, message, program, way, wrong, right)
            error = float(np.abs(x - y).max(initial=0.0))
            if not error <= u * limit:
                message = f"{of} is wrong by {error:.3g}, where rounding explains {u * limit:.3g}"
                raise mismatch(name, message, program, way, Expectation(T(i), what, y, u * limit), right)
            largest = max(largest, error / (u * limit) if error else 0.0)
    return largest


def mismatch(name: str, message: str, program: Program, way: Way, expectation: Expectation, right: Outcome) -> Mismatch:
    return Mismatch(name, message, script(program, way, expectation, [x.shape for x in right.values]))


# --- finite differences ---

H = 2.0**-13


def compare_with_differences(program: Program, ours: Outcome, bound: Bounds) -> None:
    """Every leaf's gradient along a random direction against quotients of differences of the loss L.

    D(h) = (L(x + h v) - L(x - h v)) / 2h has an error of c h^2 + O(h^4), so R(h) = (4 D(h) - D(2h)) / 3 has one of
    O(h^4) (Richardson 1911). R(2h) differs from R(h) by about 15 times the error of R(h): its truncation is at most
    |R(h) - R(2h)|. And L is a sum of the outputs, each with the error that `rounding` bounds: if L is wrong by at most
    e, D(h) is by e / h, and R(h) by (4/3 + 1/6) e / h. The directional derivative of ours is itself wrong by at most
    the sum of its terms' bounds.
    """
    rng = np.random.default_rng(1)
    error_of_loss = U64 * sum(bound.values[i] * ours.values[i].size for i in program.outputs)
    error_of_loss += U64 * 100 * sum(np.abs(ours.values[i]).sum() for i in program.outputs)  # the weighted sum itself
    number = 0
    for k, step in enumerate(program.steps):
        i, number = number, number + results_of(step)
        if step.name != "leaf" or not step.arguments[1]:
            continue
        V = rng.normal(size=step.arguments[0].shape)
        D = [difference(program, k, V, h) for h in (H, 2 * H, 4 * H)]
        R, R2 = (4 * D[0] - D[1]) / 3, (4 * D[1] - D[2]) / 3
        along = float((ours.gradients[i] * V).sum())
        limit = abs(R - R2) + 1.5 * error_of_loss / H + U64 * bound.gradients[i] * np.abs(V).sum()
        if not abs(along - R) <= limit:
            message = (
                f"dL/d({T(i)}) along a direction is {along:.12g}, by finite differences {R:.12g}; rounding and "
                f"truncation explain a difference of {limit:.3g}"
            )
            raise mismatch(OTHERS, message, program, Way(), Expectation(T(i), "gradient", R, limit, V), ours)


def difference(program: Program, k: int, V: np.ndarray, h: float) -> float:
    """D(h) of the loss along V, a direction for the leaf that step k makes."""
    losses = []
    for move in (h * V, -h * V):
        leaf = Step("leaf", (program.steps[k].arguments[0] + move, False))
        moved = Program([*program.steps[:k], leaf, *program.steps[k + 1 :]], program.outputs)
        with no_grad():
            losses.append(loss_of(moved, run(moved)).item())
    return (losses[0] - losses[1]) / (2 * h)
