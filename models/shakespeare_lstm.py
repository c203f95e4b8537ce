"""A character-level LSTM learns to write Shakespeare.

The network sees 30 characters and predicts the next one: embedding 32 -> LSTM 128 -> dense. With `--stateful` the same
network reads contiguous text and predicts every next character, its state carried from chunk to chunk (truncated BPTT).
"""

from __future__ import annotations

import sys

import numpy as np

from models.common import flags, new_optimizer, script, whole_number
from models.inside import look_inside
from models.run import Run
from models.writing import sample_text
from tinygrad_edu import Tensor, nn, no_grad, ops, plots
from tinygrad_edu.data import Chunks, TextWindows, Vocabulary, load_shakespeare
from tinygrad_edu.training import load_weights, progress_bar, read_weights
from tinygrad_edu.training.group import Group

WINDOW, STEP = 30, 3
TRAIN_CHARACTERS = 1_000_000
QUICK_STAND_IN = 400_000  # characters of the stand-in text that a quick run reads; of the real text it reads all
SAMPLE_EVERY, SAMPLE_LENGTH = 256, 400


class CharacterLSTM(nn.Module):
    """Scores for the next of K characters, from characters as numbers (N, T) and the state (h, c) before them."""

    def __init__(self, K, input_dropout=0.1, recurrent_dropout=0.2):
        self.embedding = nn.Embedding(K, 32)
        dropouts = {"dropout": input_dropout, "recurrent_dropout": recurrent_dropout}
        self.lstm = nn.LSTM(32, 128, return_sequences=True, return_state=True, **dropouts)
        self.output = nn.Linear(128, K)

    def forward(self, ids, state=None):
        """(scores for the character after the last one (N, K), state)."""
        _, state = self.lstm(self.embedding(ids), state)  # (N, T) -> (N, T, 32) -> h (N, 128)
        return self.output(state[0]), state

    def after_each(self, ids, state=None):
        """(scores for the character after each one (N, T, K), state)."""
        outputs, state = self.lstm(self.embedding(ids), state)  # (N, T, 128)
        return self.output(outputs), state


def parse(arguments):
    parser = flags(__doc__, "shakespeare_lstm", epochs=3, quick_epochs=1, lr=1e-3, batch_size=128)
    parser.add_argument("--stateful", action="store_true", help="contiguous text, state carried along (20 epochs)")
    parser.add_argument("--input-dropout", type=float, default=0.1, help="of the embedded characters (0.1)")
    parser.add_argument("--recurrent-dropout", type=float, default=0.2, help="of the LSTM's state (0.2)")
    parser.add_argument("--prompt", help="what the samples continue (30 characters of the text)")
    parser.add_argument(
        "--sample", type=whole_number, metavar="N", help="write N characters by OUT's weights, no training"
    )
    parser.add_argument("--sliding-window", action="store_true", help="write by reading 30 characters for each new one")
    options = parser.parse_args(arguments)
    if options.stateful:
        options.default_epochs = 20  # of 260 batches, where the other form has 2,605
    return options


@script
def main(arguments=None):
    options = parse(arguments)
    if options.sample:
        return sample_only(options)
    text = load_shakespeare(options.data_dir, options.data, progress=False if options.no_progress else None)
    vocabulary = Vocabulary(text.text)
    ids = vocabulary.encode(text.text)
    cut = min(TRAIN_CHARACTERS, len(ids) * 9 // 10)
    train, validation = ids[:cut], ids[cut:]
    if options.quick and text.source == "synthetic":
        train, validation = train[:QUICK_STAND_IN], validation[: QUICK_STAND_IN // 8]
    run = Run(
        options,
        text.name,
        text.source,
        "stateful" if options.stateful else "window",
        examples=("characters", len(train), cut),
        not_computed=("prompt", "sample", "sliding_window"),
    )
    print(f"{len(validation):,} characters for validation, {len(vocabulary)} distinct ones")

    windows, unseen = TextWindows(train, WINDOW, STEP), TextWindows(validation, WINDOW, STEP)

    start = int(np.random.default_rng(options.seed).integers(len(train) - WINDOW))
    prompt = options.prompt or vocabulary.decode(train[start : start + WINDOW])
    vocabulary.encode(prompt)  # a character that the network cannot know is refused now, not after the training

    model = CharacterLSTM(len(vocabulary), options.input_dropout, options.recurrent_dropout).to(run.device)
    optimizer = new_optimizer(options, model.parameters())
    write_rng = run.generators["samples"] = np.random.default_rng([options.seed, 2])
    run.texts["samples.txt"] = ""
    memory: dict[str, Tensor] = {}  # with --stateful, the state after the last chunk; a checkpoint keeps it

    def loss_of(x, y):
        if options.stateful:  # y (N, T): the character after each one
            scores, state = model.after_each(x, (memory["h"], memory["c"]) if memory else None)
            memory["h"], memory["c"] = nn.detach(state)  # the memory goes on, the gradient stops here
        else:  # y (N,): the character after the window
            scores, _ = model(x)
        return ops.softmax_cross_entropy(scores, y)

    def train_step(x, y):
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        if optimizer.t % SAMPLE_EVERY == 0:
            save_sample(f"after batch {optimizer.t}")
        return {"loss": loss.item()}

    def batches():
        memory.clear()  # the text starts anew
        if options.stateful:
            return Chunks(train, options.batch_size, WINDOW)
        return windows.batches(options.batch_size, run.rng)

    @no_grad()
    def evaluate():
        """Nats per character on the text after the training part, read in the form of the training."""
        model.eval()
        state = None

        def read(x, y):
            nonlocal state
            scores, state = model.after_each(x, state) if options.stateful else model(x)
            return ops.softmax_cross_entropy(scores, y, "sum").item(), y.size

        rows = min(16, len(validation) // (WINDOW + 1))
        pieces = Chunks(validation, rows, WINDOW) if options.stateful else unseen.batches(1024)
        readers = Group() if options.stateful else run.group  # a state goes from each chunk to the next
        losses, counts = zip(*readers.spread(read, progress_bar(pieces, "evaluation", run.progress, delay=1.0)))
        model.train()
        return {"validation_loss": sum(losses) / sum(counts)}

    def save_sample(title):
        window = WINDOW if options.sliding_window else None
        text = sample_text(model, vocabulary, prompt, SAMPLE_LENGTH, write_rng, window)
        run.append("samples.txt", f"===== {title}\n{text}\n")
        return text

    look_inside(run, model, loss_of, batches)
    history = run.fit(train_step, batches, evaluate, model, optimizer, memory=memory)
    print(save_sample("at the end"))
    losses = {"training": history["train_loss"], "validation": history["validation_loss"]}
    epochs = [row["epoch"] for row in history.epochs]
    title = f"Loss of the character LSTM ({run.variant}) on {text.name}"
    plots.training_curves(run.out / "loss.png", epochs, losses, "loss (nats per character)", title)
    final = dict(history.epochs[-1])
    report = [
        ("validation loss (nats)", "-", f"{final['validation_loss']:.3f}"),
        ("training loss (nats)", "-", f"{final['train_loss']:.3f}"),
        ("distinct characters", "about 65", str(len(vocabulary))),
    ]
    guesses = baselines(train, validation, len(vocabulary))
    run.finish(model, final, report, guesses, characters=vocabulary.characters, prompt=prompt)


def baselines(train, validation, K):
    """Nats per character of guessing by counts of the training text: of characters, and of pairs of them."""
    pairs = np.zeros((K, K))
    np.add.at(pairs, (train[:-1], train[1:]), 1)
    alone = np.log((pairs.sum(axis=0) + 1) / (pairs.sum() + K))  # one more of each, so that nothing is impossible
    after = np.log((pairs + 1) / (pairs.sum(axis=1, keepdims=True) + K))
    before, truth = validation[:-1], validation[1:]
    return [
        ("validation loss of the characters' frequencies", f"{-alone[truth].mean():.3f}"),
        ("validation loss of the frequencies of pairs", f"{-after[before, truth].mean():.3f}"),
    ]


def sample_only(options):
    """Write by the weights of an earlier run."""
    path = options.out / "weights.safetensors"
    _, facts = read_weights(path)
    if "characters" not in facts:
        raise ValueError(f"{path} holds no vocabulary, so it is not from shakespeare_lstm; name its folder by --out")
    vocabulary = Vocabulary(facts["characters"])
    model = CharacterLSTM(len(vocabulary)).to(options.device)
    load_weights(path, model)
    window = WINDOW if options.sliding_window else None
    rng = np.random.default_rng(options.seed)
    print(sample_text(model, vocabulary, options.prompt or facts["prompt"], options.sample, rng, window))


if __name__ == "__main__":
    sys.exit(main())
