"""Mini-YOLO in PyTorch: the training of `models/mini_yolo.py`, to compare what it reaches and how fast.

Handed over are the scenes, the initial weights and the order of the batches; and what our network says and theirs is
judged by the same functions. Layers, loss, gradients, optimiser and schedule are PyTorch's.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from models import mini_yolo
from models.common import script, seed
from tinygrad_edu import interop, manual_seed, metrics
from tinygrad_edu.data import batches, load_scenes

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit("benchmarks.twins.mini_yolo needs PyTorch, which is not installed: pip install -e '.[torch]'")


def conv(inputs, outputs, pool=None):
    """As `conv` of `models/mini_alexnet.py`. PyTorch's momentum of batch normalisation is 1 minus ours."""
    pooling = [torch.nn.MaxPool2d(pool)] if pool else []
    normalization = torch.nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.1)
    return [torch.nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), normalization, *pooling, torch.nn.ReLU()]


def network_like(model):
    """The network of `mini_yolo.mini_yolo` with the weights of `model`, one of ours; images are (N, C, H, W) here."""
    network = torch.nn.Sequential(
        *conv(1, 16, pool=2),
        *conv(16, 32, pool=2),
        *conv(32, 64, pool=2),
        *conv(64, 96),
        *conv(96, 96),
        torch.nn.Conv2d(96, 15, 1),
    )
    weights = interop.to_torch(model, like=network.state_dict())
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network


def say(network, images):
    """What the network says of scenes, bytes (N, 64, 64), as our network does: (N, 8, 8, 15)."""
    dtype = next(network.parameters()).dtype
    return network(torch.from_numpy(images)[:, None].to(dtype) / 255).permute(0, 2, 3, 1)


def detection_loss(Z, boxes, labels):
    """The loss of `mini_yolo.detection_loss`, of Z (N, 8, 8, 15): a number, the mean over the scenes."""
    cells, inside, log_size, classes = mini_yolo.encode(boxes, labels)
    inside, log_size = (torch.from_numpy(T).to(Z.dtype) for T in (inside, log_size))
    S = torch.zeros_like(Z[..., 0])
    S[cells] = 1
    at = Z[cells]  # (M, 15)
    there = F.binary_cross_entropy_with_logits(Z[..., 0], S, reduction="sum")
    centre = F.mse_loss(at[:, 1:3].sigmoid(), inside, reduction="sum")
    size = F.mse_loss(at[:, 3:5], log_size, reduction="sum")
    digit = F.cross_entropy(at[:, 5:], torch.from_numpy(classes), reduction="sum")
    return (there + mini_yolo.BOX_WEIGHT * (centre + size) + digit) / len(Z)


@torch.no_grad()
def measure(network, scenes):
    """The mean average precision on scenes, at an intersection over union of 0.5."""
    network.eval()
    found = []
    for (images,) in batches(scenes.images, batch_size=100):
        found += [mini_yolo.detect(Z) for Z in say(network, images).numpy()]
    network.train()
    return metrics.mean_average_precision(found, [scenes.truth(i) for i in range(len(found))])


@script
def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.twins.mini_yolo", description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=seed, default=0, help="for weights and order of batches, as the script's (0)")
    parser.add_argument("--quick", action="store_true", help="as the script's --quick")
    parser.add_argument("--data", default="auto", choices=("auto", "real", "synthetic"), help="as the script's (auto)")
    options = parser.parse_args(arguments)
    counts = mini_yolo.QUICK if options.quick else mini_yolo.SCENES
    data = load_scenes(None, options.data, **counts, progress=None)
    train, batch_size = data.train, mini_yolo.BATCH_SIZE
    epochs = mini_yolo.QUICK_EPOCHS if options.quick else mini_yolo.EPOCHS
    rng = np.random.default_rng([options.seed, 1])  # these two as `models.run.Run` makes them
    manual_seed(options.seed)
    network = network_like(mini_yolo.mini_yolo())
    optimizer = torch.optim.Adam(network.parameters(), lr=mini_yolo.LR, eps=1e-7)
    steps = epochs * -(-len(train.images) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    print(f"mini_yolo in PyTorch {torch.__version__}: seed {options.seed}, threads {torch.get_num_threads()}")
    print(f"data: {data.name} ({data.source}), {len(train.images):,} scenes; {epochs} epochs", flush=True)

    seconds = 0.0  # of the training steps alone
    for epoch in range(epochs):
        started, total = time.perf_counter(), 0.0
        for images, boxes, labels in batches(train.images, train.boxes, train.labels, batch_size=batch_size, rng=rng):
            optimizer.zero_grad()
            loss = detection_loss(say(network, images), boxes, labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(images)
        seconds += time.perf_counter() - started
        mean = total / len(train.images)
        print(f"epoch {epoch:>3}  loss {mean:.5g}  validation mAP {measure(network, data.validation):.4f}", flush=True)
    print(f"{steps:,} steps in {seconds:.0f} s, {seconds / steps:.4f} s a step")
    print(f"test mean average precision, IoU 0.5: {measure(network, data.test):.4f}")


if __name__ == "__main__":
    sys.exit(main())
