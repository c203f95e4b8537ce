"""One valid call of everything public that takes arguments: what `inputs.py` spoils, one argument at a time.

The table is checked for completeness: what `__all__` (or, without one, a module itself) makes public stands in it, with
every parameter by its name. Left out by rule, in `needs_a_call`: exceptions; the records of `RECORDS`, which the
package fills itself; what takes no argument; and the loaders of `data`, whose files are spoilt by a proof of their own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import tinygrad_edu
from tinygrad_edu import (
    Tensor,
    backend,
    data,
    gradcheck,
    inspection,
    metrics,
    nn,
    ops,
    optim,
    plots,
    textbook,
    training,
)
from tinygrad_edu.nn import init
from tinygrad_edu.runtime import process

MODULES = (
    *(tinygrad_edu, ops, nn, init, optim, metrics, textbook, gradcheck, inspection, plots, training, data),
    *(backend, process),
)
RECORDS = {
    *(
        "gradcheck.CheckResult",
        "training.History",
        "training.Figures",
        "training.Checkpoint",
        "training.Unfinished",
        "data.ImageData",
        "data.SceneData",
        "data.Scenes",
        "data.Series",
        "data.Text",
        "plots.Graph",
        "plots.Node",
    ),
    *(f"inspection.{name}" for name in ("Explanation", "Grid", "Input", "LayerRow", "Leaf", "Seen", "Step", "Trace")),
}


@dataclass(frozen=True)
class Call:
    """A function with its arguments by name; those of `*name` are handed over one after the other.

    `use` is what is done with the result: a layer is called, batches are gone through.
    """

    function: Callable[..., Any]
    arguments: dict[str, Any]
    use: Callable[[Any], Any] = field(default=lambda result: None)

    def __call__(self) -> Any:
        named = {name: value for name, value in self.arguments.items() if not name.startswith("*")}
        several = [value for name, value in self.arguments.items() if name.startswith("*")]
        if not several:
            result = self.function(**named)
        else:  # what stands in front of *name is handed over by its place
            first = list(self.arguments).index(next(name for name in self.arguments if name.startswith("*")))
            before = [named.pop(name) for name in list(self.arguments)[:first]]
            result = self.function(*before, *several[0], **named)
        self.use(result)
        return result


def public() -> Iterator[tuple[str, Any]]:
    """("ops.exp", exp) of all that is public and called, and each layer's `forward`; what stands twice comes once."""
    seen: set[int] = set()
    for module in MODULES:
        short = module.__name__.rpartition(".")[2]
        for name in names_of(module):
            value = getattr(module, name)
            if not callable(value) or id(value) in seen:
                continue
            seen.add(id(value))
            yield f"{short}.{name}", value
            if inspect.isclass(value) and issubclass(value, nn.Module) and value is not nn.Module:
                yield f"{short}.{name}.forward", value.forward


def names_of(module: ModuleType) -> list[str]:
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    return getattr(module, "__all__", [name for name in own if not name.startswith("_")])


def needs_a_call(name: str, value: Any) -> bool:
    """Whether something public takes arguments that can be bad: see the top of the file."""
    if name in RECORDS or name.startswith("data.load_"):
        return False
    if inspect.isclass(value) and issubclass(value, Exception):
        return False
    return bool(parameters(value))


def parameters(value: Any) -> list[str]:
    """The names of a callable's parameters, `*name` for several; without the `self` of a method."""
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    listed = inspect.signature(value).parameters.values()
    return [stars.get(p.kind, "") + p.name for p in listed if p.name != "self"]


# --- the table ---

Q = Path("/nowhere")  # a path that a good call does not open


def x(*shape: int, seed: int = 0) -> Tensor:
    """A tensor of numbers between 0.1 and 1 that requires a gradient."""
    return Tensor(array(*shape, seed=seed), requires_grad=True)


def array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 1, shape).astype(np.float32)


BOXES = np.array([[1.0, 2.0, 9.0, 8.0], [2.0, 2.0, 9.0, 9.0]])
FOUND = BOXES, np.array([3, 1]), np.array([0.5, 0.9])  # boxes of one picture, their classes, how sure


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def with_gradients() -> list[Tensor]:
    parameters = [x(2, 3), x(3)]
    for p in parameters:
        p.grad = np.ones_like(p.data)
    return parameters


def stepped(optimizer: optim.Optimizer) -> None:
    for p in optimizer.parameters:
        p.grad = np.ones_like(p.data)
    optimizer.step()


def loss() -> Tensor:
    return ops.mse(ops.tanh(x(2, 3) @ x(3, 1)), array(2, 1))


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


def through(*shape: int) -> Callable[[Any], Any]:
    return lambda layer: layer(x(*shape))


def adams_arguments() -> dict[str, Any]:
    return {"parameters": with_gradients(), "lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-7, "weight_decay": 0.1}


def walk(items: Any) -> None:
    for number, _ in enumerate(items):
        if number == 3:
            break


UNARY = (
    *("neg", "exp", "log", "log1p", "sqrt", "sin", "cos", "abs", "tanh", "sigmoid", "relu", "softplus", "silu"),
    "transpose",
)
BINARY = ("add", "sub", "mul", "div", "pow", "maximum", "minimum")
IMAGE = {"stride": 1, "padding": "same", "dilation": 1}
SEQUENCE = {"h0": None, "input_mask": None, "recurrent_mask": None}
RECURRENT = {"return_sequences": True, "return_state": False, "dropout": 0.1, "recurrent_dropout": 0.1}


def operation(function: Callable[..., Any], **arguments: Any) -> Call:
    return Call(function, arguments)


def recurrent(function: Callable[..., Any], gates: int) -> Callable[[], Call]:
    def make():
        bias = x(2, 6) if gates == 3 else x(gates * 2)
        states = {"h0": x(2, 2), **({"c0": x(2, 2)} if gates == 4 else {})}
        masks = {"input_mask": array(2, 1), "recurrent_mask": array(2, 2)}
        weights = {"W": x(1, gates * 2), "U": x(2, gates * 2), "b": bias}
        return Call(function, {"x": x(2, 3, 1), **weights, **states, **masks})

    return make


def with_twins(module: Any) -> dict[str, Callable[[], Call]]:
    """The operations that the textbook has, too."""
    short = module.__name__.rpartition(".")[2]
    pool = {"size": 2, "stride": 2, "padding": "valid", "dilation": 1, "ceil_mode": False}
    calls = {
        "conv2d": lambda: operation(module.conv2d, x=x(2, 4, 4, 2), kernel=x(3, 3, 2, 4), bias=x(4), **IMAGE, groups=1),
        "conv_transpose2d": lambda: operation(
            module.conv_transpose2d, x=x(2, 4, 4, 2), kernel=x(3, 3, 4, 2), bias=x(4), **IMAGE, output_size=None
        ),
        "max_pool2d": lambda: operation(module.max_pool2d, x=x(2, 4, 4, 2), **pool),
        "avg_pool2d": lambda: operation(module.avg_pool2d, x=x(2, 4, 4, 2), **pool),
        "batch_norm": lambda: operation(
            module.batch_norm, x=x(4, 3), gamma=x(3), beta=x(3), running_mean=array(3), running_var=array(3),
            training=True, momentum=0.9, eps=1e-3,
        ),
        "dropout": lambda: operation(module.dropout, x=x(2, 3), p=0.5, rng=rng()),
        "embedding": lambda: operation(module.embedding, table=x(5, 2), ids=np.array([0, 4, 2])),
        "softmax_cross_entropy": lambda: operation(
            module.softmax_cross_entropy, logits=x(4, 3), labels=np.array([0, 1, 2, 1]), reduction="mean",
            weight=array(3), ignore_index=1, label_smoothing=0.1,
        ),
        "attention": lambda: operation(
            module.attention, q=x(2, 2, 3, 2), k=x(2, 2, 3, 2), v=x(2, 2, 3, 2), mask=array(3, 3) > 0.5, causal=True,
            dropout=0.1, rng=rng(),
        ),
        "simple_rnn": recurrent(module.simple_rnn, 1),
        "lstm": recurrent(module.lstm, 4),
        "gru": recurrent(module.gru, 3),
    }  # fmt: skip
    return {f"{short}.{name}": call for name, call in calls.items()}


CALLS: dict[str, Callable[[], Call]] = {
    **{f"ops.{name}": lambda name=name: operation(getattr(ops, name), a=x(2, 3)) for name in UNARY[:-1]},
    **{f"ops.{name}": lambda name=name: operation(getattr(ops, name), a=x(2, 3), b=x(3)) for name in BINARY},
    "ops.transpose": lambda: Call(ops.transpose, {"a": x(2, 3), "*axes": (1, 0)}),
    "ops.reshape": lambda: Call(ops.reshape, {"a": x(2, 3), "*shape": (3, 2)}),
    "ops.leaky_relu": lambda: operation(ops.leaky_relu, a=x(2, 3), slope=0.1),
    "ops.elu": lambda: operation(ops.elu, a=x(2, 3), alpha=1.0),
    "ops.gelu": lambda: operation(ops.gelu, a=x(2, 3), approximate="none"),
    "ops.clip": lambda: operation(ops.clip, a=x(2, 3), low=0.2, high=0.7),
    "ops.where": lambda: operation(ops.where, condition=array(2, 3) > 0.5, a=x(2, 3), b=x(3)),
    "ops.softmax": lambda: operation(ops.softmax, a=x(2, 3), axis=1),
    "ops.log_softmax": lambda: operation(ops.log_softmax, a=x(2, 3), axis=1),
    "ops.logsumexp": lambda: operation(ops.logsumexp, a=x(2, 3), axis=1, keepdims=False),
    **{
        f"ops.{name}": lambda name=name: operation(getattr(ops, name), a=x(2, 3), axis=1, keepdims=False)
        for name in ("sum", "mean", "max", "min")
    },
    "ops.var": lambda: operation(ops.var, a=x(2, 3), axis=1, keepdims=False, ddof=1),
    "ops.cumsum": lambda: operation(ops.cumsum, a=x(2, 3), axis=1),
    "ops.flatten": lambda: operation(ops.flatten, a=x(2, 3, 2), start_axis=1),
    "ops.swapaxes": lambda: operation(ops.swapaxes, a=x(2, 3), first=0, second=1),
    "ops.expand_dims": lambda: operation(ops.expand_dims, a=x(2, 3), axis=1),
    "ops.squeeze": lambda: operation(ops.squeeze, a=x(2, 1, 3), axis=1),
    "ops.broadcast_to": lambda: operation(ops.broadcast_to, a=x(3), shape=(2, 3)),
    "ops.concatenate": lambda: operation(ops.concatenate, tensors=[x(2, 3), x(1, 3)], axis=0),
    "ops.stack": lambda: operation(ops.stack, tensors=[x(2, 3), x(2, 3)], axis=0),
    "ops.split": lambda: operation(ops.split, a=x(4, 3), sections=2, axis=0),
    "ops.pad": lambda: operation(ops.pad, a=x(2, 3), widths=1, value=0.5),
    "ops.astype": lambda: operation(ops.astype, a=x(2, 3), dtype=np.float64),
    "ops.to": lambda: operation(ops.to, a=x(2, 3), device="cpu"),
    "ops.getitem": lambda: operation(ops.getitem, a=x(2, 3), index=1),
    "ops.matmul": lambda: operation(ops.matmul, a=x(2, 3), b=x(3, 4)),
    "ops.linear": lambda: operation(ops.linear, x=x(2, 3), W=x(3, 4), b=x(4)),
    "ops.einsum": lambda: operation(ops.einsum, subscripts="ij,jk->ik", a=x(2, 3), b=x(3, 4)),
    "ops.mse": lambda: operation(ops.mse, prediction=x(2, 3), target=array(2, 3), reduction="mean"),
    "ops.binary_cross_entropy_with_logits": lambda: operation(
        ops.binary_cross_entropy_with_logits, logits=x(2, 3), targets=array(2, 3), reduction="mean"
    ),
    "ops.layer_norm": lambda: operation(ops.layer_norm, x=x(2, 3), gamma=x(3), beta=x(3), eps=1e-3),
    "ops.rms_norm": lambda: operation(ops.rms_norm, x=x(2, 3), gamma=x(3), eps=1e-3),
    "ops.global_avg_pool2d": lambda: operation(ops.global_avg_pool2d, x=x(2, 4, 4, 2)),
    **with_twins(ops),
    **with_twins(textbook),
    "textbook.sgd": lambda: operation(
        textbook.sgd, p=array(3), g=array(3), v=array(3), lr=0.1, momentum=0.9, weight_decay=0.1
    ),
    "textbook.adam": lambda: operation(
        textbook.adam, p=array(3), g=array(3), m=array(3), v=array(3), t=1, lr=0.1, betas=(0.9, 0.99), eps=1e-7
    ),
    # --- tensors ---
    "tinygrad_edu.Tensor": lambda: Call(Tensor, {"data": array(2, 3), "requires_grad": True}),
    "tinygrad_edu.Parameter": lambda: Call(nn.Parameter, {"data": array(2, 3)}),
    "tinygrad_edu.Tensor.backward": lambda: Call(
        (x(2, 3) * 2.0).backward, {"gradient": array(2, 3), "retain_graph": False}
    ),
    "tinygrad_edu.Tensor.argmax": lambda: Call(x(2, 3).argmax, {"axis": 1, "keepdims": False}),
    "tinygrad_edu.Tensor.argmin": lambda: Call(x(2, 3).argmin, {"axis": 1, "keepdims": False}),
    "tinygrad_edu.Tensor.__array__": lambda: Call(Tensor(array(3)).__array__, {"dtype": None, "copy": None}),
    "tinygrad_edu.Tensor.__format__": lambda: Call(x(1).__format__, {"spec": ".3f"}),
    "tinygrad_edu.Tensor.__lt__": lambda: Call(x(2, 3).__lt__, {"other": 0.5}),
    "tinygrad_edu.manual_seed": lambda: Call(tinygrad_edu.manual_seed, {"seed": 0}),
    "tinygrad_edu.resolve_device": lambda: Call(tinygrad_edu.resolve_device, {"name": "cpu"}),
    "tinygrad_edu.tune_process": lambda: Call(
        tinygrad_edu.tune_process, {"on": True}, lambda _: tinygrad_edu.tune_process(True)
    ),
    "tinygrad_edu.no_grad": lambda: Call(lambda function: tinygrad_edu.no_grad()(function), {"function": loss}),
    "backend.array_module": lambda: Call(backend.array_module, {"x": array(3)}),
    "backend.is_array": lambda: Call(backend.is_array, {"x": array(3)}),
    "backend.device_of": lambda: Call(backend.device_of, {"x": array(3)}),
    "backend.to_device": lambda: Call(backend.to_device, {"x": array(3), "device": "cpu"}),
    "backend.to_numpy": lambda: Call(backend.to_numpy, {"x": array(3)}),
    "backend.memory_of": lambda: Call(backend.memory_of, {"x": array(3)}),
    "backend.scatter_add": lambda: Call(
        backend.scatter_add, {"target": array(3), "index": np.array([0, 1]), "values": array(2)}
    ),
    # --- layers ---
    "nn.Linear": lambda: Call(nn.Linear, {"inputs": 3, "outputs": 2, "bias": True, "rng": rng()}, through(2, 3)),
    "nn.Linear.forward": lambda: Call(nn.Linear(3, 2).forward, {"x": x(2, 3)}),
    "nn.Conv2d": lambda: Call(
        nn.Conv2d,
        {"inputs": 2, "outputs": 4, "size": 3, **IMAGE, "groups": 2, "bias": True, "rng": rng()},
        through(2, 4, 4, 2),
    ),
    "nn.Conv2d.forward": lambda: Call(nn.Conv2d(2, 4).forward, {"x": x(2, 4, 4, 2)}),
    "nn.ConvTranspose2d": lambda: Call(
        nn.ConvTranspose2d,
        {"inputs": 2, "outputs": 4, "size": 3, **IMAGE, "output_size": None, "bias": True, "rng": rng()},
        through(2, 4, 4, 2),
    ),
    "nn.ConvTranspose2d.forward": lambda: Call(nn.ConvTranspose2d(2, 4).forward, {"x": x(2, 4, 4, 2)}),
    **{
        f"nn.{kind.__name__}": lambda kind=kind: Call(
            kind,
            {"size": 2, "stride": 2, "padding": "valid", "dilation": 1, "ceil_mode": False},
            through(2, 4, 4, 2),
        )
        for kind in (nn.MaxPool2d, nn.AvgPool2d)
    },
    **{
        f"nn.{layer.__class__.__name__}.forward": lambda layer=layer: Call(layer.forward, {"x": x(2, 4, 4, 2)})
        for layer in (
            *(nn.MaxPool2d(2), nn.AvgPool2d(2), nn.GlobalAvgPool2d(), nn.Flatten(), nn.Residual(ops.tanh), nn.ELU()),
            *(nn.GELU(), nn.LeakyReLU(), nn.ReLU(), nn.SiLU(), nn.Sigmoid(), nn.Softplus(), nn.Tanh(), nn.Dropout()),
            *(nn.Sequential(ops.tanh), nn.BatchNorm(2), nn.LayerNorm(2), nn.RMSNorm(2)),
        )
    },
    "nn.Residual": lambda: Call(nn.Residual, {"body": ops.tanh, "shortcut": ops.relu}, through(2, 3)),
    "nn.Sequential": lambda: Call(nn.Sequential, {"*layers": (ops.tanh, nn.ReLU())}, through(2, 3)),
    "nn.Dropout": lambda: Call(nn.Dropout, {"p": 0.5, "rng": rng()}, through(2, 3)),
    "nn.ELU": lambda: Call(nn.ELU, {"alpha": 1.0}, through(2, 3)),
    "nn.GELU": lambda: Call(nn.GELU, {"approximate": "tanh"}, through(2, 3)),
    "nn.LeakyReLU": lambda: Call(nn.LeakyReLU, {"slope": 0.1}, through(2, 3)),
    "nn.BatchNorm": lambda: Call(nn.BatchNorm, {"channels": 3, "momentum": 0.9, "eps": 1e-3}, through(2, 3)),
    "nn.LayerNorm": lambda: Call(nn.LayerNorm, {"channels": 3, "eps": 1e-3}, through(2, 3)),
    "nn.RMSNorm": lambda: Call(nn.RMSNorm, {"channels": 3, "eps": 1e-3}, through(2, 3)),
    "nn.Embedding": lambda: Call(
        nn.Embedding, {"count": 5, "size": 2, "rng": rng()}, lambda layer: layer(np.array([0]))
    ),
    "nn.PositionalEmbedding": lambda: Call(
        nn.PositionalEmbedding, {"count": 5, "size": 4, "rng": rng()}, through(2, 3, 4)
    ),
    "nn.PositionalEmbedding.forward": lambda: Call(nn.PositionalEmbedding(5, 4).forward, {"x": x(2, 3, 4), "start": 2}),
    "nn.MultiHeadAttention": lambda: Call(
        nn.MultiHeadAttention,
        {"size": 4, "heads": 2, "causal": True, "dropout": 0.1, "bias": True, "rng": rng()},
        through(2, 3, 4),
    ),
    "nn.TransformerBlock": lambda: Call(
        nn.TransformerBlock,
        {
            **{"size": 4, "heads": 2, "hidden": 3, "causal": True, "dropout": 0.1, "bias": True, "eps": 1e-5},
            "rng": rng(),
        },
        through(2, 3, 4),
    ),
    **{
        f"nn.{layer.__class__.__name__}.forward": lambda layer=layer: Call(
            layer.forward,
            {
                **{"x": x(2, 3, 4), "mask": np.ones((3, 5), bool)},
                "cache": {"k": x(2, 2, 2, 2), "v": x(2, 2, 2, 2)},
            },
        )
        for layer in (nn.MultiHeadAttention(4, 2), nn.TransformerBlock(4, 2))
    },
    "nn.Embedding.forward": lambda: Call(nn.Embedding(5, 2).forward, {"ids": np.array([0, 4])}),
    **{
        f"nn.{kind.__name__}": lambda kind=kind: Call(
            kind, {"inputs": 1, "units": 2, **RECURRENT, "rng": rng()}, through(2, 3, 1)
        )
        for kind in (nn.SimpleRNN, nn.LSTM, nn.GRU)
    },
    **{
        f"nn.{kind.__name__}": lambda kind=kind: Call(
            kind, {"inputs": 1, "units": 2, "rng": rng()}, lambda cell: nn.unroll(cell, x(2, 3, 1))
        )
        for kind in (nn.SimpleRNNCell, nn.LSTMCell, nn.GRUCell)
    },
    "nn.SimpleRNN.forward": lambda: Call(nn.SimpleRNN(1, 2).forward, {"x": x(2, 3, 1), "state": x(2, 2)}),
    "nn.LSTM.forward": lambda: Call(nn.LSTM(1, 2).forward, {"x": x(2, 3, 1), "state": (x(2, 2), x(2, 2))}),
    "nn.GRU.forward": lambda: Call(nn.GRU(1, 2).forward, {"x": x(2, 3, 1), "state": x(2, 2)}),
    **{
        f"nn.{cell.__name__}.forward": lambda cell=cell: Call(
            cell(1, 2).forward,
            {"x": x(2, 1), "state": (x(2, 2), x(2, 2)) if cell is nn.LSTMCell else x(2, 2), "mask": array(2, 2)},
        )
        for cell in (nn.SimpleRNNCell, nn.LSTMCell, nn.GRUCell)
    },
    "nn.unroll": lambda: Call(
        nn.unroll,
        {
            **{"cell": nn.GRUCell(1, 2), "x": x(2, 3, 1), "state": x(2, 2)},
            **{"input_mask": array(2, 1), "recurrent_mask": array(2, 2)},
        },
    ),
    "nn.detach": lambda: Call(nn.detach, {"state": (x(2, 2), x(2, 2))}),
    "nn.Module.train": lambda: Call(network().train, {"training": True}, lambda model: model(x(2, 3))),
    "nn.Module.to": lambda: Call(network().to, {"device": "cpu"}, lambda model: model(x(2, 3))),
    "nn.Module.astype": lambda: Call(network().astype, {"dtype": np.float64}),
    "nn.Module.load_state_dict": lambda: Call(network().load_state_dict, {"state": network().state_dict()}),
    "nn.Module.check_state_dict": lambda: Call(network().check_state_dict, {"state": network().state_dict()}),
    "init.zeros": lambda: Call(init.zeros, {"shape": (2, 3)}),
    "init.fans": lambda: Call(init.fans, {"shape": (2, 3)}),
    "init.glorot_uniform": lambda: Call(init.glorot_uniform, {"shape": (2, 3), "rng": rng()}),
    "init.he_normal": lambda: Call(init.he_normal, {"shape": (2, 3), "rng": rng()}),
    "init.orthogonal": lambda: Call(init.orthogonal, {"shape": (2, 3), "rng": rng()}),
    "init.truncated_normal": lambda: Call(init.truncated_normal, {"shape": (2, 3), "std": 0.1, "rng": rng()}),
    # --- training ---
    "optim.SGD": lambda: Call(
        optim.SGD, {"parameters": with_gradients(), "lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, stepped
    ),
    "optim.Adam": lambda: Call(optim.Adam, adams_arguments(), stepped),
    "optim.AdamW": lambda: Call(optim.AdamW, {**adams_arguments(), "matrices_only": True}, stepped),
    "optim.Optimizer": lambda: Call(optim.Optimizer, {"parameters": with_gradients(), "lr": 0.1, "weight_decay": 0.1}),
    "optim.Adam.load_state_dict": lambda: Call(
        optim.Adam(with_gradients()).load_state_dict, {"state": optim.Adam(with_gradients()).state_dict()}
    ),
    "optim.SGD.load_state_dict": lambda: Call(
        optim.SGD(with_gradients()).load_state_dict, {"state": optim.SGD(with_gradients()).state_dict()}
    ),
    "optim.SGD.check_state_dict": lambda: Call(
        optim.SGD(with_gradients()).check_state_dict, {"state": optim.SGD(with_gradients()).state_dict()}
    ),
    "optim.clip_grad_norm": lambda: Call(optim.clip_grad_norm, {"parameters": with_gradients(), "max_norm": 0.5}),
    "optim.cosine": lambda: Call(optim.cosine, {"lr": 0.1, "step": 3, "steps": 10, "warmup": 2, "lowest": 0.01}),
    "metrics.accuracy": lambda: Call(metrics.accuracy, {"logits": array(2, 3), "labels": np.array([0, 2])}),
    "metrics.right": lambda: Call(metrics.right, {"logits": array(2, 3), "labels": np.array([0, 2])}),
    "gradcheck.gradcheck": lambda: Call(
        gradcheck.gradcheck,
        {"f": ops.exp, "*inputs": (np.ones(2),), "parameters": (), "seed": 0, "rtol": 1e-6, "thorough": False},
    ),
    "training.fit": lambda: Call(
        training.fit,
        {
            **{"step": lambda batch: {"loss": 1.0}, "batches": lambda: [(np.ones(2),)], "epochs": 2},
            **{"evaluate": lambda: {"validation_loss": 1.0}, "history": training.History(), "after_epoch": str,
                "after_batch": str, "when_caught_up": str},
            **{"monitor": "validation_loss", "patience": 1, "progress": False},
        },
    ),
    "training.progress_bar": lambda: Call(
        training.progress_bar, {"items": [1, 2], "label": "items", "show": False}
    ),
    # --- data ---
    "metrics.box_iou": lambda: Call(metrics.box_iou, {"a": BOXES, "b": BOXES}),
    "metrics.non_maximum_suppression": lambda: Call(
        metrics.non_maximum_suppression,
        {"boxes": BOXES, "scores": np.array([0.5, 0.9]), "labels": np.array([3, 1]), "threshold": 0.5},
    ),
    "metrics.mean_average_precision": lambda: Call(
        metrics.mean_average_precision, {"found": [FOUND], "true": [FOUND[:2]], "threshold": 0.5}
    ),
    "metrics.precision_recall": lambda: Call(
        metrics.precision_recall, {"found": [FOUND], "true": [FOUND[:2]], "threshold": 0.5}
    ),
    "metrics.average_precision": lambda: Call(
        metrics.average_precision, {"precision": np.array([1, 0.5]), "recall": np.array([0.5, 0.5])}
    ),
    "data.make_scenes": lambda: Call(
        data.make_scenes,
        {"images": np.full((2, 28, 28), 255, np.uint8), "labels": np.array([1, 2]), "count": 1, "rng": rng()},
    ),
    "data.batches": lambda: Call(
        data.batches, {"*arrays": (array(4, 2), array(4)), "batch_size": 2, "rng": rng()}, walk
    ),
    "data.augment": lambda: Call(data.augment, {"images": array(2, 4, 4, 3), "rng": rng(), "shift": 2, "flip": True}),
    "data.create_dataset": lambda: Call(data.create_dataset, {"series": array(9), "look_back": 2}),
    "data.series_windows": lambda: Call(data.series_windows, {"series": array(9), "length": 2}),
    "data.noisy_sine": lambda: Call(
        data.noisy_sine, {"steps_per_cycle": 4, "cycles": 3, "noise": 0.1, "rng": rng()}
    ),
    "data.MinMaxScaler": lambda: Call(data.MinMaxScaler, {"low": 0.0, "high": 2.0}, lambda s: s.scale(array(3))),
    "data.MinMaxScaler.fit": lambda: Call(data.MinMaxScaler.fit, {"values": array(9)}),
    "data.MinMaxScaler.scale": lambda: Call(data.MinMaxScaler(0.0, 2.0).scale, {"values": array(9)}),
    "data.MinMaxScaler.undo": lambda: Call(data.MinMaxScaler(0.0, 2.0).undo, {"scaled": array(9)}),
    "data.Vocabulary": lambda: Call(data.Vocabulary, {"text": "abc"}, lambda v: v.encode("a")),
    "data.Vocabulary.encode": lambda: Call(data.Vocabulary("abc").encode, {"text": "ab"}),
    "data.Vocabulary.decode": lambda: Call(data.Vocabulary("abc").decode, {"ids": np.array([0, 2])}),
    "data.TextWindows": lambda: Call(
        data.TextWindows, {"ids": np.arange(20), "length": 3, "step": 2}, lambda w: walk(w.batches(2))
    ),
    "data.TextWindows.batches": lambda: Call(
        data.TextWindows(np.arange(20), 3).batches, {"batch_size": 2, "rng": rng()}, walk
    ),
    "data.Chunks": lambda: Call(data.Chunks, {"ids": np.arange(20), "rows": 2, "length": 3}, walk),
    "data.RandomWindows": lambda: Call(
        data.RandomWindows, {"ids": np.arange(20), "length": 3, "batch_size": 2, "count": 2, "rng": rng()}, walk
    ),
    "data.Blanked": lambda: Call(
        data.Blanked, {"windows": data.Chunks(np.arange(20), 2, 3), "blank": 20, "rng": rng()}, walk
    ),
}  # fmt: skip
