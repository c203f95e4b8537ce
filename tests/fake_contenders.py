"""Contenders that do as the tests of the benchmarks ask. A worker imports this file, as it imports a row's."""

import os

import numpy as np

from benchmarks.contender import Contender, Goal, Row


class Steady(Contender):
    """Reports 2 seconds a step, whatever the clock says, and chatters on stdout as some libraries do."""

    def __init__(self, seed):
        self.gradient = np.random.default_rng(seed).normal(size=3).astype(np.float32)

    def time_steps(self, steps):
        print("a library's greeting")
        return [2.0] * steps

    def gradients(self):
        return {"w": self.gradient}


class Slow(Steady):
    """Needs three times as long, except in one step of ten, and rounds its gradients differently."""

    def time_steps(self, steps):
        return [6.0] * (steps - 1) + [1000.0]

    def gradients(self):
        return {"w": self.gradient * np.float32(1 + 1e-6)}


class Wrong(Steady):
    def gradients(self):
        return {"w": self.gradient * np.float32(1.001)}


class NoGradient(Steady):
    def gradients(self):
        return {"w": None}


class Dies(Steady):
    def time_steps(self, steps):
        raise RuntimeError("out of chalk")


class DiesSilently(Steady):
    def __init__(self, seed):
        os._exit(7)


class NeedsMissing(Steady):
    requires = "no_such_package"


class NeedsMissingOfAnExtra(Steady):
    requires, extra = "no_such_package", "an_extra"


class TellsThreads(Steady):
    def remark(self):
        return os.environ["OMP_NUM_THREADS"]


def fake_row(**contenders):
    pairs = tuple((name, "ours") for name in contenders if name != "ours")
    goals = (Goal(" / ".join(pairs[0]), at_least=2.5),) if pairs else ()
    return Row(name="fake", title="a fake", contenders=contenders, ratios=pairs, steps=10, goals=goals)


def groups(*rows):
    from benchmarks.groups import Group  # brings matplotlib, which the workers have no need to wait for

    return [Group("fakes", "Some fakes", "What fakes take.", rows, by_default=True)]
