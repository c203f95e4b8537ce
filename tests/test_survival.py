"""A run that was killed and resumed leaves what it would have left alone; `proof.kills` does the same at length."""

import signal

import pytest
from survival import survives

EPOCHS = {"softmax_regression": "10", "shakespeare_lstm": "1"}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal on this system")
@pytest.mark.parametrize("script", EPOCHS)
def test_killed_while_it_saves_and_resumed_it_leaves_the_same(script, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    outcome = survives(script, signal.SIGKILL, rounds=1, stops=1, flags=("--epochs", EPOCHS[script]))
    assert outcome.wrong == []
    assert (outcome.stops, outcome.same) == (1, 1)
