"""Softmax regression on MNIST, the gradients computed by the engine.

The network of `softmax_by_hand.py`: ten scores for an image of 784 pixels, softmax, cross-entropy. What was half a page
of derivation there is `loss.backward()` here, and the table is the same to the last digit.
"""

from __future__ import annotations

import sys

import numpy as np

from models.common import flags, new_optimizer, script
from models.inside import look_inside
from models.run import Run
from models.softmax_by_hand import baselines, draw, report_rows
from tinygrad_edu import Tensor, metrics, nn, no_grad, ops
from tinygrad_edu.data import batches, load_mnist


class SoftmaxRegression(nn.Module):
    """Scores (logits) Z = X W + b: X (N, 784), W (784, 10), b (10,), Z (N, 10). Both start at zero, as by hand."""

    def __init__(self):
        self.weight = nn.Parameter(np.zeros((784, 10), dtype=np.float32))
        self.bias = nn.Parameter(np.zeros(10, dtype=np.float32))

    def forward(self, images):
        return ops.linear(images, self.weight, self.bias)


def prepare(images, device):
    """Pixels 0..255 as rows between 0 and 1 (N, 784), on the device where the network is."""
    X = images.reshape(len(images), -1).astype(np.float32) / 255
    return Tensor(X).to(device).data


@no_grad()
def accuracy(model, images, labels):
    """Percentage of images whose highest score is that of the right digit."""
    return 100 * metrics.accuracy(model(Tensor(images)), labels)


@script
def main(arguments=None):
    parser = flags(__doc__, "softmax_regression", epochs=20, quick_epochs=20, lr=0.1, batch_size=100, optimizer="sgd")
    options = parser.parse_args(arguments)
    data = load_mnist(options.data_dir, options.data, progress=False if options.no_progress else None)
    run = Run(options, data.name, data.source)
    X, y = prepare(data.train_images, run.device), data.train_labels  # labels are looked at on the CPU
    X_test, y_test = prepare(data.test_images, run.device), data.test_labels

    model = SoftmaxRegression().to(run.device)
    optimizer = new_optimizer(options, model.parameters())

    def loss_of(images, labels):
        logits = model(Tensor(images))  # (N, 10)
        return ops.softmax_cross_entropy(logits, labels)

    def train_step(images, labels):
        optimizer.zero_grad()
        loss = loss_of(images, labels)
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    def evaluate():
        return {"train_accuracy": accuracy(model, X, y), "test_accuracy": accuracy(model, X_test, y_test)}

    def new_batches():  # in file order, no shuffling, as in the practical
        return batches(X, y, batch_size=options.batch_size)

    look_inside(run, model, loss_of, new_batches)
    run.fit(train_step, new_batches, evaluate, model, optimizer)

    with no_grad():
        probabilities = ops.softmax(model(Tensor(X_test))).numpy()
    draw(run, model.weight.numpy(), probabilities, data)
    run.finish(model, dict(run.history.epochs[-1]), report_rows(run.history), baselines(data))


if __name__ == "__main__":
    sys.exit(main())
