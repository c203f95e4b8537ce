"""Mini-AlexNet on CIFAR-10: convolutions that learn what to look for.

Three variants: the practical's network (`plain`), the same with batch normalisation after every convolution
(`batchnorm`), and a small network of residual blocks (`residual`).
"""

from __future__ import annotations

import sys

import numpy as np

from models.common import flags, new_optimizer, script
from models.inside import look_inside
from models.run import Run
from tinygrad_edu import Tensor, metrics, nn, no_grad, ops, optim, plots
from tinygrad_edu.data import augment, batches, load_cifar10
from tinygrad_edu.inspection import stages_of, summary
from tinygrad_edu.training import progress_bar

REPORT = {"train": "about 82", "test": "about 68"}  # after 10 epochs


def conv(inputs, outputs, norm=True, pool=None):
    """Convolution 3x3, batch normalisation, max pooling, ReLU; the second and third if wanted.

    ReLU after pooling gives the same numbers as before it, since the largest stays the largest; with windows of 3x3 it
    is a ninth of the work. A bias would be undone by the normalisation.
    """
    normalization = [nn.BatchNorm(outputs, momentum=0.9)] if norm else []
    pooling = [nn.MaxPool2d(pool)] if pool else []
    return [nn.Conv2d(inputs, outputs, 3, bias=not norm), *normalization, *pooling, nn.ReLU()]


def mini_alexnet(norm):
    """The practical's network, for images (N, 32, 32, 3): scores (logits) of ten classes (N, 10)."""
    return nn.Sequential(
        *conv(3, 48, norm, pool=3),  # (N, 10, 10, 48)
        *conv(48, 128, norm, pool=3),  # (N, 3, 3, 128)
        *conv(128, 192, norm),  # (N, 3, 3, 192)
        *conv(192, 192, norm),
        *conv(192, 128, norm, pool=3),  # (N, 1, 1, 128)
        nn.Flatten(),  # (N, 128)
        *(nn.Linear(128, 1024), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(1024, 1024), nn.ReLU()),
        nn.Linear(1024, 10),
    )


def residual_network():
    """Two residual blocks on a stem of 32, 64 and 128 channels."""

    def block(channels):  # y = x + two convolutions of x
        return nn.Residual(nn.Sequential(*conv(channels, channels), *conv(channels, channels)))

    return nn.Sequential(
        *conv(3, 32, pool=2),  # (N, 16, 16, 32)
        *conv(32, 64, pool=2),  # (N, 8, 8, 64)
        block(64),
        *conv(64, 128),  # (N, 8, 8, 128)
        block(128),
        nn.GlobalAvgPool2d(),  # (N, 128)
        nn.Linear(128, 10),
    )


VARIANTS = {
    "plain": lambda: mini_alexnet(norm=False),
    "batchnorm": lambda: mini_alexnet(norm=True),
    "residual": residual_network,
}


def prepare(images, device):
    """A batch of bytes (N, 32, 32, 3) as numbers between 0 and 1, where the network is."""
    return Tensor(images.astype(np.float32) / 255).to(device)


@no_grad()
def predict(model, images, run):
    """Probabilities of the classes (N, K), batch by batch, without dropout."""
    model.eval()
    pieces = progress_bar(batches(images, batch_size=125), "evaluation", run.progress, delay=1.0)
    parts = run.group.spread(lambda X: ops.softmax(model(prepare(X, run.device))).numpy(), pieces)
    model.train()
    return np.concatenate(parts)


def measure(probabilities, labels, part):
    """Loss and accuracy (%) of predictions."""
    right = probabilities[np.arange(len(labels)), labels]
    accuracy = 100 * metrics.accuracy(probabilities, labels)
    return {f"{part}_loss": float(-np.log(np.maximum(right, 1e-30)).mean()), f"{part}_accuracy": accuracy}


@script
def main(arguments=None):
    parser = flags(__doc__, "mini_alexnet", epochs=10, quick_epochs=3, lr=1e-3, batch_size=128)
    parser.add_argument("--variant", choices=VARIANTS, default="plain", help="which network (plain)")
    parser.add_argument(
        "--schedule", choices=("constant", "cosine"), help="of the learning rate (cosine; plain: constant, as reported)"
    )
    parser.add_argument("--augment", action="store_true", help="shift and mirror the training images")
    options = parser.parse_args(arguments)
    data = load_cifar10(options.data_dir, options.data, progress=False if options.no_progress else None)
    options.schedule = options.schedule or ("constant" if options.variant == "plain" else "cosine")

    # The last fifth of the training images is the validation set; slices are views, they cost no memory.
    share = 5 if options.quick and data.source != "synthetic" else 1  # a fifth of the images, to see it work
    count = len(data.train_labels)
    train, validation, test = (
        (images[part], labels[part])
        for images, labels, part in (
            (data.train_images, data.train_labels, slice(0, count * 4 // 5 // share)),
            (data.train_images, data.train_labels, slice(count * 4 // 5, count, share)),
            (data.test_images, data.test_labels, slice(0, None, share)),
        )
    )

    run = Run(
        options,
        data.name,
        data.source,
        options.variant,
        examples=("images", len(train[1]), count * 4 // 5),
        # The table holds every variant against the report's network.
        reported=("seed", "textbook", "variant", "schedule", "augment"),
    )
    if options.schedule == "cosine":  # it is drawn out over the epochs that are wanted, so these are part of the run
        run.settings["epochs of the schedule"] = run.epochs

    model = VARIANTS[options.variant]().to(run.device)
    first_filters = model.layers[0].weight.numpy().copy()  # (3, 3, 3, O), as they were drawn
    print(summary(model, (32, 32, 3)), flush=True)
    optimizer = new_optimizer(options, model.parameters())
    steps = run.epochs * -(-len(train[0]) // options.batch_size)

    def loss_of(images, labels):
        logits = model(prepare(images, run.device))  # (N, 10)
        return ops.softmax_cross_entropy(logits, labels), logits

    def train_step(images, labels):
        if options.augment:
            images = augment(images, run.rng)
        if options.schedule == "cosine":
            optimizer.lr = optim.cosine(options.lr, optimizer.t, steps)
        optimizer.zero_grad()
        loss, logits = loss_of(images, labels)
        loss.backward()
        optimizer.step()
        return {"loss": loss.item(), "accuracy": 100 * metrics.right(logits, labels).mean()}

    def evaluate():
        return measure(predict(model, validation[0], run), validation[1], "validation")

    def new_batches():
        return batches(*train, batch_size=options.batch_size, rng=run.rng)

    look_inside(run, model, lambda *batch: loss_of(*batch)[0], new_batches, items=32)
    run.fit(train_step, new_batches, evaluate, model, optimizer)

    probabilities = predict(model, test[0], run)
    # A clean pass: while training, the weights change under the figures, and dropout hides units.
    final = measure(predict(model, train[0], run), train[1], "train") | evaluate()
    final |= measure(probabilities, test[1], "test")
    draw(run, model, data, test, probabilities, first_filters)
    rows = [(f"{part} accuracy, %", REPORT[part], f"{final[f'{part}_accuracy']:.1f}") for part in REPORT]
    most_frequent = np.bincount(train[1]).argmax()
    guess = 100 * float(np.mean(test[1] == most_frequent))
    baselines = [(f"test accuracy of always saying {data.class_names[most_frequent]}, %", f"{guess:.1f}")]
    run.finish(model, final, rows, baselines if f"{guess:.1f}" != "10.0" else (), variant=options.variant)


@no_grad()
def draw(run, model, data, test, probabilities, first_filters):
    """The pictures: some training images, the architecture, the curves, predictions, the first layer's filters."""
    names, history, network = data.class_names, run.history, f"mini-AlexNet ({run.variant})"
    first, captions = data.train_images[:25], [names[label] for label in data.train_labels[:25]]
    plots.image_grid(run.out / "images.png", first, captions, f"The first training images of {data.name}")
    stages, skips = stages_of(model, (32, 32, 3))
    for ending in ("svg", "png"):
        plots.draw_architecture(run.out / f"architecture.{ending}", stages, f"Architecture of {network}", skips)
    losses, accuracies = ((history[f"train_{what}"], history[f"validation_{what}"]) for what in ("loss", "accuracy"))
    epochs = [row["epoch"] for row in history.epochs]
    plots.train_and_validation(
        run.out / "curves.png", epochs, losses, accuracies, f"Training of {network} on {data.name}"
    )
    images, labels = test
    path = run.out / "predictions.png"
    plots.prediction_rows(
        path, images, labels, probabilities, names, f"Test images of {data.name} as {network} sees them"
    )
    filters = model.layers[0].weight.numpy()
    maps = model.layers[0](prepare(images[:1], run.device)).numpy()[0]  # (32, 32, O)
    path = run.out / "filters.png"
    title = f"The first layer's filters of {network} on {data.name}"
    plots.filter_images(path, first_filters, filters, images[0], maps, title)


if __name__ == "__main__":
    sys.exit(main())
