"""Cases for convolution, pooling and normalisation: every way to place windows, and the adversarial ones."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.backend import to_device
from tinygrad_edu.gradcheck.case import Case, case, positive
from tinygrad_edu.tensor import Tensor

IMAGES = np.random.default_rng(10).normal(size=(2, 3, 5, 6))
NOT_CONTIGUOUS = IMAGES.transpose(0, 2, 3, 1)  # (2, 5, 6, 3), with the channels far apart
REVERSED = IMAGES.transpose(0, 2, 3, 1)[:, ::-1, ::-1]
NEGATIVE = -positive(2, 4, 4, 2)  # zero padding would win
EQUAL = np.array([2.0, 1.0, 2.0, 2.0, 2.0, 0.0, 1.0, 2.0, 1.0]).reshape(1, 3, 3, 1)  # ties in every window


def conv(x: tuple[int, ...] | np.ndarray, kernel: tuple[int, ...], stride=1, padding="same", **options) -> Case:
    """A convolution with a bias."""
    return case(lambda x, k, b: ops.conv2d(x, k, b, stride, padding, **options), x, kernel, kernel[-1:])


def transposed(x: tuple[int, ...] | np.ndarray, kernel: tuple[int, ...], stride=1, padding="same", **options) -> Case:
    """A transposed convolution with a bias."""
    return case(lambda x, k, b: ops.conv_transpose2d(x, k, b, stride, padding, **options), x, kernel, kernel[2:3])


def pools(function) -> list[Case]:
    """What maximum and average pooling have in common."""
    return [
        case(lambda x: function(x, 2), (2, 4, 4, 3)),
        case(lambda x: function(x, 3, stride=1), (2, 5, 4, 2)),  # overlapping
        case(lambda x: function(x, 3, stride=2), (1, 6, 7, 2)),  # overlapping, leftover edges
        case(lambda x: function(x, 2, stride=3), (2, 6, 7, 1)),  # gaps
        case(lambda x: function(x, (1, 3), stride=(2, 1)), (2, 4, 5, 2)),
        case(lambda x: function(x, 1), (2, 3, 3, 2)),
        case(lambda x: function(x, (4, 5)), (2, 4, 5, 2)),  # one window
        case(lambda x: function(x, 3, stride=2, padding="same"), (2, 4, 5, 2)),
        case(lambda x: function(x, 3, stride=2, padding=1), NEGATIVE),
        case(lambda x: function(x, 2, stride=1, padding=((1, 0), (0, 1))), NEGATIVE),
        case(lambda x: function(x, 3, padding="same"), (1, 1, 1, 1)),
        case(lambda x: function(x, 2), NOT_CONTIGUOUS),
        case(lambda x: function(x, 2, stride=1, padding="same"), REVERSED),
        case(lambda x: function(x, 2, stride=1, dilation=2), (2, 5, 4, 2)),
        case(lambda x: function(x, 2, stride=2, dilation=2), (1, 7, 6, 2)),  # a stride of 2, and spread over 3: overlap
        case(lambda x: function(x, (2, 3), stride=(3, 1), dilation=(3, 2)), (1, 7, 6, 1)),
        case(lambda x: function(x, 2, stride=1, padding=1, dilation=2), NEGATIVE),
        case(lambda x: function(x, 3, stride=2, padding="same", dilation=2), (1, 5, 6, 2)),
        case(lambda x: function(x, 3, ceil_mode=True), (2, 7, 8, 1)),  # leftovers of one row and of two columns
        case(lambda x: function(x, 2, ceil_mode=True), (2, 4, 6, 1)),  # none
        case(lambda x: function(x, 2, stride=3, padding=1, ceil_mode=True), NEGATIVE),
        case(lambda x: function(x, (1, 2), stride=3, ceil_mode=True), (1, 7, 5, 2)),  # gaps
        case(lambda x: function(x, 3, stride=2, padding=1, dilation=2, ceil_mode=True), (1, 6, 7, 2)),
        case(lambda x: function(x, 2, dilation=2, ceil_mode=True), NOT_CONTIGUOUS),
    ]


def batch_norm_training(x, gamma, beta):
    mean, var = (Tensor(to_device(np.full(x.shape[-1], start), x.device)) for start in (0.0, 1.0))
    return ops.batch_norm(x, gamma, beta, mean, var)


def batch_norm_inference(x, gamma, beta):
    mean, var = (to_device(np.linspace(a, 2, x.shape[-1]), x.device) for a in (-1, 0.5))
    return ops.batch_norm(x, gamma, beta, mean, var, training=False)


CONVOLUTION: dict[str, list[Case]] = {
    "conv2d": [
        conv((2, 4, 4, 2), (3, 3, 2, 3)),
        conv((2, 4, 4, 2), (3, 3, 2, 3), padding="valid"),
        conv((1, 4, 4, 1), (3, 3, 1, 1)),
        conv((2, 3, 3, 2), (1, 1, 2, 3)),
        conv((2, 3, 4, 2), (1, 1, 2, 3), stride=2),
        conv((2, 3, 4, 2), (3, 4, 2, 2), padding="valid"),  # kernel = input
        conv((1, 2, 2, 1), (5, 5, 1, 2), padding=2),  # kernel larger than the image, not than the padded one
        conv((2, 6, 7, 1), (3, 5, 1, 2)),
        conv((2, 6, 7, 1), (3, 5, 1, 2), stride=(2, 1)),
        conv((2, 5, 6, 2), (2, 2, 2, 2)),  # even kernel: "same" is not symmetric
        conv((2, 5, 6, 2), (3, 3, 2, 2), stride=2),
        conv((1, 7, 8, 2), (2, 3, 2, 2), stride=3, padding="valid"),  # stride larger, leftover edges
        conv((2, 3, 3, 2), (2, 2, 2, 2), padding=3),  # more padding than the kernel: no convolution of G
        conv((2, 3, 4, 2), (2, 3, 2, 1), padding=((2, 0), (0, 1))),
        conv((2, 3, 4, 2), (2, 3, 2, 1), stride=(1, 2), padding=((0, 1), (2, 0))),
        conv(NOT_CONTIGUOUS, (3, 3, 3, 2)),
        conv(REVERSED, (3, 3, 3, 2), stride=2, padding="valid"),
        case(lambda x, k: ops.conv2d(x, k), (2, 4, 3, 2), (3, 3, 2, 2)),  # no bias
        case(lambda k, b: ops.conv2d(ops.reshape(k, (3, 2, 2, 2)), k, b), (3, 2, 2, 2), (2,)),  # x is the kernel
        conv((3, 8, 8, 4), (3, 3, 4, 6)),  # large: random directions
        conv((2, 5, 6, 2), (3, 3, 2, 2), dilation=2),
        conv((1, 7, 6, 2), (3, 2, 2, 2), padding="valid", dilation=(2, 3)),
        conv((2, 6, 5, 1), (2, 3, 1, 2), stride=(2, 1), dilation=(3, 2)),
        conv((1, 5, 5, 2), (2, 2, 2, 2), stride=2, padding=((2, 0), (1, 3)), dilation=(1, 2)),
        conv((1, 3, 2, 1), (3, 2, 1, 1), padding=3, dilation=(2, 4)),  # most positions of the kernel see padding alone
        conv((1, 2, 3, 1), (2, 2, 1, 1), padding=4, dilation=2),  # more padding than the spread kernel
        conv(REVERSED, (2, 2, 3, 2), padding="valid", dilation=2),
        conv((2, 4, 4, 4), (3, 3, 2, 4), groups=2),
        conv((1, 4, 5, 6), (2, 3, 2, 3), stride=2, padding="valid", groups=3),
        conv((1, 5, 4, 4), (2, 2, 2, 6), stride=(1, 2), padding=2, dilation=(2, 1), groups=2),
        case(lambda x, k: ops.conv2d(x, k, groups=2), (1, 4, 3, 4), (3, 3, 2, 2)),
        conv((2, 4, 4, 3), (3, 3, 1, 3), groups=3),  # depthwise
        conv((2, 3, 4, 2), (2, 3, 1, 6), padding="valid", groups=2),  # three kernels for every channel
        conv((1, 6, 5, 2), (3, 3, 1, 4), stride=2, dilation=2, groups=2),
        conv((1, 5, 4, 2), (2, 2, 1, 2), stride=(1, 3), padding=((0, 2), (3, 1)), dilation=(3, 1), groups=2),
        conv(NOT_CONTIGUOUS, (3, 3, 1, 3), groups=3),
        conv(REVERSED, (2, 2, 1, 6), stride=2, groups=3),
        case(lambda x, k: ops.conv2d(x, k, groups=2), (1, 4, 3, 2), (3, 3, 1, 2)),
        conv((3, 8, 8, 4), (3, 3, 1, 8), groups=4),
    ],
    "conv_transpose2d": [
        transposed((2, 3, 3, 2), (3, 3, 3, 2)),
        transposed((2, 3, 4, 2), (3, 3, 3, 2), padding="valid"),
        transposed((2, 3, 3, 2), (3, 3, 2, 2), stride=2),
        transposed((2, 2, 3, 2), (2, 4, 1, 2), stride=2, padding="valid"),
        transposed((1, 2, 3, 2), (1, 1, 3, 2), stride=(1, 2)),
        transposed((1, 2, 2, 2), (2, 1, 2, 2), stride=3),  # gaps, that only the bias reaches
        transposed((1, 1, 1, 3), (3, 2, 2, 3), stride=2, padding="valid"),  # the kernel itself
        transposed((1, 3, 3, 1), (3, 3, 2, 1), stride=2, padding=1),
        transposed((1, 3, 3, 1), (3, 3, 2, 1), stride=2, padding=1, output_size=6),
        transposed((1, 3, 2, 2), (3, 2, 1, 2), stride=3, padding="valid", output_size=(11, 5)),
        transposed((1, 3, 3, 2), (2, 3, 2, 2), stride=2, output_size=(5, 6)),
        transposed((1, 3, 4, 1), (2, 3, 2, 1), padding=((1, 0), (0, 2))),
        transposed((1, 3, 4, 1), (2, 3, 2, 1), stride=(1, 2), padding=((0, 1), (3, 0)), output_size=(3, 7)),
        transposed((1, 4, 4, 1), (2, 2, 1, 1), padding=2),  # nearly all is cut off
        transposed((1, 2, 3, 2), (3, 2, 2, 2), padding="valid", dilation=(2, 3)),
        transposed((1, 3, 2, 2), (3, 2, 2, 2), stride=(2, 1), dilation=2),
        transposed(NOT_CONTIGUOUS, (3, 3, 2, 3), stride=2),
        transposed(REVERSED, (2, 2, 2, 3), padding="valid"),
        case(lambda x, k: ops.conv_transpose2d(x, k, stride=2), (2, 2, 3, 2), (3, 3, 2, 2)),  # no bias
        case(lambda k, b: ops.conv_transpose2d(ops.reshape(k, (3, 2, 2, 2)), k, b), (3, 2, 2, 2), (2,)),
        transposed((3, 4, 4, 6), (3, 3, 4, 6), stride=2),  # large: random directions
    ],
    "max_pool2d": [*pools(ops.max_pool2d), case(lambda x: ops.max_pool2d(x, 2, stride=1), EQUAL)],
    "avg_pool2d": pools(ops.avg_pool2d),
    "global_avg_pool2d": [
        case(ops.global_avg_pool2d, (2, 3, 4, 2)),
        case(ops.global_avg_pool2d, (1, 1, 1, 1)),
        case(ops.global_avg_pool2d, NOT_CONTIGUOUS),
    ],
    "batch_norm": [
        case(ops.batch_norm, (4, 3), (3,), (3,)),
        case(ops.batch_norm, (2, 3, 4, 2), (2,), (2,)),
        case(ops.batch_norm, (5, 1), (1,), (1,)),
        case(ops.batch_norm, (1, 3), (3,), (3,)),  # one number a channel: its variance is 0
        case(lambda x, g, b: ops.batch_norm(x, g, b, eps=1e-5), 100 + IMAGES, (6,), (6,)),
        case(ops.batch_norm, NOT_CONTIGUOUS, (3,), (3,)),
        case(batch_norm_training, (4, 3), (3,), (3,)),
        case(batch_norm_inference, (4, 3), (3,), (3,)),
        case(batch_norm_inference, NOT_CONTIGUOUS, (3,), (3,)),
    ],
    "layer_norm": [
        case(ops.layer_norm, (4, 3), (3,), (3,)),
        case(ops.layer_norm, (2, 3, 4), (4,), (4,)),
        case(ops.layer_norm, (2, 1), (1,), (1,)),
        case(ops.layer_norm, 100 + IMAGES, (6,), (6,)),
        case(ops.layer_norm, NOT_CONTIGUOUS, (3,), (3,)),
    ],
    "rms_norm": [
        case(ops.rms_norm, (4, 3), (3,)),
        case(ops.rms_norm, (2, 3, 4), (4,)),
        case(lambda x, g: ops.rms_norm(x, g, eps=0.5), (3, 4), (4,)),
        case(lambda x, g: ops.rms_norm(x, g, eps=0.5), (2, 1), (1,)),  # with a tiny eps, +-1 but for a step at 0
        case(ops.rms_norm, 100 + IMAGES, (6,)),
        case(ops.rms_norm, NOT_CONTIGUOUS, (3,)),
    ],
}
