"""Data parallel training: n processes, each with a copy of the network, and one average.

The loss of a batch of N examples is a mean, L = 1/N sum_i l_i. Cut the batch into n parts, one for each process
(*rank*): rank r has N_r of the examples and computes L_r, the mean over its own. Then

    L = sum_r w_r L_r        with  w_r = N_r / N                                    (1)
    dL/dp = sum_r w_r dL_r/dp    for every parameter p                              (2)

since a derivative of a sum is the sum of the derivatives. So if all copies have the same parameters, every rank does
its share of the work, the gradients are added up over the ranks, and every rank makes the same step: its copy stays
equal to the others', and to what one process alone would have, up to rounding. Nothing else goes over the network: no
examples, no activations, no parameters.

The factors w_r of (2) are not equal where N cannot be divided by n, as in an epoch's last batch. They enter at the top:
the walk on rank r begins with dL/dL_r = w_r in place of 1, and by the chain rule everything below is dL/dp's part.

(2) takes L to be a mean over examples plus, perhaps, something that no example enters, such as weight decay. It does
not hold where examples depend on each other, as in batch normalisation, whose mean and variance are the batch's. There
the ranks add up what the formulas have sums for, forward and backward: see `runtime/share.py`, which also has them draw
the dropout of the whole batch and keep their rows of it.

**While the walk goes on.** The gradient of the last layer's weight is complete as soon as the walk has passed it, long
before the first layer's is. So the sum over the ranks need not wait: complete gradients are copied, one behind the
other, into *buckets*, and the sum of a bucket is under way as soon as it is full, while the walk computes the next. It
is a bucket and not each gradient by itself because every message takes a fixed time, however short it is. How can the
walk know that a gradient is complete? A parameter may be used several times, and adds up what comes from each use. But
the walk goes from the youngest step of the tape to the oldest, so a parameter's gradient is complete when the *oldest
step that used it* was walked, and which one that is can be looked up on the tape before the walk begins.

The simple way is to add everything up after the walk; it needs no part in the walk, and it is what a bucket that is
never full does. `python -m benchmarks.scaling` measures the difference.

    group = init()                                     # under mpiexec -n 4; alone without it
    broadcast(group, model, optimizer)
    train_step = shared(group, train_step, Buckets(group, model))
    fit(train_step, new_batches, epochs)               # whole batches, in the same order on each rank
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_edu import tensor as engine
from tinygrad_edu.backend import Array, array_module, to_numpy
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.runtime.share import Share, sharing
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.training.fit import Figures, number
from tinygrad_edu.training.group import DistributedError, Group, some_ranks

BUCKET = 2**20  # bytes


def own_rows(group: Group, total: int) -> slice:
    """Which of a batch's examples this rank computes. Parts differ by one example at most."""
    start, stop = (total * rank // group.size for rank in (group.rank, group.rank + 1))
    return slice(start, stop)


def share_of(group: Group, batch: Sequence[Any], count: Callable[..., float] | None = None) -> Share:
    """The same with all that goes with it. A rank whose rows hold nothing computes the whole batch, with weight 0."""
    total, own = len(batch[0]), own_rows(group, len(batch[0]))
    count = count or (lambda *parts: len(parts[0]))
    weight = float(count(*(part[own] for part in batch)) / count(*batch))
    rows = own if weight else slice(0, total)
    return Share(rows, total, weight, lambda sums: group.sum(sums, "the sum of a batch normalisation"))


def shared(
    group: Group, step: Callable[..., Figures], buckets: Buckets, count: Callable[..., float] | None = None
) -> Callable[..., Figures]:
    """A training step for whole batches: on each rank, `step` on its part of the batch.

    Within it, `backward()` leaves in `.grad` of the buckets' parameters the gradient of the whole batch's loss, the
    same on every rank. So whatever follows, clipping or any optimiser, is as in one process. `step` must return means
    over its examples; what comes back are the means over the whole batch. Where the loss is a mean over something else,
    such as the characters that are asked for, `count(*batch)` says how many there are in a batch, or in a part of it.

    All ranks must have equal models and optimisers, see `broadcast`, and come with the same batches. With one process,
    it is `step` itself.
    """
    if group.size == 1:
        return step
    compared = False

    def step_on_share(*batch: Any) -> Figures:
        nonlocal compared
        if not compared:  # ranks may read different files; the first batch shows it
            prints = {f"part {i} of the first batch": fingerprint(part) for i, part in enumerate(batch)}
            group.compare(prints, "the same data")
            compared = True
        share = share_of(group, batch, count)
        with sharing(share), buckets.followed(share.weight):
            figures = step(*(part[share.rows] for part in batch))
        values = np.array([number(value, now=True) for value in figures.values()])
        return dict(zip(figures, group.sum(share.weight * values, "the loss").tolist()))

    return step_on_share


def broadcast(group: Group, model: Module, optimizer: Optimizer) -> None:
    """Give every rank the parameters, the buffers and the optimiser's memory of rank 0."""
    if group.size == 1:
        return
    states = model.state_dict(), optimizer.state_dict()
    weights, memory = group.from_first(lambda: states, "the first weights")
    if group.rank:
        model.load_state_dict(weights)
        optimizer.load_state_dict(memory)


def compare(group: Group, model: Module, optimizer: Optimizer, generators: dict[str, np.random.Generator]) -> None:
    """DistributedError unless all ranks have, to the last bit, the same weights, memory and random numbers to come."""
    if group.size > 1:
        arrays = {**model.state_dict(), **{f"the optimiser's {k}": v for k, v in optimizer.state_dict().items()}}
        facts: dict[str, Any] = {name: fingerprint(values) for name, values in arrays.items()}
        facts |= {f"generator of {name}": str(g.bit_generator.state) for name, g in generators.items()}
        group.compare(facts, "the same network")


def fingerprint(values: Any) -> str:
    """Two arrays, or tensors, that differ in a bit have different ones."""
    values = np.ascontiguousarray(to_numpy(values.data if isinstance(values, Tensor) else values))
    return hashlib.sha256(f"{values.dtype}{values.shape}".encode() + values.tobytes()).hexdigest()[:16]


class Buckets:
    """The sum of the gradients over the ranks, taken while the walk goes on.

    Which parameter goes into which bucket is settled at the first walk, in the order in which rank 0 completes them,
    and again when parameters are frozen or freed. All ranks add up the buckets in this order, whatever the order in
    which theirs are full, since that is how messages find each other.

    A bucket ends with a number for each parameter: on how many ranks the walk came to it. Where it is 0, `.grad` stays
    as it was, as in one process.

    Attributes
    ----------
    bytes, waited : int, float
        Sent by the last walk, and how many seconds of it this rank had nothing else to do.
    """

    def __init__(self, group: Group, model: Module, bucket_bytes: int = BUCKET) -> None:
        self.group, self.bucket_bytes = group, bucket_bytes
        self.parameters = dict(model.named_parameters())
        self.trained: list[str] = []  # the names that the buckets were made for
        self.buckets: list[Bucket] = []
        self.bytes, self.waited = 0, 0.0

    @contextlib.contextmanager
    def followed(self, weight: float) -> Iterator[None]:
        """Within, every walk begins with this weight, and ends with gradients summed over the ranks."""
        engine.follower = lambda loss, gradients: self.follow(loss, gradients, weight)
        try:
            yield
        finally:
            engine.follower = None

    def follow(self, loss: Tensor, gradients: dict[Tensor, Array], weight: float) -> Callable[[Tensor | None], None]:
        """At the beginning of a walk; what is returned is called after every tensor walked, and with None at last."""
        gradients[loss] = gradients[loss] * gradients[loss].dtype.type(weight)
        completed_by = oldest_uses(loss, self.parameters)
        self.settle([name for names in completed_by.values() for name in names])
        waiting = iter(self.buckets)
        missing: set[str] = {name for names in completed_by.values() for name in names}
        bucket = next(waiting, None)

        def after(tensor: Tensor | None) -> None:
            nonlocal bucket
            missing.difference_update(list(missing) if tensor is None else completed_by.get(tensor, ()))
            while bucket and missing.isdisjoint(bucket.names):
                own = gradients if weight else {}  # an example that counts for nothing has no gradient
                bucket.start(self.group, [own.get(p) for p in bucket.parameters])
                bucket = next(waiting, None)
            for started in self.buckets:
                started.poke()
            if tensor is None:
                self.finish(gradients)

        return after

    def settle(self, order: list[str]) -> None:
        """Make the buckets: rank 0's order, and behind it those that its walk does not come to."""
        trained = [name for name, p in self.parameters.items() if p.requires_grad]
        if trained != self.trained:
            order = self.group.from_first(lambda: order, "the order of the gradients")
            order += [name for name in trained if name not in order]
            self.trained, self.buckets = trained, []
            names: list[str] = []
            for name, following in zip(order, [*order[1:], ""]):
                names.append(name)
                size = sum(self.parameters[n].data.nbytes for n in names)
                full = size >= self.bucket_bytes
                if full or not following or self.parameters[following].dtype != self.parameters[name].dtype:
                    number = f"bucket {len(self.buckets)}"
                    self.buckets.append(Bucket(number, {n: self.parameters[n] for n in names}))
                    names = []
            self.bytes = sum(bucket.values.nbytes for bucket in self.buckets)

    def finish(self, gradients: dict[Tensor, Array]) -> None:
        """Wait for the sums that are still under way, and put them in the gradients' places."""
        started = time.perf_counter()
        for bucket in self.buckets:
            self.group.wait(bucket.request, bucket.title)
        self.waited = time.perf_counter() - started
        if not all(bucket.is_finite() for bucket in self.buckets):
            self.say_whose(gradients)
        for bucket in self.buckets:
            for p, total, reached in bucket.sums():
                if reached:
                    gradients[p] = array_module(p.data).asarray(total.astype(p.dtype, copy=False))

    def say_whose(self, gradients: dict[Tensor, Array]) -> None:
        """A sum is not finite: DistributedError names the ranks whose own gradient is not, and the parameter."""
        own = {name: to_numpy(gradients[p]) for name, p in self.parameters.items() if p in gradients}
        bad = [name for name, g in own.items() if not np.isfinite(g).all()]
        everybody = self.group.gather(bad, "who has gradients that are not finite")
        ranks = [rank for rank, names in enumerate(everybody) if names]
        if not ranks:
            raise DistributedError("the sum of the gradients over the ranks is infinite; try a smaller learning rate")
        whole = " alone" if len(ranks) < self.group.size else ", which is all of them"
        raise DistributedError(
            f"the gradient of {everybody[ranks[0]][0]} is not finite (NaN or infinite) on {some_ranks(ranks)}{whole}; "
            "try a smaller learning rate, clip the gradients, or look for NaN in the data"
        )


class Bucket:
    """Gradients one behind the other in one array, and the sum of it over the ranks, which is under way."""

    def __init__(self, number: str, parameters: Mapping[str, Tensor]) -> None:
        self.names = list(parameters)
        self.parameters = list(parameters.values())
        self.title = f"the sum of the gradients of {', '.join(self.names):.200} ({number})"
        self.ends = np.cumsum([p.data.size for p in self.parameters]).tolist()
        dtype = np.promote_types(self.parameters[0].dtype, np.float32)  # MPI adds no half precision
        self.values = np.zeros(self.ends[-1] + len(self.names), dtype)
        self.request: Any = None

    def start(self, group: Group, gradients: list[Array | None]) -> None:
        """Copy the gradients into it, zeros where there is none, and begin to add."""
        own = self.values
        for i, (g, (start, stop)) in enumerate(zip(gradients, self.places())):
            own[start:stop] = 0 if g is None else to_numpy(g).reshape(-1)
            own[self.ends[-1] + i] = g is not None
        self.request = group.start_sum(own)

    def poke(self) -> None:
        """MPI carries messages on only while it is called."""
        if self.request:
            self.request.Test()

    def is_finite(self) -> bool:
        return bool(np.isfinite(self.values.sum()) or np.isfinite(self.values).all())  # the sum is quicker

    def places(self) -> Iterator[tuple[int, int]]:
        return zip([0, *self.ends[:-1]], self.ends)

    def sums(self) -> Iterator[tuple[Tensor, np.ndarray, bool]]:
        """(parameter, the sum of its gradients, whether any rank had one)."""
        reached = self.values[self.ends[-1] :]
        for p, (start, stop), count in zip(self.parameters, self.places(), reached):
            yield p, self.values[start:stop].reshape(p.shape), count > 0


def oldest_uses(loss: Tensor, parameters: Mapping[str, Tensor]) -> dict[Tensor, list[str]]:
    """The steps of a tape after which gradients are complete, in the order of the walk: step -> names of parameters."""
    names = {p: name for name, p in parameters.items()}
    oldest: dict[str, Tensor] = {}
    seen, to_see = {loss}, [loss]
    while to_see:
        step = to_see.pop()
        for x in step._inputs:
            if x in names and x.requires_grad:
                oldest[names[x]] = max(oldest.get(names[x], step), step, key=lambda t: t._serial)  # oldest: largest
            elif x._backward and x not in seen:
                seen.add(x)
                to_see.append(x)
    steps: dict[Tensor, list[str]] = {}
    for name, step in sorted(oldest.items(), key=lambda item: item[1]._serial):
        steps.setdefault(step, []).append(name)
    return steps
