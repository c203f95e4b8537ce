"""What `test_distributed.py` runs in several processes: `mpiexec -n 4 python -m ranks COMMAND ...`."""

import contextlib
import gc
import inspect
import itertools
import math
import os
import signal
import sys
import time
from dataclasses import replace

import numpy as np

from models import (
    airline_lstm,
    mini_alexnet,
    mini_yolo,
    run,
    shakespeare_gpt,
    shakespeare_lstm,
    sine_rnn,
    softmax_regression,
)
from tinygrad_edu import Tensor, manual_seed, nn, ops, optim, plots
from tinygrad_edu.data import Chunks, Text, augment, batches, noisy_sine
from tinygrad_edu.training import distributed, fit, group

STEPS, EXAMPLES, BATCH = 20, 21, 6  # three batches of 6 and one of 3, which leaves nothing for the fourth rank
TINY = 64  # bytes: a bucket for almost every parameter, and several in one here and there


class Transformer(nn.Module):
    """Characters (N, T) to scores (N, T, 11) by the embedding's own rows, so that its table is used twice."""

    def __init__(self):
        self.embedding, self.positions = nn.Embedding(11, 8), nn.PositionalEmbedding(5, 8)
        self.block = nn.TransformerBlock(8, 2, causal=True, dropout=0.2)
        self.unused = nn.Linear(3, 3)  # gets no gradient, on no rank

    def after_each(self, ids):
        return self.block(self.positions(self.embedding(ids))) @ self.embedding.weight.T


class SmallNormalized(nn.Module):
    """Convolution, batch normalisation, dropout: what depends on the whole batch, in little time."""

    def __init__(self):
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm(4), nn.ReLU(), nn.MaxPool2d(4))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.4), nn.Linear(256, 3))

    def forward(self, x):
        return self.head(self.body(x))


def classify(images, classes):
    """The loss of a network that classifies, and its data."""
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(EXAMPLES, *images)), rng.integers(classes, size=EXAMPLES)
    return lambda model, x, y: ops.softmax_cross_entropy(model(Tensor(x)), y), (X, y)


def regress(inputs):
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(EXAMPLES, *inputs)), rng.normal(size=(EXAMPLES, 1))
    return lambda model, x, y: ops.mse(model(Tensor(x)), Tensor(y)), (X, Y)


def scenes():
    rng = np.random.default_rng(3)
    quarters = np.array([[0, 0], [0, 32], [32, 0], [32, 32]])  # a digit in each, so that no two share a cell
    corner = quarters + rng.uniform(0, 12, size=(EXAMPLES, 4, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 20, size=corner.shape)], axis=-1)
    labels = rng.integers(-1, 10, size=(EXAMPLES, 4))
    labels[:4] = -1  # scenes without a digit: there the ranks' tapes differ
    X = rng.normal(size=(EXAMPLES, 64, 64, 1))
    return lambda model, x, boxes, labels: mini_yolo.detection_loss(model(Tensor(x)), boxes, labels), (X, boxes, labels)


def characters(after_each):
    rng = np.random.default_rng(3)
    X, Y = (rng.integers(11, size=(EXAMPLES, 5)) for _ in range(2))
    if after_each:
        return lambda model, x, y: ops.softmax_cross_entropy(model.after_each(x), y), (X, Y)
    return lambda model, x, y: ops.softmax_cross_entropy(model(x)[0], y), (X, Y[:, 0])


def augmented():
    loss, (X, y) = classify((32, 32, 3), 10)
    rng = np.random.default_rng(4)
    return lambda model, x, y: loss(model, augment(x, rng), y), (X, y)


CASES = {
    "softmax_regression": (softmax_regression.SoftmaxRegression, lambda: classify((784,), 10), "sgd"),
    "mini_alexnet plain": (
        lambda: mini_alexnet.mini_alexnet(norm=False),
        lambda: classify((32, 32, 3), 10),
        "momentum",
    ),
    "mini_alexnet batchnorm": (lambda: mini_alexnet.mini_alexnet(norm=True), augmented, "momentum"),
    "mini_alexnet residual": (mini_alexnet.residual_network, lambda: classify((32, 32, 3), 10), "adam"),
    "mini_yolo": (mini_yolo.mini_yolo, scenes, "adam"),
    "sine_rnn": (lambda: sine_rnn.SineNetwork("rnn", 3), lambda: regress((4, 1)), "adam"),
    "sine_rnn lstm": (lambda: sine_rnn.SineNetwork("lstm", 3), lambda: regress((4, 1)), "adam"),
    "sine_rnn gru": (lambda: sine_rnn.SineNetwork("gru", 3), lambda: regress((4, 1)), "adam"),
    "airline_lstm": (lambda: airline_lstm.AirlineNetwork(2), lambda: regress((3, 2)), "adam"),
    "shakespeare_lstm": (lambda: shakespeare_lstm.CharacterLSTM(11), lambda: characters(False), "adam"),
    "shakespeare_lstm stateful": (lambda: shakespeare_lstm.CharacterLSTM(11), None, "adam"),
    "shakespeare_gpt": (lambda: shakespeare_gpt.GPT(11, 5, 1, 2, 8), lambda: characters(True), "adamw"),
    "transformer": (Transformer, lambda: characters(True), "adamw"),
    "small, normalised": (SmallNormalized, lambda: classify((32, 32, 3), 3), "sgd"),
}
OPTIMIZERS = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.1),
    "momentum": lambda parameters: optim.SGD(parameters, lr=0.01, momentum=0.9),
    "adam": optim.Adam,
    "adamw": lambda parameters: optim.AdamW(parameters, weight_decay=0.1),
}


def train(name, processes):
    """Twenty steps of a case in float64: everything that there is at the end, and the number of buckets."""
    manual_seed(1)
    new_model, problem, optimizer_name = CASES[name]
    model = new_model().astype(np.float64)
    optimizer = OPTIMIZERS[optimizer_name](model.parameters())
    rng, memory = np.random.default_rng(2), {}
    if problem is None:
        ids = np.random.default_rng(3).integers(11, size=BATCH * (5 * STEPS + 1))
    else:
        loss_of, arrays = problem()

    def new_batches():
        return batches(*arrays, batch_size=BATCH, rng=rng) if problem else Chunks(ids, BATCH, 5)

    def stateful(model, x, y):
        scores, state = model.after_each(x, (memory["h"], memory["c"]) if memory else None)
        memory["h"], memory["c"] = nn.detach(state)
        return ops.softmax_cross_entropy(scores, y)

    def step(*batch):
        optimizer.zero_grad()
        loss = (loss_of if problem else stateful)(model, *batch)
        loss.backward()
        length = optim.clip_grad_norm(model.parameters(), 1.0)  # sees the gradients of the whole batch
        optimizer.step()
        return {"loss": loss, "length": length}

    distributed.broadcast(processes, model, optimizer)
    step = distributed.shared(processes, step, distributed.Buckets(processes, model, TINY))
    with counted_buckets(name):
        history = fit(step, new_batches, epochs=5 if problem else 1, progress=False)
    distributed.compare(processes, model, optimizer, {})
    figures = {f"figure {key}": np.array(history[key]) for key in ("train_loss", "train_length")}
    return {**model.state_dict(), **optimizer.state_dict(), **figures}


@contextlib.contextmanager
def counted_buckets(name):
    """Print how many buckets a case has: where there is one, nothing was learnt about buckets."""
    settle, counts = distributed.Buckets.settle, set()

    def counting(buckets, order):
        settle(buckets, order)
        counts.add(len(buckets.buckets))

    distributed.Buckets.settle = counting
    yield
    distributed.Buckets.settle = settle
    if os.environ.get("PMI_RANK") == "0":
        print(f"{name}: {min(counts)} buckets", flush=True)


def equality(folder, *names):
    """Train every case, and leave the results in a file each."""
    processes = group.init()
    for name in names or CASES:
        result = train(name, processes)
        if processes.rank == 0:
            np.savez(f"{folder}/{name}.npz", **result)


# --- the scripts, in a small form ---

ALEXNET = "--data synthetic --epochs 2 --batch-size 40 --lr 1e-4 --optimizer sgd --variant residual --augment"
GPT = "--epochs 2 --batch-size 8 --context 16 --layers 1 --heads 2 --width 8 --optimizer sgd"
SCRIPTS = {
    "softmax_regression": (softmax_regression, "--data synthetic --epochs 3"),
    "mini_alexnet": (mini_alexnet, ALEXNET),
    "mini_yolo": (mini_yolo, "--data synthetic --epochs 2 --batch-size 8"),
    "sine_rnn": (sine_rnn, "--cycles 20 --epochs 5 --batch-size 64 --units 2"),
    "airline_lstm": (airline_lstm, "--epochs 3 --batch-size 10"),
    "shakespeare_gpt": (shakespeare_gpt, GPT),
    "masked": (shakespeare_gpt, GPT + " --objective masked"),
    "shakespeare_lstm": (shakespeare_lstm, "--epochs 1 --batch-size 64"),
    "stateful": (shakespeare_lstm, "--epochs 3 --batch-size 5 --stateful"),
}
TEXT = "All:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n" * 20


def make_small():
    """Few examples, and neither pictures nor looks inside."""
    for module, _ in SCRIPTS.values():
        for name in {"draw", "look_inside"} & vars(module).keys():
            setattr(module, name, lambda *_, **__: None)
    shakespeare_lstm.SAMPLE_LENGTH = 5
    shakespeare_gpt.ITERATIONS = 5
    shakespeare_gpt.load_shakespeare = lambda *_, **__: Text("a text", "local", TEXT)
    digits = softmax_regression.load_mnist(source="synthetic")
    softmax_regression.load_mnist = lambda *_, **__: few(digits, 1000)
    images = mini_alexnet.load_cifar10(source="synthetic")
    mini_alexnet.load_cifar10 = lambda *_, **__: few(images, 125)
    mini_yolo.SCENES = {"train": 21, "validation": 5, "test": 5}
    shakespeare_lstm.load_shakespeare = lambda *_, **__: Text("a text", "local", TEXT)
    plots.training_curves = lambda *_, **__: None


def few(data, count):
    """The first examples of a data set."""
    train = {"train_images": data.train_images[:count], "train_labels": data.train_labels[:count]}
    return replace(data, **train, test_images=data.test_images[:count], test_labels=data.test_labels[:count])


def start(name, folder, *flags):
    module, own = SCRIPTS[name]
    return module.main([*own.split(), "--distributed", "--no-progress", "--out", f"{folder}/{name}", *flags])


def scripts(folder, *stateful_flags):
    """All scripts; the stateful one at last, with these flags."""
    make_small()
    for name in SCRIPTS:
        status = start(name, folder, *(stateful_flags if name == "stateful" else ()))
        assert status == 0, (name, status)


def stopped(batches, folder, *flags):
    """The stateful training, which rank 1 alone is asked to stop after so many batches."""
    make_small()

    class StopThen(run.Stop):
        left = int(batches)

        def obey(self):
            super().obey()
            self.left -= 1
            if self.left == 0 and os.environ["PMI_RANK"] == "1":
                self.asked = signal.SIGTERM

    run.Stop = StopThen
    start("stateful", folder, *flags)


# --- what goes wrong on rank 1, in the third batch of a run of sine_rnn, or before it ---


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def hang():
    time.sleep(1000)


def fail():
    raise ZeroDivisionError("rank 1 cannot go on")


def not_a_number(loss):
    return loss * math.nan


def wrong_weight(loss):
    next(p for p in gc.get_objects() if isinstance(p, nn.Parameter)).data += 1e-7
    return loss


def other_work(loss):
    group._joined.sum(np.zeros(3), "something else")
    return loss


IN_A_BATCH = {f.__name__: f for f in (kill, hang, fail, not_a_number, wrong_weight, other_work)}
OTHERWISE = {
    "other_seed": lambda: sys.argv.extend(["--seed", "7"]),
    "other_epochs": lambda: sys.argv.extend(["--epochs", "9"]),
    "other_version": lambda: setattr(run, "__version__", "0.0.1"),
    "other_data": lambda: setattr(sine_rnn, "noisy_sine", lambda *a: noisy_sine(*a) + 1e-9),
    "no_broadcast": lambda: setattr(run, "broadcast", lambda *_: None),
}


def sabotage(what, *arguments):
    """`models.sine_rnn`, on rank 1 with a fault."""
    sys.argv[1:] = arguments
    print("imported at", time.time(), flush=True)
    if os.environ["PMI_RANK"] == "1" and what in OTHERWISE:
        OTHERWISE[what]()
    if os.environ["PMI_RANK"] == "1" and what in IN_A_BATCH:
        calls, mse = itertools.count(1), ops.mse

        def faulty(*tensors):
            loss = mse(*tensors)
            if next(calls) != 3:
                return loss
            do = IN_A_BATCH[what]
            return do(loss) if inspect.signature(do).parameters else do()

        ops.mse = faulty
    sys.exit(sine_rnn.main())


COMMANDS = {f.__name__: f for f in (equality, scripts, stopped, sabotage)}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
