"""The five rows. Ratios are everybody's time over ours: above 1, ours is faster."""

from benchmarks.contender import Contender, Goal, Row
from benchmarks.practicals import in_jax, in_keras, in_pytorch, ours


def row(
    name: str,
    title: str,
    contenders: dict[str, type[Contender]],
    steps: int,
    goal: Goal,
    seed: int = 0,
    tolerance: float = 1e-5,
) -> Row:
    ratios = tuple((other, "ours") for other in contenders if other != "ours")
    return Row(name, title, contenders, ratios, steps, tolerance, goals=(goal,), seed=seed)


ROWS = (
    row(
        "softmax-regression",
        "one training step of softmax regression, 784 -> 10, batch 100, SGD, float32",
        {
            "ours": ours.SoftmaxOurs,
            "textbook": ours.SoftmaxTextbook,
            "torch": in_pytorch.SoftmaxPyTorch,
            "torch-best": in_pytorch.SoftmaxPyTorchBest,
            "keras": in_keras.SoftmaxKeras,
            "jax": in_jax.SoftmaxJax,
        },
        steps=500,
        goal=Goal("torch / ours", at_least=3.0),
    ),
    row(
        "sine-rnn",
        "one training step of SimpleRNN(1) + linear, batch 600, 2 steps, Adam, float32",
        {
            "ours": ours.SineOurs,
            "textbook": ours.SineTextbook,
            "unfused": ours.SineUnfused,
            "torch": in_pytorch.SinePyTorch,
            "torch-best": in_pytorch.SinePyTorchBest,
            "keras": in_keras.SineKeras,
            "jax": in_jax.SineJax,
        },
        steps=300,
        goal=Goal("torch / ours", at_least=8.0),
    ),
    row(
        "airline-lstm",
        "one training step of LSTM(4) + linear, batch 1, 1 step, Adam, float32",
        {
            "ours": ours.AirlineOurs,
            "textbook": ours.AirlineTextbook,
            "unfused": ours.AirlineUnfused,
            "torch": in_pytorch.AirlinePyTorch,
            "torch-best": in_pytorch.AirlinePyTorchBest,
            "keras": in_keras.AirlineKeras,
            "jax": in_jax.AirlineJax,
        },
        steps=300,
        goal=Goal("torch / ours", at_least=9.0),
    ),
    row(
        "shakespeare-lstm",
        "one training step of embedding 65 x 32 + LSTM(128) + linear 65, batch 128, 30 steps, Adam, float32",
        {
            "ours": ours.TextOurs,
            "textbook": ours.TextTextbook,
            "unfused": ours.TextUnfused,
            "torch": in_pytorch.TextPyTorch,
            "torch-best": in_pytorch.TextPyTorchBest,
            "keras": in_keras.TextKeras,
            "jax": in_jax.TextJax,
        },
        steps=8,
        goal=Goal("torch / ours", at_least=0.95),
    ),
    row(
        "mini-alexnet",
        "one training step of mini-AlexNet, batch 128, Adam, float32, the same graph for all",
        {
            "ours": ours.AlexNetOurs,
            "textbook": ours.AlexNetTextbook,
            "torch": in_pytorch.AlexNetPyTorch,
            "torch-best": in_pytorch.AlexNetPyTorchBest,
            "keras": in_keras.AlexNetKeras,
            "jax": in_jax.AlexNetJax,
        },
        steps=5,
        goal=Goal("torch / ours", at_least=1.1),
        seed=1,  # with 0, a rounding decides whether one unit before a ReLU is above zero, and with 2, which pixel
        # of two in a pooling's window is the largest: the gradient jumps there, by 3e-2 and 5e-4
    ),
)
