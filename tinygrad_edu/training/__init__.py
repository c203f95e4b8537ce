"""The loop around the training step (`fit`), weights and training states in files (`checkpoint`), and one training
shared by several processes (`distributed`)."""

from tinygrad_edu.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    load_weights,
    read_checkpoint,
    read_weights,
    save_checkpoint,
    save_weights,
)
from tinygrad_edu.training.fit import Figures, History, TrainingError, Unfinished, fit, progress_bar

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Figures",
    "History",
    "TrainingError",
    "Unfinished",
    "fit",
    "load_checkpoint",
    "load_weights",
    "progress_bar",
    "read_checkpoint",
    "read_weights",
    "save_checkpoint",
    "save_weights",
]
