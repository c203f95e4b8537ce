"""Softmax regression on MNIST, every gradient derived by hand: NumPy alone, no autograd.

The network is one matrix. An image x of 784 pixels gets ten scores z = x W + b, softmax turns them into probabilities
p, and the loss is the negative logarithm of the probability of the right digit, averaged over a batch of N images:

    z = x W + b        p_k = e^(z_k) / sum_j e^(z_j)        loss = -1/N sum_n ln p_{n, y_n}

The derivation, for one image with right digit y, written one-hot as t (t_y = 1, all others 0):

    -ln p_y = ln sum_j e^(z_j) - z_y
    d(-ln p_y)/dz_k = e^(z_k) / sum_j e^(z_j) - [k = y] = p_k - t_k

The chain rule carries that to the weights, and averages over the images:

    z_k = sum_d x_d W_dk + b_k      dz_k/dW_dk = x_d      dz_k/db_k = 1

    dloss/dW_dk = 1/N sum_n x_nd (p_nk - t_nk)      gradW = X^T (P - T) / N
    dloss/db_k  = 1/N sum_n (p_nk - t_nk)           gradb = sum_n (p_n - t_n) / N

`softmax_regression.py` is the same network with the gradients left to the engine; it prints the same table.
"""

from __future__ import annotations

import sys

import numpy as np

from models.common import flags, script
from models.inside import compare_with_engine
from models.run import Run
from tinygrad_edu import plots
from tinygrad_edu.data import batches, load_mnist

REPORT = {0: (89.27, 90.24), 10: (92.09, 92.13), 19: (92.50, 92.24)}  # epoch: train and test accuracy, %


def softmax(X):
    """Each row's scores as probabilities (N, K). Subtracting the row's largest score keeps e^x from overflowing."""
    E = np.exp(X - X.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def forward(images, W, b):
    """The probability of each digit: images (N, 784), W (784, 10), b (10,) -> (N, 10)."""
    return softmax(images @ W + b)


def gradients(images, one_hot, W, b):
    """dloss/dW (784, 10) and dloss/db (10,), as derived above; one_hot (N, 10) is T."""
    error = forward(images, W, b) - one_hot  # P - T, (N, 10)
    return images.T @ error / len(images), error.sum(axis=0) / len(images)


def accuracy(W, b, images, labels):
    """Percentage of images whose most probable digit is the right one; labels (N,)."""
    return 100 * np.mean(forward(images, W, b).argmax(axis=1) == labels)


def prepare(images, labels):
    """Pixels 0..255 as float32 rows between 0 and 1 (N, 784), and the labels one-hot (N, 10)."""
    X = images.reshape(len(images), -1).astype(np.float32) / 255
    return X, np.eye(10, dtype=np.float32)[labels]


@script
def main(arguments=None):
    parser = flags(
        __doc__,
        "softmax_by_hand",
        epochs=20,
        quick_epochs=20,
        lr=0.1,
        batch_size=100,
        optimizer="sgd",
        optimizers=["sgd"],  # by hand
    )
    options = parser.parse_args(arguments)
    if options.device == "cuda" or options.resume is not None or options.distributed:
        raise ValueError(
            "softmax_by_hand is NumPy alone, in one piece: it has neither --device cuda nor --resume nor --distributed"
        )
    options.device = "cpu"
    data = load_mnist(options.data_dir, options.data, progress=False if options.no_progress else None)
    run = Run(options, data.name, data.source)
    X, T = prepare(data.train_images, data.train_labels)
    X_test, _ = prepare(data.test_images, data.test_labels)

    W = np.zeros((784, 10), dtype=np.float32)
    b = np.zeros(10, dtype=np.float32)
    images, one_hot = X[: options.batch_size], T[: options.batch_size]
    compare_with_engine(run, images, one_hot, W, b, *gradients(images, one_hot, W, b))
    for epoch in range(run.epochs):
        for images, one_hot in batches(X, T, batch_size=options.batch_size):  # in file order, no shuffling
            gradW, gradb = gradients(images, one_hot, W, b)
            W -= options.lr * gradW
            b -= options.lr * gradb
        run.record_epoch(
            epoch,
            train_accuracy=accuracy(W, b, X, data.train_labels),
            test_accuracy=accuracy(W, b, X_test, data.test_labels),
        )

    draw(run, W, forward(X_test, W, b), data)
    run.finish(None, dict(run.history.epochs[-1]), report_rows(run.history), baselines(data))


def baselines(data):
    """What needs no network: to say the most frequent digit always."""
    most_frequent = np.bincount(data.train_labels).argmax()
    share = 100 * np.mean(data.test_labels == most_frequent)
    return [(f"test accuracy of always saying {most_frequent}, %", f"{share:.2f}")]


def report_rows(history):
    """The lines of the closing table: train / test accuracy after the epochs that the report names."""
    return [
        (f"train / test accuracy after epoch {row['epoch']}, %", "{:.2f} / {:.2f}".format(*REPORT[row["epoch"]]),
         f"{row['train_accuracy']:.2f} / {row['test_accuracy']:.2f}")
        for row in history.epochs if row["epoch"] in REPORT
    ]  # fmt: skip


def draw(run, W, probabilities, data):
    """The three pictures: accuracy per epoch, the weights of each digit, the most confident mistakes."""
    accuracies = {"train": run.history["train_accuracy"], "test": run.history["test_accuracy"]}
    epochs = [row["epoch"] for row in run.history.epochs]
    on = f"softmax regression on {data.name}"
    plots.training_curves(run.out / "accuracy.png", epochs, accuracies, "accuracy (%)", f"Accuracy of {on}")
    title = f"What speaks for and against each digit: weights of {on}"
    plots.weight_images(run.out / "weights.png", W, data.class_names, title)

    predictions = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predictions != data.test_labels)
    worst = wrong[np.argsort(-confidence[wrong])][:20]
    if len(worst):
        captions = [f"is {data.test_labels[i]}, said {predictions[i]}\n({confidence[i]:.1%} sure)" for i in worst]
        plots.image_grid(run.out / "mistakes.png", data.test_images[worst], captions, f"Most confident mistakes: {on}")


if __name__ == "__main__":
    sys.exit(main())
