"""Data sets as plain NumPy arrays, and batches of them.

Reading order: `batching` (how an epoch is cut into batches), `idx` (the file format of MNIST), `mnist` (where the
pieces meet), `files` (where files are and how they are read), `download` (how they get there), `synthetic` (the
stand-in without a network), `scenes` (digits to be found in larger pictures), `cifar10` and `archive`; then `series`,
`airline`, `sine` and `text` for the recurrent networks.

>>> from tinygrad_edu.data import batches, load_mnist
>>> data = load_mnist(source="synthetic")
>>> for images, labels in batches(data.train_images, data.train_labels, batch_size=100):
...     x = images.reshape(len(images), 784) / 255  # (100, 784), pixels in [0, 1]
"""

from tinygrad_edu.data.airline import Series, load_airline
from tinygrad_edu.data.batching import batches
from tinygrad_edu.data.cifar10 import augment, load_cifar10
from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.mnist import ImageData, load_mnist
from tinygrad_edu.data.scenes import SceneData, Scenes, load_scenes, make_scenes
from tinygrad_edu.data.series import MinMaxScaler, create_dataset, series_windows
from tinygrad_edu.data.sine import noisy_sine
from tinygrad_edu.data.text import Text, Vocabulary, load_shakespeare
from tinygrad_edu.data.text_batches import NOT_ASKED, Blanked, Chunks, RandomWindows, TextWindows

__all__ = [
    "NOT_ASKED",
    "Blanked",
    "Chunks",
    "DataError",
    "ImageData",
    "MinMaxScaler",
    "RandomWindows",
    "SceneData",
    "Scenes",
    "Series",
    "Text",
    "TextWindows",
    "Vocabulary",
    "augment",
    "batches",
    "create_dataset",
    "load_airline",
    "load_cifar10",
    "load_mnist",
    "load_scenes",
    "load_shakespeare",
    "make_scenes",
    "noisy_sine",
    "series_windows",
]
