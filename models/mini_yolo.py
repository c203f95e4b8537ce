"""Mini-YOLO on scenes of digits: one look at a picture says which digits are there, and where.

A scene of 64 x 64 pixels is seen as 8 x 8 cells of 8 pixels. For every cell at once the network says whether the centre
of a digit lies in it, the digit's box, and which digit it is; who says the same as a surer neighbour is not heard.

Source: J. Redmon et al., "You only look once: unified, real-time object detection", CVPR 2016.
"""

from __future__ import annotations

import sys

import numpy as np

from models import connected_components
from models.common import flags, new_optimizer, script
from models.inside import look_inside
from models.mini_alexnet import conv
from models.run import Run
from tinygrad_edu import Tensor, metrics, nn, no_grad, ops, optim, plots
from tinygrad_edu.data import batches, load_scenes
from tinygrad_edu.inspection import stages_of, summary
from tinygrad_edu.training import progress_bar

GRID, CELL = 8, 8  # cells in a row and in a column; pixels in a cell
TYPICAL = 20.0  # pixels: a box of this size is 0 on the logarithmic scale, which is what an untrained network says
BOX_WEIGHT = 5.0  # as in the paper: a box must fit, while 60 of 64 cells have none to fit
SCENES = {"train": 20_000, "validation": 2_000, "test": 2_000}
QUICK = {"train": 8_000, "validation": 400, "test": 400}
EPOCHS, QUICK_EPOCHS, LR, BATCH_SIZE = 5, 3, 2e-3, 64  # unless the flags say otherwise
HEARD = 0.01  # what is less sure is not looked at; mean average precision wants the unsure ones too
DRAWN = 0.3  # what a picture shows


def mini_yolo():
    """Five convolutions, then 15 numbers for every cell: (N, 64, 64, 1) -> (N, 8, 8, 15).

    Channel 0: is there a centre; 1, 2: where in the cell, x and y; 3, 4: log-width and log-height; 5..14: which digit.
    The last convolution is 1 x 1: a dense layer that all cells share. A cell is told by what lies around it, too: by
    54 x 54 pixels.
    """
    return nn.Sequential(
        *conv(1, 16, pool=2),  # (N, 32, 32, 16)
        *conv(16, 32, pool=2),  # (N, 16, 16, 32)
        *conv(32, 64, pool=2),  # (N, 8, 8, 64)
        *conv(64, 96),
        *conv(96, 96),
        nn.Conv2d(96, 15, 1),  # (N, 8, 8, 15)
    )


def encode(boxes, labels):
    """What the network should say of scenes: boxes (N, 4, 4) in pixels, labels (N, 4), -1 where there is no digit.

    Returns the cells of the M digits, (scene, row, column) of M numbers each; where in its cell the centre lies (M, 2),
    from 0 to 1; the log-sizes (M, 2), ln(width / 20) and ln(height / 20); the classes (M,).

    Scenes may be empty, and boxes reach out of the scene. ValueError for what no cell can say: a centre outside, a box
    without a width or height, two centres in one cell.
    """
    scene, digit = np.nonzero(labels >= 0)
    box = boxes[scene, digit].astype(np.float64)  # (M, 4)
    centre, size = (box[:, :2] + box[:, 2:]) / 2 / CELL, box[:, 2:] - box[:, :2]
    if not ((centre >= 0) & (centre < GRID)).all():
        raise ValueError(f"mini_yolo: a box's centre must lie in the scene of {GRID * CELL} x {GRID * CELL} pixels")
    if not (size > 0).all():
        raise ValueError("mini_yolo: a box must have a width and a height > 0")
    column, row = centre.astype(int).T
    if len(np.unique((scene * GRID + row) * GRID + column)) < len(scene):
        raise ValueError("mini_yolo: two digits have their centres in one cell, which can say one of them")
    return (scene, row, column), centre - np.floor(centre), np.log(size / TYPICAL), labels[scene, digit]


def detection_loss(Z, boxes, labels):
    """The loss of what the network says of N scenes, Z (N, 8, 8, 15): a number, the mean over the scenes.

    With S = 1 in the cells that hold the centre of a digit and 0 elsewhere, p = sigmoid(Z[0]), and the sums over cells:

        L = 1/N [  sum over all cells    -S ln p - (1 - S) ln(1 - p)                            (object)
                 + sum where S = 1   5 ( (sigmoid(Z[1]) - x)^2 + (sigmoid(Z[2]) - y)^2          (centre)
                                       + (Z[3] - ln(w/20))^2 + (Z[4] - ln(h/20))^2              (size)
                                       ) - ln softmax(Z[5:])[k]                        ]        (class)

    Object: since -ln(1 - p) = ln(1 + e^Z[0]) and -ln p is Z[0] less, this is softplus(Z[0]) - S Z[0], in which nothing
    overflows. d/dZ[0] = p - S, "what it believes minus what is true". Cells without a digit learn from this term alone:
    of what is not there, neither box nor class is asked.
    Centre: a sigmoid, since the centre cannot leave its cell; by the chain rule, with s = sigmoid(Z[1]),
    d/dZ[1] = 10 (s - x) s (1 - s).
    Size: d/dZ[3] = 10 (Z[3] - ln(w/20)). On the logarithmic scale an error of 10% costs the same for every size, as it
    does in intersection over union; and every Z is a size, no width can come out negative.
    Class: d/dZ[5:] = softmax(Z[5:]) - onehot(k).

    The lines below are these terms; the engine finds the same gradients (`tests/test_mini_yolo.py` compares).
    """

    def beside(T):  # an array of NumPy's, where Z is and of its dtype
        return Tensor(T.astype(Z.dtype)).to(Z.device)

    cells, inside, log_size, classes = encode(boxes, labels)
    loss = ops.softplus(Z[..., 0]).sum()
    if len(classes):  # scenes may be empty
        at = Z[cells]  # (M, 15): what the cells with a digit say
        centre = ops.mse(ops.sigmoid(at[:, 1:3]), beside(inside), "sum")
        size = ops.mse(at[:, 3:5], beside(log_size), "sum")
        loss = loss - at[:, 0].sum() + BOX_WEIGHT * (centre + size)
        loss = loss + ops.softmax_cross_entropy(at[:, 5:], classes, "sum")
    return loss / len(labels)


def decode(Z):
    """What each cell of one scene says, Z (8, 8, 15): boxes (64, 4) in pixels, digits (64,), how sure it is (64,)."""
    row, column = np.indices((GRID, GRID))
    sigmoid = np.exp(-np.logaddexp(0, -Z[..., :3]))  # 1 / (1 + e^-Z), and nothing overflows
    x, y = (column + sigmoid[..., 1]) * CELL, (row + sigmoid[..., 2]) * CELL
    half = TYPICAL * np.exp(np.clip(Z[..., 3:5], -4, 2)) / 2  # no size is smaller than 0.4 or larger than 148 pixels
    boxes = np.stack([x - half[..., 0], y - half[..., 1], x + half[..., 0], y + half[..., 1]], axis=-1)
    P = np.exp(Z[..., 5:] - Z[..., 5:].max(axis=-1, keepdims=True))
    sure = sigmoid[..., 0] * P.max(axis=-1) / P.sum(axis=-1)  # there is a digit, and it is this one
    return boxes.reshape(-1, 4), P.argmax(axis=-1).ravel(), sure.ravel()


def detect(Z):
    """What is heard of a scene: boxes (K, 4), digits (K,) and how sure (K,), without those a surer one suppresses."""
    said = decode(Z)
    boxes, digits, sure = (part[said[2] > HEARD] for part in said)
    kept = metrics.non_maximum_suppression(boxes, sure, digits)
    return boxes[kept], digits[kept], sure[kept]


def prepare(images, device):
    """A batch of bytes (N, 64, 64) as numbers between 0 and 1 in one channel, where the network is."""
    return Tensor(images[..., None].astype(np.float32) / 255).to(device)


@no_grad()
def look_at(model, scenes, run):
    """What the network says of all cells, batch by batch: (N, 8, 8, 15), and the mean loss."""

    def look(images, boxes, labels):
        Z = model(prepare(images, run.device))
        return Z.numpy(), detection_loss(Z, boxes, labels).item() * len(images)

    model.eval()
    pieces = batches(scenes.images, scenes.boxes, scenes.labels, batch_size=100)
    parts, losses = zip(*run.group.spread(look, progress_bar(pieces, "evaluation", run.progress, delay=1.0)))
    model.train()
    return np.concatenate(parts), sum(losses) / len(scenes.images)


def measure(model, scenes, run, part):
    """Loss and mean average precision (from 0 to 1, at an intersection over union of 0.5) on scenes."""
    Z, loss = look_at(model, scenes, run)
    true = [scenes.truth(i) for i in range(len(Z))]
    return {f"{part}_loss": loss, f"{part}_map": metrics.mean_average_precision([detect(z) for z in Z], true)}


@script
def main(arguments=None):
    parser = flags(__doc__, "mini_yolo", epochs=EPOCHS, quick_epochs=QUICK_EPOCHS, lr=LR, batch_size=BATCH_SIZE)
    parser.add_argument(
        "--schedule", choices=("constant", "cosine"), default="cosine", help="of the learning rate (cosine)"
    )
    options = parser.parse_args(arguments)
    counts = QUICK if options.quick else SCENES
    progress = False if options.no_progress else None
    data = load_scenes(options.data_dir, options.data, **counts, progress=progress)
    run = Run(
        options,
        data.name,
        data.source,
        examples=("scenes", counts["train"], SCENES["train"]),
        reported=("seed", "textbook", "schedule"),
    )
    if options.schedule == "cosine":  # it is drawn out over the epochs that are wanted, so these are part of the run
        run.settings["epochs of the schedule"] = run.epochs

    model = mini_yolo().to(run.device)
    print(summary(model, (GRID * CELL, GRID * CELL, 1)), flush=True)
    optimizer = new_optimizer(options, model.parameters())
    steps = run.epochs * -(-len(data.train.images) // options.batch_size)

    def loss_of(images, boxes, labels):
        return detection_loss(model(prepare(images, run.device)), boxes, labels)

    def train_step(images, boxes, labels):
        if options.schedule == "cosine":
            optimizer.lr = optim.cosine(options.lr, optimizer.t, steps)
        optimizer.zero_grad()
        loss = loss_of(images, boxes, labels)
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    def evaluate():
        return measure(model, data.validation, run, "validation")

    def new_batches():
        train = data.train
        return batches(train.images, train.boxes, train.labels, batch_size=options.batch_size, rng=run.rng)

    look_inside(run, model, loss_of, new_batches, items=8)
    run.fit(train_step, new_batches, evaluate, model, optimizer)

    Z, test_loss = look_at(model, data.test, run)
    found, true = [detect(z) for z in Z], [data.test.truth(i) for i in range(len(Z))]
    final = evaluate() | {"test_loss": test_loss, "test_map": metrics.mean_average_precision(found, true)}
    draw(run, model, data, Z, found, true)
    means = connected_components.mean_crops(data.train)
    guesses = [connected_components.detect(image, *means) for image in data.test.images]

    def precision(boxes, iou):
        return f"{metrics.mean_average_precision(boxes, true, iou):.3f}"

    rows = [
        ("test mean average precision, IoU 0.5", "-", precision(found, 0.5)),
        ("the same at IoU 0.75", "-", precision(found, 0.75)),
        ("validation mean average precision", "-", f"{final['validation_map']:.3f}"),
    ]
    baselines = [
        ("of connected components (nearest mean digit)", precision(guesses, 0.5)),
        ("the same at IoU 0.75", precision(guesses, 0.75)),
    ]
    run.finish(model, final, rows, baselines)


def draw(run, model, data, Z, found, true):
    """The pictures: scenes and what is found, precision against recall, what the cells say, the network, the loss."""
    names, history, of = data.class_names, run.history, f"mini-YOLO on {data.name}"
    shown = [tuple(part[sure > DRAWN] for part in (boxes, digits, sure)) for boxes, digits, sure in found[:12]]
    plots.scene_boxes(
        run.out / "scenes.png", data.test.images[:12], true[:12], shown, names, f"The first test scenes: {of}"
    )
    curves = {
        f"{names[k]}: {metrics.average_precision(*curve):.3f}": curve
        for k, curve in metrics.precision_recall(found, true).items()
    }
    title = f"Precision, recall and average precision: {of}"
    plots.precision_recall(run.out / "precision_recall.png", curves, title)
    crowded = int((data.test.labels >= 0).sum(axis=1).argmax())  # the first scene of four digits
    boxes, digits, sure = found[crowded]
    kept = boxes[sure > DRAWN], digits[sure > DRAWN], sure[sure > DRAWN]
    path, title = run.out / "cells.png", f"What the cells say before suppression: {of}"
    plots.cell_boxes(path, data.test.images[crowded], decode(Z[crowded]), kept, names, title)
    stages, skips = stages_of(model, (GRID * CELL, GRID * CELL, 1))
    for ending in ("svg", "png"):
        plots.draw_architecture(run.out / f"architecture.{ending}", stages, "Architecture of mini-YOLO", skips)
    losses = {"training": history["train_loss"], "validation": history["validation_loss"]}
    epochs = [row["epoch"] for row in history.epochs]
    plots.training_curves(run.out / "loss.png", epochs, losses, "loss (a scene's mean)", f"Loss of {of}")


if __name__ == "__main__":
    sys.exit(main())
