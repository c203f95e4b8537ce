"""How much one training step of each model script asks of a GPU: launches, and transfers to the host.

A launch takes a GPU some five microseconds to begin, however little it is; and a transfer to the host waits for all
launches before it. So what a step costs on a small network is their number. They are counted on the stand-in for CuPy,
see `strict_array.Work`, in the script's own training step. The ceilings are what was counted when this was written.
"""

import pytest

from models import airline_lstm, mini_alexnet, shakespeare_lstm, sine_rnn, softmax_regression
from models.run import Run

CEILINGS = {  # script and flags -> launches
    (softmax_regression,): 0,
    (mini_alexnet,): 0,
    (mini_alexnet, "--variant", "batchnorm"): 0,
    (mini_alexnet, "--variant", "residual"): 0,
    (sine_rnn,): 0,
    (airline_lstm,): 0,
    (shakespeare_lstm,): 0,
    (shakespeare_lstm, "--stateful"): 0,
}


class Measured(Exception):
    """Ends a script after the step that was measured."""


@pytest.mark.parametrize("flags", CEILINGS, ids=lambda flags: " ".join([flags[0].__name__.split(".")[1], *flags[1:]]))
def test_a_training_step_stays_under_its_ceiling_and_reads_one_number(cupy, flags, monkeypatch, tmp_path):
    script, *arguments = flags
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))

    def measured(self, step, batches, *_, **options):
        """The second step of `Run.fit`: the first one also makes what the optimiser remembers."""
        for _, batch in zip(range(2), batches()):
            cupy.work.reset()
            step(*batch)
        raise Measured

    monkeypatch.setattr(Run, "fit", measured)
    with pytest.raises(Measured):
        script.main(["--device", "cuda", "--data", "synthetic", "--no-progress", *arguments])
    print(cupy.work)
    assert cupy.work.launches <= CEILINGS[flags]
    assert cupy.work.reads == 1
