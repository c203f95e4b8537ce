"""A run that was stopped and resumed ends with the same weights; `survival.py` does the same at length."""

import signal

import pytest
from survival import survives


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there are no such signals on this system")
@pytest.mark.parametrize("number", ["SIGINT", "SIGKILL"])
@pytest.mark.parametrize("script", ["airline_lstm", "softmax_regression"])
def test_stopped_and_resumed_it_ends_with_the_same_weights(script, number, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGRAD_EDU_DATA", str(tmp_path))
    assert survives(script, getattr(signal, number), rounds=1) == 1
