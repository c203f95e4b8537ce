"""The loop around the training step (`fit`), and weights and training states in files (`checkpoint`)."""

from tinygrad_edu.training.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_weights,
    read_facts,
    read_weights,
    save_checkpoint,
    save_weights,
)
from tinygrad_edu.training.fit import Figures, History, TrainingError, fit, progress_bar

__all__ = [
    "CheckpointError",
    "Figures",
    "History",
    "TrainingError",
    "fit",
    "load_checkpoint",
    "load_weights",
    "progress_bar",
    "read_facts",
    "read_weights",
    "save_checkpoint",
    "save_weights",
]
