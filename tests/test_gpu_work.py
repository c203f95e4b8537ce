"""How much a training step of each model script asks of a GPU: launches, and transfers to the host.

A launch takes a GPU some microseconds to begin, however little it is to do, and a transfer to the host waits for all
launches before it: on a small network, that is what a step costs. Both are counted on the stand-in for CuPy, see
`strict_array.Work`, in the script's own training step.
"""

import numpy as np
import pytest

from models import (
    airline_lstm,
    mini_alexnet,
    mini_yolo,
    shakespeare_gpt,
    shakespeare_lstm,
    sine_rnn,
    softmax_regression,
)
from models.run import Run
from tinygrad_edu import Tensor, nn

# A script and its flags -> launches. These are what was counted when they were written down, not what would be
# bearable: who needs more has a reason, and says it here.
CEILINGS = {
    (softmax_regression,): 28,
    (mini_alexnet,): 318,  # 159 of them max pooling's, position by position, and 16 Adam's, one for each parameter
    (mini_alexnet, "--variant", "batchnorm"): 458,
    (mini_alexnet, "--variant", "residual"): 428,
    (mini_yolo,): 405,
    (sine_rnn,): 34,
    (airline_lstm,): 33,
    # 30 steps of time at 4 launches (see `PER_STEP`), but for the first one's product back, make 119. What happens once
    # makes 62: the LSTM's layout, weights and last states 20, cross-entropy 20, embedding 6, dense layer 5, two dropout
    # masks 2, copies of gradients that are views 3, Adam 6.
    (shakespeare_lstm,): 181,
    (shakespeare_lstm, "--stateful"): 183,
    # 40 parameters, each with a move of AdamW's and a part of the gradient's length: some 200; four blocks of some 120.
    (shakespeare_gpt,): 832,
    (shakespeare_gpt, "--objective", "masked"): 786,
}
READS = {shakespeare_gpt: 2}  # the loss, and the length of the gradient that is clipped


class Measured(Exception):
    """Ends a script after the step that was measured."""


@pytest.mark.parametrize("flags", CEILINGS, ids=lambda flags: " ".join([flags[0].__name__.split(".")[1], *flags[1:]]))
def test_a_training_step_stays_under_its_ceiling_and_waits_once(cupy, flags, monkeypatch, tmp_path):
    script, *arguments = flags
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    monkeypatch.setattr(script, "look_inside", lambda *_, **__: None)
    monkeypatch.setattr(mini_yolo, "SCENES", {"train": 128, "validation": 1, "test": 1})  # two batches

    def measured(self, step, batches, *_, **options):
        """In the place of `Run.fit`: the second step, since in the first one the optimiser makes what it remembers."""
        for _, batch in zip(range(2), batches()):
            cupy.work.reset()
            step(*batch)
        raise Measured

    monkeypatch.setattr(Run, "fit", measured)
    with pytest.raises(Measured):
        script.main(["--device", "cuda", "--data", "synthetic", "--no-progress", *arguments])
    assert cupy.work.launches <= CEILINGS[flags]
    assert cupy.work.reads == READS.get(script, 1)  # the loss


PER_STEP = {  # launches that one more step of time costs, forward and backward, each at its least
    nn.SimpleRNN: 4,  # a product and the step; the step back and a product
    nn.LSTM: 4,
    nn.GRU: 5,  # its forward has two products
}


@pytest.mark.parametrize("layer", PER_STEP)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_what_a_step_of_time_costs(cupy, layer, dropout):
    model = layer(3, 4, return_sequences=True, dropout=dropout, recurrent_dropout=dropout).to("cuda")

    def launches(T):
        model.zero_grad()
        x = Tensor(cupy.asarray(np.ones((2, T, 3), np.float32)), requires_grad=True)
        cupy.work.reset()
        outputs = model(x)
        outputs.backward(outputs.data)
        return cupy.work.launches

    assert launches(6) - launches(5) == PER_STEP[layer]


def test_large_batches_of_images_go_in_one_piece(cupy):
    """Chunks that are sized for a processor's cache would multiply the launches."""
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm(4), nn.MaxPool2d(3), nn.Conv2d(4, 4, 3)).to("cuda")

    def launches(n):
        cupy.work.reset()
        layers.zero_grad()
        y = layers(Tensor(cupy.asarray(np.ones((n, 12, 12, 3), np.float32))))
        y.backward(y.data)
        return cupy.work.launches

    assert launches(1) == launches(300)
