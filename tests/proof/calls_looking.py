"""Valid calls of what looks inside, draws and writes files, for the table of `calls.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from proof.calls import Call, array, loss, network, x
from tinygrad_edu import inspection, nn, optim, plots, training

_kept = tempfile.TemporaryDirectory(prefix="tinygrad-edu-inputs-")  # removed when Python ends
FOLDER = Path(_kept.name)
SCENE = np.zeros((64, 64), np.uint8)
FOUND = np.array([[1.0, 2.0, 9.0, 8.0], [2.0, 2.0, 9.0, 9.0]]), np.array([3, 1]), np.array([0.5, 0.9])
PICTURE = None  # not saved


def saved(checkpoint: bool = False) -> Path:
    """A file of weights, or of a checkpoint."""
    path = FOLDER / f"{'checkpoint' if checkpoint else 'weights'}.safetensors"
    if not path.exists():
        model = network()
        if checkpoint:
            training.save_checkpoint(path, model, optim.SGD(model.parameters()), {})
        else:
            training.save_weights(path, model)
    return path


def with_optimizer() -> dict:
    model = network()
    return {"model": model, "optimizer": optim.SGD(model.parameters())}


def probabilities() -> np.ndarray:
    return np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])


def images() -> np.ndarray:
    return np.zeros((3, 4, 4, 3), np.uint8)


KERNELS = {"start": array(3, 3, 3, 2), "end": array(3, 3, 3, 2), "image": images()[0], "maps": array(4, 4, 2)}

LOOKING = {
    "inspection.trace": lambda: Call(
        inspection.trace, {"loss": loss(), "gradient": None, "retain_graph": False, "keep": 10, "differences": 1}
    ),
    "inspection.explain": lambda: Call(
        inspection.explain,
        {"loss": (leaf := x(2)).sum(), "tensor": leaf, "entry": (0,), "gradient": None, "retain_graph": False},
        str,
    ),
    "inspection.player": lambda: Call(
        inspection.player,
        {
            **{"loss": loss(), "path": FOLDER / "page.html", "gradient": None, "title": "a page"},
            "differences": 1,
        },
    ),
    "inspection.layers_of": lambda: Call(
        inspection.layers_of, {"model": network(), "input_shape": (3,), "dtype": np.float32}
    ),
    "inspection.summary": lambda: Call(
        inspection.summary, {"model": network(), "input_shape": (3,), "dtype": np.float32}
    ),
    "inspection.stages_of": lambda: Call(
        inspection.stages_of, {"model": nn.Sequential(nn.Conv2d(3, 2)), "input_shape": (4, 4, 3)}
    ),
    "plots.training_curves": lambda: Call(
        plots.training_curves,
        {"path": PICTURE, "epochs": [0, 1, 2], "curves": {"a": [3.0, 2.0, 1.0]}, "ylabel": "loss", "title": "title"},
    ),
    "plots.train_and_validation": lambda: Call(
        plots.train_and_validation,
        {
            **{"path": PICTURE, "epochs": [0, 1, 2], "losses": ([3.0, 2.0, 1.0], [3.0, 2.0, 1.0])},
            **{"accuracies": ([3.0, 2.0, 1.0], [3.0, 2.0, 1.0]), "title": "title"},
        },
    ),
    "plots.filter_images": lambda: Call(plots.filter_images, {"path": PICTURE, **KERNELS, "title": "title"}),
    "plots.scene_boxes": lambda: Call(
        plots.scene_boxes,
        {
            **{"path": PICTURE, "images": SCENE[None], "true": [FOUND[:2]], "found": [FOUND]},
            **{"class_names": list("0123"), "title": "title", "columns": 2},
        },
    ),
    "plots.cell_boxes": lambda: Call(
        plots.cell_boxes,
        {
            **{"path": PICTURE, "image": SCENE, "said": tuple(np.repeat(part, 2, axis=0) for part in FOUND)},
            **{"kept": FOUND, "class_names": list("0123"), "title": "title"},
        },
    ),
    "plots.precision_recall": lambda: Call(
        plots.precision_recall,
        {"path": PICTURE, "curves": {"a": (np.array([1, 0.5]), np.array([0.5, 0.5]))}, "title": "title"},
    ),
    "plots.image_grid": lambda: Call(
        plots.image_grid,
        {"path": PICTURE, "images": images(), "captions": ["a", "b", "c"], "title": "title", "columns": 2},
    ),
    "plots.weight_images": lambda: Call(
        plots.weight_images,
        {"path": PICTURE, "weights": array(784, 2), "class_names": ["a", "b"], "title": "title"},
    ),
    "plots.prediction_rows": lambda: Call(
        plots.prediction_rows,
        {
            **{"path": PICTURE, "images": images(), "labels": np.array([0, 1, 0]), "probabilities": probabilities()},
            **{"class_names": ["a", "b"], "title": "title", "columns": 2},
        },
    ),
    "plots.series": lambda: Call(
        plots.series,
        {
            **{"path": PICTURE, "curves": {"a": (np.arange(3), np.arange(3)), "b": (np.arange(3), np.arange(3))}},
            **{"xlabel": "t", "ylabel": "y", "title": "title", "ticks": ([0, 1], ["a", "b"]), "baseline": "a"},
        },
    ),
    "plots.gradient_flow": lambda: Call(
        plots.gradient_flow,
        {"path": PICTURE, "panels": {"a": {"b": np.array([1.0, 0.1, 0.01])}}, "title": "title", "ylabel": "norm"},
    ),
    "plots.clipping": lambda: Call(
        plots.clipping,
        {"path": PICTURE, "losses": {"a": array(12)}, "norms": {"a": array(12)}, "title": "title"},
    ),
    "plots.draw_architecture": lambda: Call(
        plots.draw_architecture,
        {
            **{"path": PICTURE, "stages": [("input", (4, 4, 3)), ("conv", (4, 4, 8)), ("dense", (3,))]},
            **{"title": "title", "skips": [(0, 1)]},
        },
    ),
    "plots.attention_maps": lambda: Call(
        plots.attention_maps, {"path": PICTURE, "weights": np.full((1, 2, 3, 3), 0.5), "text": "abc", "title": "title"}
    ),
    "plots.filled_blanks": lambda: Call(
        plots.filled_blanks,
        {
            "path": PICTURE,
            "texts": ["abc"],
            "asked": np.array([[False, True, False]]),
            "guesses": ["axc"],
            "sure": np.full((1, 3), 0.5),
            "title": "title",
        },
    ),
    "plots.losses_against": lambda: Call(
        plots.losses_against,
        {"path": PICTURE, "panels": {"x": {"a": ([1, 2], [2, 1])}}, "ylabel": "loss", "title": "title"},
    ),
    "plots.number_tables": lambda: Call(
        plots.number_tables, {"path": PICTURE, "tables": {"A": np.ones((2, 3)), "b": [0.5, -1.0]}, "title": "title"}
    ),
    "plots.small_graphs": lambda: Call(
        plots.small_graphs,
        {
            "path": PICTURE,
            "graphs": {"g": plots.Graph({"x": plots.Node((0.5, 0.1), "x"), "y": plots.Node((0.5, 0.9), "y")}, [])},
            "title": "title",
        },
    ),
    "plots.unrolled_network": lambda: Call(
        plots.unrolled_network, {"path": PICTURE, "steps": 2, "cell": "GRU", "units": 3, "title": "title"}
    ),
    "training.save_weights": lambda: Call(
        training.save_weights,
        {"path": FOLDER / "written.safetensors", "model": network(), "facts": {"a": 1}},
    ),
    "training.save_checkpoint": lambda: Call(
        training.save_checkpoint,
        {
            "path": FOLDER / "written.safetensors",
            **with_optimizer(),
            "facts": {"a": 1},
            "memory": {"h": array(2)},
            "keep": None,
        },
    ),
    "training.load_weights": lambda: Call(training.load_weights, {"path": saved(), "model": network()}),
    "training.load_checkpoint": lambda: Call(training.load_checkpoint, {"path": saved(True), **with_optimizer()}),
    "training.read_weights": lambda: Call(training.read_weights, {"path": saved()}),
    "training.read_checkpoint": lambda: Call(training.read_checkpoint, {"path": saved(True)}),
}
