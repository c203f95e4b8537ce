"""The price list of cleverness: each fast operation against its plain twin, forward and backward, in time and memory.

`python -m benchmarks --only textbook`. The sizes are those at which the practicals use the operations.
"""

from typing import Any

import numpy as np

from benchmarks.contender import Contender, Row
from benchmarks.operation import Operation, registered
from tinygrad_edu import Tensor, optim, textbook


class Step(Contender):
    """Times one step of Adam over the parameters of mini-AlexNet's dense layers and an LSTM's."""

    plain = False

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        shapes = ((128, 1024), (1024,), (1024, 1024), (1024,), (1, 16), (4, 16), (16,))
        self.parameters = [Tensor(rng.normal(size=s).astype(np.float32), requires_grad=True) for s in shapes]
        for p in self.parameters:
            p.grad = rng.normal(size=p.shape).astype(np.float32)
        self.moments = [(np.zeros_like(p.data), np.zeros_like(p.data)) for p in self.parameters]
        self.optimizer = optim.Adam(self.parameters)
        self.t = 0

    def step(self) -> None:
        if not self.plain:
            self.optimizer.step()
            return
        self.t += 1
        for i, p in enumerate(self.parameters):
            p.data, *self.moments[i] = textbook.adam(p.data, p.grad, *self.moments[i], self.t)  # type: ignore[call-overload]

    def gradients(self) -> dict[str, np.ndarray | None]:
        self.step()
        return {str(i): p.data for i, p in enumerate(self.parameters)}


def row(name: str, title: str, steps: int, shapes: tuple[tuple[int, ...], ...], **about: Any) -> Row:
    """A row for one operation; its name up to a hyphen is the operation's."""
    about = {"operation": name.split("-")[0], "shapes": shapes, **about}
    kinds = {"ours": about, "textbook": {**about, "plain": True}}
    contenders = {kind: registered(__name__, f"{name} {kind}", Operation, own) for kind, own in kinds.items()}
    return Row(f"textbook-{name}", title, contenders, (("textbook", "ours"),), steps, 1e-4, most_rounds=10)


def recurrent(gates: int, N: int, T: int, D: int, H: int, biases: tuple[int, ...] = ()) -> tuple[tuple[int, ...], ...]:
    return (N, T, D), (D, gates * H), (H, gates * H), (*biases, gates * H)


MAPS, HEADS, CAUSAL = (128, 32, 32, 48), (12, 4, 64, 32), {"causal": True}
ROWS = (
    row("conv2d", "conv2d of 128 maps 10 x 10, 48 to 128 channels", 3, ((128, 10, 10, 48), (3, 3, 48, 128), (128,))),
    row("conv2d-small", "conv2d of 128 maps 3 x 3, 192 channels", 5, ((128, 3, 3, 192), (3, 3, 192, 192), (192,))),
    row(
        "conv_transpose2d",
        "conv_transpose2d of 32 maps 16 x 16 to 32 x 32, 32 to 16 channels",
        5,
        ((32, 16, 16, 32), (3, 3, 16, 32), (16,)),
        options={"stride": 2},
    ),
    row("max_pool2d", "max_pool2d of 128 maps 32 x 32, 48 channels, windows 3 x 3", 3, (MAPS,), options={"size": 3}),
    row("avg_pool2d", "avg_pool2d of the same", 3, (MAPS,), options={"size": 3}),
    row("batch_norm", "batch_norm of 128 maps 16 x 16, 64 channels", 5, ((128, 16, 16, 64), (64,), (64,))),
    row("simple_rnn", "simple_rnn(1), batch 600, 2 steps", 500, recurrent(1, 600, 2, 1, 1)),
    row("lstm", "lstm(128), batch 128, 30 steps of 32 features", 4, recurrent(4, 128, 30, 32, 128), scale=0.1),
    row("lstm-small", "lstm(4), batch 1, 1 step", 500, recurrent(4, 1, 1, 1, 4)),
    row("gru", "gru(128), batch 128, 30 steps of 32 features", 4, recurrent(3, 128, 30, 32, 128, (2,)), scale=0.1),
    row(
        "embedding",
        "embedding of 128 x 30 ids in a table 65 x 32",
        50,
        ((65, 32),),
        others=lambda rng: (rng.integers(0, 65, (128, 30)),),
    ),
    row("attention", "causal attention of 12 x 4 heads, 64 places of 32 numbers", 20, 3 * (HEADS,), options=CAUSAL),
    row("attention-long", "the same of 4 heads, 2048 places", 1, 3 * ((1, 4, 2048, 32),), options=CAUSAL),
    row("dropout", "dropout of 128 x 1024", 50, ((128, 1024),), others=lambda rng: (0.5, rng)),
    row(
        "softmax_cross_entropy",
        "softmax_cross_entropy of 100 x 10",
        500,
        ((100, 10),),
        others=lambda rng: (rng.integers(0, 10, 100),),
    ),
    Row(
        "textbook-adam",
        "Adam's step over 1.2 million parameters in two large arrays and five small ones",
        {"ours": Step, "textbook": registered(__name__, "adam textbook", Step, {"plain": True})},
        (("textbook", "ours"),),
        20,
        tolerance=1e-4,
        most_rounds=10,
    ),
)
