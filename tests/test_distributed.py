"""Several processes train as one would, and what goes wrong in one of them ends all of them by a message."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ranks

from models import airline_lstm
from tinygrad_edu import Tensor, nn, ops
from tinygrad_edu.data import augment
from tinygrad_edu.runtime import share
from tinygrad_edu.training import distributed, group
from tinygrad_edu.training.fit import number

MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
there = MPIEXEC and importlib.util.find_spec("mpi4py")
needs_mpi = pytest.mark.skipif(not there, reason="needs mpi4py and mpiexec: pip install -e '.[mpi]'")
PYTHONPATH = os.pathsep.join(map(str, (Path(__file__).parent, Path(__file__).parent.parent)))


def command(*arguments, processes=None, **environment):
    """Run `python -m ranks ...`, several at once where their number is given: (exit status, what was printed)."""
    launcher = [MPIEXEC, "-n", str(processes)] if processes else []
    own = {**os.environ, "PYTHONPATH": PYTHONPATH, "OPENBLAS_NUM_THREADS": "1", **environment}
    started = subprocess.Popen(
        [*launcher, sys.executable, "-m", "ranks", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=own,
    )
    try:
        said, _ = started.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        started.terminate()  # mpiexec passes it on
        pytest.fail(f"{arguments[0]} {arguments[1]} did not end: {started.communicate()[0]}")
    return started.returncode, said


# --- n processes compute what one does ---


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The results of one process."""
    folder = tmp_path_factory.mktemp("alone")
    assert command("equality", folder)[0] == 0
    status, said = command("scripts", folder)
    assert status == 0, said
    return folder


@needs_mpi
@pytest.mark.parametrize("processes", [2, 4])
def test_twenty_steps_of_every_network_are_those_of_one_process(alone, processes, tmp_path):
    status, said = command("equality", tmp_path, processes=processes)
    assert status == 0, said
    for name in ranks.CASES:
        expected, found = np.load(alone / f"{name}.npz"), np.load(tmp_path / f"{name}.npz")
        assert set(found) == set(expected)
        for key in expected:
            np.testing.assert_allclose(found[key], expected[key], rtol=1e-12, atol=1e-12, err_msg=f"{name}: {key}")
    buckets = dict(re.findall(r"(.+): (\d+) buckets", said))
    assert set(buckets) == set(ranks.CASES)
    assert all(int(count) > 1 for count in buckets.values())


@needs_mpi
def test_scripts_print_the_figures_of_one_process_and_go_on_with_another_number_of_them(alone, tmp_path):
    """Two processes begin the stateful training, whose state is divided among them too; four end it, after a stop."""
    status, said = command("stopped", 3, tmp_path, processes=2)
    assert status != 0, said
    assert "saved after 0 epochs and 4 batches" in said
    status, said = command("stopped", 9, tmp_path, "--resume", processes=4)
    assert status != 0, said
    assert "saved after 1 epoch and 5 batches" in said
    status, said = command("scripts", tmp_path, "--resume", processes=2)
    assert status == 0, said
    assert "after 1 epoch and 5 batches" in said
    for name in ranks.SCRIPTS:
        ours, theirs = (json.loads((f / name / "metrics.json").read_text()) for f in (tmp_path, alone))
        for row, expected in zip([*ours["epochs"], ours["final"]], [*theirs["epochs"], theirs["final"]]):
            assert row == pytest.approx(expected, rel=1e-5), name
        assert ours["table"] == theirs["table"], name  # as printed: to the digit
    assert said.count("results in ") == len(ranks.SCRIPTS)  # rank 0 alone speaks


@pytest.mark.parametrize("total", [1, 2, 3, 4, 7, 128])
def test_parts_of_a_batch_are_the_whole_batch(total):
    of_each = [distributed.share_of(fake_group(rank, 4), [range(total)]) for rank in range(4)]
    counted = [i for part in of_each if part.weight for i in range(total)[part.rows]]
    assert counted == list(range(total))
    assert sum(part.weight for part in of_each) == pytest.approx(1)
    assert all(len(range(total)[part.rows]) == (round(part.weight * total) or total) for part in of_each)


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: ops.dropout(x, 0.5, np.random.default_rng(3)).data,
        lambda x: augment(x.data, np.random.default_rng(3)),
        lambda x: ops.dropout(x.reshape(-1, 3), 0.5, np.random.default_rng(3)).data.reshape(x.shape),  # 16 rows each
    ],
)
def test_what_is_drawn_for_a_part_is_the_part_of_what_is_drawn(draw):
    x = Tensor(np.random.default_rng(0).normal(size=(7, 4, 4, 3)))
    parts = []
    for rank in range(3):
        own = distributed.share_of(fake_group(rank, 3), [range(7)])
        with share.sharing(own):
            parts.append(draw(Tensor(x.data[own.rows])))
    assert np.array_equal(np.concatenate(parts), draw(x))


def test_a_part_that_is_no_part_of_the_batch_is_refused():
    own = distributed.share_of(fake_group(0, 2), [range(6)])
    with share.sharing(own), pytest.raises(ValueError, match="a multiple of 3 rows; got 4"):
        ops.dropout(np.ones((4, 2)), 0.5, np.random.default_rng(0))


def test_a_rank_whose_part_has_nothing_to_count_takes_part_with_weight_zero():
    y = np.array([[-1, -1], [-1, -1], [4, -1], [5, 6]])  # what is asked of four examples
    asked = lambda y: (y >= 0).sum()  # noqa: E731
    parts = [distributed.share_of(fake_group(rank, 2), [y], asked) for rank in range(2)]
    assert [(part.rows, part.weight) for part in parts] == [(slice(0, 4), 0.0), (slice(2, 4), 1.0)]
    parts = [distributed.share_of(fake_group(rank, 4), [range(3)]) for rank in range(4)]  # three among four
    assert [(part.rows, part.weight) for part in parts] == [
        (slice(0, 3), 0.0),
        *((slice(i, i + 1), 1 / 3) for i in range(3)),
    ]
    with share.sharing(parts[0]):
        assert share.count_rows(3 * 5) == 15


def fake_group(rank, size):
    one = group.Group()
    one.rank, one.size = rank, size
    return one


def test_a_gradient_is_complete_after_the_oldest_step_that_used_the_parameter():
    a, b, unused = (nn.Parameter(np.ones((2, 2))) for _ in range(3))
    first = Tensor(np.ones((2, 2))) @ a
    second = first @ b
    third = second @ a  # again
    fourth = ops.tanh(third)
    order = distributed.oldest_uses(fourth.sum(), {"a": a, "b": b, "unused": unused})
    assert list(order.items()) == [(second, ["b"]), (first, ["a"])]


# --- what goes wrong ---

MESSAGES = {
    "fail": r"rank 1: ended by an error \(process \d+ on .*ZeroDivisionError: rank 1 cannot go on",
    "hang": r"ranks 0 and 2 waited \d+ s for the sum of the gradients of .*output\.weight.*"
    r"rank 1 \(process \d+ on .*\) did not come",
    "other_work": "all ranks wait, so they do not run the same program: .*rank 1 for ",
    "not_a_number": r"the gradient of [\w.]+ is not finite \(NaN or infinite\) on rank 1 alone",
    "wrong_weight": r"not all ranks have the same network: output\.bias is '\w+' on rank 0 and '\w+' on rank 1",
    "other_seed": "not all ranks have the same run: seed is 0 on rank 0 and 7 on rank 1",
    "other_epochs": "not all ranks have the same run: epochs is 3 on rank 0 and 9 on rank 1",
    "other_version": r"not all ranks have the same run: tinygrad_edu is '.*' on rank 0 and '0\.0\.1' on rank 1",
    "other_data": "not all ranks have the same data: part 0 of the first batch is '.*' on rank 0 and '.*' on rank 1",
    "no_broadcast": "all ranks wait, so they do not run the same program",
}
SMALL = ("--distributed", "--wait", "2", "--no-progress", "--cycles", "10", "--batch-size", "50", "--epochs", "3")


@needs_mpi
@pytest.mark.parametrize("what", MESSAGES)
def test_a_fault_of_one_rank_ends_all_by_a_message_that_names_it(what, tmp_path):
    status, said = command("sabotage", what, *SMALL, "--out", tmp_path, processes=3)
    assert status != 0
    assert re.search(MESSAGES[what], said, re.DOTALL), said
    assert time.time() - max(map(float, re.findall(r"imported at ([\d.]+)", said))) < 20
    assert said.count("error: ") <= 1


@needs_mpi
def test_a_rank_that_is_killed_ends_all_by_a_message_that_names_it(tmp_path):
    status, said = command("sabotage", "kill", *SMALL, "--out", tmp_path, processes=3)
    assert status != 0
    killed = re.search(r"rank 1 of 3: (process \d+ on .*)\n", said)[1]
    assert re.findall("error: .*", said) == [f"error: rank 1 ({killed}) is gone: killed, or ended without a word"]


@needs_mpi
def test_an_mpiexec_of_another_mpi_is_noticed():
    status, said = command("sabotage", "nothing", *SMALL, PMI_RANK="0", OMPI_COMM_WORLD_SIZE="2")
    assert status == 2
    assert "one of 2 processes by an mpiexec that mpi4py's library" in said


@pytest.mark.parametrize("damage", ["raise ImportError('no such file')", "raise RuntimeError('cannot load MPI')"])
def test_without_mpi_the_message_says_what_to_install(damage, tmp_path):
    (tmp_path / "mpi4py.py").write_text(damage)
    status, said = command(
        *("sabotage", "nothing", *SMALL), PMI_RANK="0", PYTHONPATH=f"{tmp_path}{os.pathsep}{PYTHONPATH}"
    )
    assert status == 2
    assert re.fullmatch(
        r"imported at .*\nerror: --distributed needs MPI, .*\(.*\).* -m pip install mpi4py mpich\n", said
    ), said


def test_the_plain_storey_is_for_one_process(capsys):
    with pytest.raises(SystemExit) as ended:
        airline_lstm.main(["--distributed", "--textbook"])
    assert ended.value.code == 2
    assert "--textbook computes plainly, in one process; give it or --distributed, not both" in capsys.readouterr().err


def test_a_batch_that_is_smaller_than_the_group_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("models.common.init", lambda _: fake_group(0, 2))
    assert airline_lstm.main(["--distributed", "--out", str(tmp_path)]) == 2
    assert "a batch of 1 cannot be shared by 2 processes; use --batch-size 2 or more" in capsys.readouterr().err


# --- alone, nothing changes ---


def test_alone_the_step_is_the_step_itself():
    def step(x):
        return {"loss": 0.0}

    one = group.Group()
    assert distributed.shared(one, step, distributed.Buckets(one, nn.Linear(2, 2))) is step


def test_alone_everything_is_what_it_was():
    one, x = group.Group(), np.ones(3)
    assert one.sum(x) is x
    assert one.gather("a", "a word") == ["a"]
    assert one.spread(lambda i: i * i, [(1,), (2,)]) == [1, 4]
    assert one.largest(3, 4) == [3, 4]
    one.compare({"a": 1}, "the same")
    assert (one.rank, one.size) == (0, 1)


def test_mpi_is_imported_by_those_who_ask_for_it_alone():
    code = "import sys, models.softmax_regression; print([name for name in sys.modules if 'mpi4py' in name])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=Path(__file__).parent.parent) == "[]\n"


def test_cores_are_divided_among_the_ranks_of_a_computer(monkeypatch):
    monkeypatch.setattr(group, "cores", lambda: {0, 1, 2, 3})
    assert group.own_cores([{0, 1, 2, 3}] * 2) == 2
    assert group.own_cores([{0, 1, 2, 3}] * 8) == 1
    monkeypatch.setattr(group, "cores", lambda: {0, 1})  # by the launcher
    assert group.own_cores([{0, 1}, {2, 3}]) == 2


# --- two ranks in one process: the other one does the same ---


class Done:
    def Test(self):
        return True


class Twin:
    """A communicator of rank 0 of two, whose rank 1 has the same arrays."""

    rank, size = 0, 2

    def Iallreduce(self, own, total, op=None):
        total[...] = 2 * (total if own is None else own)
        return Done()

    def Iallgather(self, own, everybody):
        everybody[...] = own
        return Done()

    def Iallgatherv(self, own, everybody):
        everybody[0][...] = np.tile(own, 2)
        return Done()

    def Ibcast(self, values):
        return Done()

    Ibarrier = Ibcast


def gradients(model, x, y, shared_with=None, bucket_bytes=8):
    """Of the loss of a batch, also where another rank has its second half."""

    def step(x, y):
        model.zero_grad()
        loss = ops.mse(model(x), y)
        loss.backward()
        return {"loss": loss}

    if shared_with:
        step = distributed.shared(shared_with, step, distributed.Buckets(shared_with, model, bucket_bytes))
    loss = number(step(x, y)["loss"], now=True)
    return loss, {name: None if p.grad is None else Tensor(p.grad).numpy() for name, p in model.named_parameters()}


def small_network():
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(3, 4, rng=rng), nn.BatchNorm(4), nn.Tanh(), nn.Linear(4, 2, rng=rng))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_half_a_batch_beside_its_twin_has_the_whole_batch_s_gradients(device, cupy):
    half = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    x, y = (Tensor(np.concatenate([part, part])).to(device) for part in (half[:, :3], half[:, 3:]))
    model, frozen = small_network().to(device), small_network().to(device)
    model.unused = nn.Parameter(Tensor(np.ones(2, np.float32)).to(device).data)
    loss, expected = gradients(model, x, y)
    own_loss, found = gradients(model, x, y, group.Group(Twin()))
    assert own_loss == pytest.approx(loss, rel=1e-6)
    assert found.pop("unused") is expected.pop("unused") is None
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-4, atol=1e-7, err_msg=name)
    frozen.layers[0].weight.requires_grad = False
    assert gradients(frozen, x, y, group.Group(Twin()))[1]["layers.0.weight"] is None


def test_gradients_add_up_over_several_walks_and_half_precision_is_added_in_single():
    x, y = Tensor(np.ones((4, 3), np.float16)), Tensor(np.ones((4, 2), np.float16))
    model = nn.Linear(3, 2, rng=np.random.default_rng(0)).astype(np.float16)
    together = group.Group(Twin())
    buckets = distributed.Buckets(together, model)

    def step(x, y):
        model.zero_grad()
        for _ in range(2):
            ops.mse(model(x), y).backward()
        return {"loss": 0.0}

    distributed.shared(together, step, buckets)(x, y)
    assert buckets.buckets[0].values.dtype == np.float32
    once = gradients(model, x, y)[1]
    distributed.shared(together, step, buckets)(x, y)
    assert model.weight.grad.dtype == np.float16
    np.testing.assert_allclose(model.weight.grad, 2 * once["weight"], rtol=1e-3)


def test_who_waits_too_long_says_who_is_missing(monkeypatch):
    class Silent(Twin):
        size, sent = 3, ()
        reports = [(2, "the loss")]  # noqa: RUF012

        def isend(self, report, rank, tag):
            self.sent += (rank, report)

        def iprobe(self, tag):
            return bool(self.reports)

        def recv(self, tag):
            return self.reports.pop()

        def Iallgatherv(self, own, everybody):
            everybody[0][...] = np.tile(own, 3)
            return Done()

    said, together = [], group.Group(Silent(), limit=0.1)
    monkeypatch.setattr(group, "say", said.append)
    monkeypatch.setattr(together, "stop_all", lambda status: (_ for _ in ()).throw(SystemExit(status)))
    never = type("Never", (), {"Test": lambda self: False})()
    with pytest.raises(SystemExit):
        together.wait(never, "the loss")
    assert together.comm.sent == (1, (0, "the loss"), 2, (0, "the loss"))
    assert re.fullmatch(
        r"error: ranks 0 and 2 waited 0 s for the loss; rank 1 \(process .*\) did not come: .*", said[0]
    )
    assert group.some_ranks([0, 1, 3]) == "ranks 0, 1 and 3"
