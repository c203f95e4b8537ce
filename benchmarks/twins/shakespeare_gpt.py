"""The GPT in PyTorch: the training of `models/shakespeare_gpt.py`, to compare what it reaches and how fast.

Same first weights, same batches, same optimiser and schedule, same validation text; so the losses differ by what
roundings grow to.
"""

import argparse
import sys
import time

import numpy as np

from models.shakespeare_gpt import GPT, ITERATIONS, SIZES
from tinygrad_edu import nn, optim
from tinygrad_edu.data import RandomWindows, Vocabulary, load_shakespeare

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit("benchmarks.twins.shakespeare_gpt needs PyTorch, which is not installed: pip install -e '.[torch]'")

BATCH, LR, CLIP = 12, 1e-3, 1.0  # the defaults of the script
EPOCHS = 8


def read(weights, ids, layers, heads):
    """Scores (N, T, K) of the characters `ids` (N, T); `weights` are tensors under the names of our network's."""
    W = weights

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], W[f"{name}.gamma"], W[f"{name}.beta"], eps=1e-5)

    N, T = ids.shape
    x = F.embedding(ids, W["tokens.weight"]) + W["places.weight"][:T]
    for i in range(layers):
        block = f"blocks.{i}"
        q, k, v = (norm(x, f"{block}.norm1") @ W[f"{block}.attention.qkv.weight"]).chunk(3, dim=2)
        q, k, v = (part.view(N, T, heads, -1).transpose(1, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(N, T, -1)
        x = x + y @ W[f"{block}.attention.output.weight"]
        hidden = F.gelu(norm(x, f"{block}.norm2") @ W[f"{block}.network.layers.0.weight"])
        x = x + hidden @ W[f"{block}.network.layers.2.weight"]
    return norm(x, "norm") @ W["tokens.weight"].T


def loss_of(weights, x, y, reduction="mean"):
    """Nats per character of a batch of our data, x and y (N, T)."""
    x, y = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(np.ascontiguousarray(y))
    scores = read(weights, x, SIZES["layers"], SIZES["heads"])
    return F.cross_entropy(scores.flatten(0, 1), y.flatten(), reduction=reduction)


def first_weights(model):
    """Our network's weights as PyTorch's leaves, by name."""
    return {name: torch.from_numpy(p.data.copy()).requires_grad_() for name, p in model.named_tensors()}


def validation_loss(weights, ids):
    """Over the whole text, in windows side by side."""
    T, total = SIZES["context"], 0.0
    count = (len(ids) - 1) // T
    x, y = (ids[i : i + count * T].reshape(count, T) for i in (0, 1))
    with torch.no_grad():
        for start in range(0, count, 64):
            total += loss_of(weights, x[start : start + 64], y[start : start + 64], "sum").item()
    return total / y.size


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.twins.shakespeare_gpt", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"of {ITERATIONS} iterations ({EPOCHS})")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data-dir", help="where the data sets are")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    text = load_shakespeare(options.data_dir, "real").text
    vocabulary = Vocabulary(text)
    ids = vocabulary.encode(text)
    train, validation = ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :]

    nn.manual_seed(options.seed)
    weights = first_weights(GPT(len(vocabulary), **SIZES))
    rng = np.random.default_rng([options.seed, 1])  # of the batches, as in `models.run`
    groups = [
        {"params": [p for p in weights.values() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in weights.values() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.99), eps=1e-8)
    steps, step, seconds = options.epochs * ITERATIONS, 0, 0.0
    print(f"PyTorch {torch.__version__}, seed {options.seed}, {options.threads} threads, {steps:,} iterations")
    for _ in range(options.epochs):
        start = time.perf_counter()
        for x, y in RandomWindows(train, SIZES["context"], BATCH, ITERATIONS, rng):
            for group in optimizer.param_groups:
                group["lr"] = optim.cosine(LR, step, steps, warmup=steps // 20, lowest=LR / 10)
            optimizer.zero_grad()
            loss_of(weights, x, y).backward()
            torch.nn.utils.clip_grad_norm_(weights.values(), CLIP)
            optimizer.step()
            step += 1
        seconds += time.perf_counter() - start
        loss = validation_loss(weights, validation)
        print(f"{step:>6,} iterations  validation_loss {loss:.4f}  {seconds:.0f} s of training", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
