"""One process of `python -m benchmarks.scaling`: trains together with the others, and says how long it took."""

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from tinygrad_edu import Tensor, manual_seed, nn, ops, optim
from tinygrad_edu.training import distributed
from tinygrad_edu.training.group import Group, init

NEVER_FULL = 2**40  # bytes of a bucket, so that everything is added up after the walk
SIZES = tuple(2**power for power in range(3, 24, 4))  # bytes of a message


class Images(nn.Module):
    """Mini-AlexNet."""

    def __init__(self) -> None:
        sizes = ((3, 48, 3), (48, 128, 3), (128, 192, 0), (192, 192, 0), (192, 128, 3))  # channels in, out, pooling
        self.convolutions = [nn.Conv2d(inputs, outputs, 3) for inputs, outputs, _ in sizes]
        self.pools = [pool for *_, pool in sizes]
        self.dense = [nn.Linear(128, 1024), nn.Linear(1024, 1024), nn.Linear(1024, 10)]

    def forward(self, x: Tensor) -> Tensor:
        for convolution, pool in zip(self.convolutions, self.pools):
            x = convolution(x)
            x = ops.relu(ops.max_pool2d(x, pool) if pool else x)
        x = ops.reshape(x, (len(x), -1))
        first, second, last = self.dense
        return last(ops.relu(second(ops.relu(first(x)))))


class Text(nn.Module):
    """The character LSTM."""

    def __init__(self) -> None:
        self.embedding, self.lstm, self.output = nn.Embedding(65, 32), nn.LSTM(32, 128), nn.Linear(128, 65)

    def forward(self, ids: Any) -> Tensor:
        return self.output(self.lstm(self.embedding(ids)))


def problem(network: str, examples: int) -> tuple[nn.Module, Callable[..., Tensor], tuple[Any, Any]]:
    """A network, its loss, and one batch of random data, which the arithmetic does not look at."""
    rng = np.random.default_rng(0)
    manual_seed(0)
    if network == "mini-AlexNet":
        images = Images()
        x, y = rng.random((examples, 32, 32, 3), dtype=np.float32), rng.integers(10, size=examples)
        return images, lambda x, y: ops.softmax_cross_entropy(images(Tensor(x)), y), (x, y)
    text = Text()
    ids, following = rng.integers(65, size=(examples, 30)), rng.integers(65, size=examples)
    return text, lambda x, y: ops.softmax_cross_entropy(text(x), y), (ids, following)


def measure_steps(group: Group, network: str, examples: int, rounds: int) -> dict[str, float]:
    """Medians over the rounds of rank 0: a step, and how long it waits for sums, with buckets and without."""
    model, loss_of, batch = problem(network, examples)
    optimizer = optim.Adam(model.parameters())

    def step(*batch: Any) -> dict[str, Any]:
        optimizer.zero_grad()
        loss = loss_of(*batch)
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    found: dict[str, list[float]] = {}
    steps = {}
    for name, size in {"": distributed.BUCKET, " at the end": NEVER_FULL}.items():
        buckets = distributed.Buckets(group, model, size)
        steps[name] = distributed.shared(group, step, buckets), buckets
    for i in range(rounds + 2):  # two to warm up
        for name, (one_step, buckets) in steps.items():
            group.meet("the next step")
            started = time.perf_counter()
            one_step(*batch)
            seconds = time.perf_counter() - started
            if i > 1:
                found.setdefault(f"step{name}", []).append(seconds)
                found.setdefault(f"waited{name}", []).append(buckets.waited)
    buckets = steps[""][1]
    alone = []
    for _ in range(rounds if group.size > 1 else 0):
        group.meet("the next sum")
        started = time.perf_counter()
        requests = [group.start_sum(bucket.values) for bucket in buckets.buckets]
        for request in requests:
            group.wait(request, "a sum")
        alone.append(time.perf_counter() - started)
    medians = {name: median(values) for name, values in found.items()}
    size = sum(p.data.nbytes for p in model.parameters())
    return {**medians, "sum": median(alone or [0.0]), "bytes": size, "buckets": len(buckets.buckets)}


def measure_messages(group: Group, rounds: int) -> dict[int, float]:
    """Bytes -> the median of the seconds in which they are added up."""
    found = {}
    for size in SIZES if group.size > 1 else ():
        values, seconds = np.zeros(size // 4, np.float32), []
        for _ in range(rounds):
            group.meet("the next message")
            started = time.perf_counter()
            group.wait(group.start_sum(values), "a sum")
            seconds.append(time.perf_counter() - started)
        found[size] = median(seconds)
    return found


def main() -> None:
    group = init()
    wanted, rounds = json.loads(sys.argv[1]), int(sys.argv[2])  # pairs of a network and a number of examples
    measured = [{**measure_steps(group, name, N, rounds), "network": name, "examples": N} for name, N in wanted]
    messages = measure_messages(group, 5 * rounds)
    if group.rank == 0:
        print(json.dumps({"steps": measured, "messages": messages}))


if __name__ == "__main__":
    main()
