"""Data sets as plain NumPy arrays, and batches of them.

Reading order: `batching` (how an epoch is cut into batches), `idx` (the file format of MNIST), `mnist` (where the
pieces meet), `files` (where files are and how they get there), `synthetic` (the stand-in without a network).

>>> from tinygrad_edu.data import batches, load_mnist
>>> data = load_mnist(source="synthetic")
>>> for images, labels in batches(data.train_images, data.train_labels, batch_size=100):
...     x = images.reshape(len(images), 784) / 255  # (100, 784), pixels in [0, 1]
"""

from tinygrad_edu.data.batching import batches
from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.mnist import ImageData, load_mnist

__all__ = ["DataError", "ImageData", "batches", "load_mnist"]
