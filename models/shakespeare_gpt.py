"""A small GPT learns to write Shakespeare, or, as BERT did, to fill in blanks.

Both are the same Transformer: characters and their places as vectors, four blocks of attention, and the characters'
vectors once more to ask which fits. `--objective next` predicts each next character, so no place may look ahead;
`--objective masked` predicts 15 of 100 characters that were blanked, and looks to both sides.

Sizes and schedule are those of nanoGPT's configuration for CPUs. Sources: A. Radford et al., "Language models are
unsupervised multitask learners", 2019 (GPT-2); J. Devlin et al., "BERT: pre-training of deep bidirectional transformers
for language understanding", NAACL 2019.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from models.beside import Beside, guess_from_neighbours
from models.common import flags, new_optimizer, rate, script, whole_number
from models.inside import look_inside
from models.run import Run
from models.shakespeare_lstm import baselines
from models.writing import BLANK, TEMPERATURES, check_prompt, fill_in, first_prompt, sample_text
from tinygrad_edu import Tensor, nn, no_grad, ops, optim, plots
from tinygrad_edu.data import NOT_ASKED, Blanked, RandomWindows, Vocabulary, batches, load_shakespeare
from tinygrad_edu.training import load_weights, progress_bar, read_weights

SIZES = {"context": 64, "layers": 4, "heads": 4, "width": 128}
NAMES = {"next": "GPT", "masked": "masked Transformer"}
ITERATIONS = 250  # an epoch: windows are drawn from anywhere in the text, so there is no "once through"
QUICK_ITERATIONS, QUICK_VALIDATION = 50, 8_000  # and characters for validation
SAMPLE_EVERY, SAMPLE_LENGTH, LIKELIEST = 500, 400, 3  # iterations; characters; of each blank
LINE, LINES = 20, 10  # characters whose attention is drawn; lines of text whose blanks are drawn


class GPT(nn.Module):
    """Scores for each of K characters at each place, from at most `context` characters as numbers (N, T)."""

    def __init__(self, K, context=64, layers=4, heads=4, width=128, causal=True):
        self.tokens = nn.Embedding(K, width)
        self.places = nn.PositionalEmbedding(context, width)
        self.blocks = [nn.TransformerBlock(width, heads, causal=causal, bias=False) for _ in range(layers)]
        self.norm = nn.LayerNorm(width, eps=1e-5)
        self.begin()

    def begin(self):
        """All matrices from N(0, 0.02^2), as in GPT-2.

        A block's two halves add to x what their last matrix gives: 2 layers random terms, whose variance is 2 layers
        times that of one. So these matrices begin smaller by the square root of it.
        """
        rng = nn.init.default_generator()
        last = {half.weight for block in self.blocks for half in (block.attention.output, block.network.layers[2])}
        for p in self.parameters():
            if p.ndim > 1:
                std = 0.02 / math.sqrt(2 * len(self.blocks)) if p in last else 0.02
                p.data[...] = rng.normal(0, std, p.shape)

    def read(self, ids, caches=None):
        """A vector for what each place has found, (N, T, width)."""
        seen = caches[0]["k"].shape[2] if caches and caches[0] else 0
        x = self.places(self.tokens(ids), start=seen)
        for i, block in enumerate(self.blocks):
            x = block(x, cache=caches[i] if caches else None)
        return self.norm(x)

    def after_each(self, ids):
        """(N, T, K)"""
        return self.tokens.scores(self.read(ids))

    def forward(self, ids, state=None):
        """(scores for the character after the last one (N, K), state), for writing one character after the other.

        The state holds keys and values of all places, so that a new character costs one place and not all. When every
        place is taken, the last half of the text is read anew, from place 0 on.
        """
        before, caches = state or (ids[:, :0], [{} for _ in self.blocks])
        text = np.concatenate([before, ids], axis=1)
        context = len(self.places.weight)
        if text.shape[1] > context:
            text = ids = text[:, -max(1, context // 2) :]
            caches = [{} for _ in self.blocks]
        x = self.read(ids, caches)
        return self.tokens.scores(x[:, -1]), (text, caches)

    @no_grad()
    def attention(self, ids):
        """How much each place looks at each other, (layers, heads, T, T), of one text (1, T)."""
        x, maps = self.places(self.tokens(ids)), []
        for block in self.blocks:
            maps.append(Tensor(block.attention.weights(block.norm1(x))[0]).numpy())
            x = block(x)
        return np.stack(maps)


def parse(arguments):
    parser = flags(__doc__, "shakespeare_gpt", epochs=8, quick_epochs=3, lr=1e-3, batch_size=12, optimizer="adamw")
    parser.add_argument("--objective", choices=("next", "masked"), default="next", help="what is predicted (next)")
    for name, size in SIZES.items():
        parser.add_argument(f"--{name}", type=whole_number, default=size, help=f"of the network ({size})")
    parser.add_argument("--clip", type=rate, default=1.0, help="the longest that the gradient may be (1)")
    parser.add_argument(
        "--accumulate", type=whole_number, default=1, metavar="PARTS", help="add up a batch's gradient part by part (1)"
    )
    parser.add_argument(
        "--prompt", help=f"what the samples continue; with --objective masked, a text with blanks, {BLANK}"
    )
    parser.add_argument(
        "--sample",
        type=whole_number,
        metavar="N",
        help="write N characters, or say the N likeliest of each blank, by OUT's weights, no training",
    )
    parser.add_argument("--temperature", type=rate, help="of what is written (several)")
    parser.add_argument(
        "--top-k", type=whole_number, metavar="K", help="write none but the K likeliest characters (all)"
    )
    parser.add_argument("--beside", metavar="OUT", help="a run of shakespeare_lstm --stateful, to be compared with")
    options = parser.parse_args(arguments)
    if options.accumulate > options.batch_size:
        parser.error(f"--accumulate: a batch of {options.batch_size} cannot be cut into {options.accumulate} parts")
    if options.objective == "masked":
        options.default_epochs = 32  # only 15 of 100 characters say anything
    return options


@script
def main(arguments=None):
    options = parse(arguments)
    if options.sample:
        return sample_only(options)
    text = load_shakespeare(options.data_dir, options.data, progress=False if options.no_progress else None)
    vocabulary = Vocabulary(text.text)
    ids = vocabulary.encode(text.text)
    cut = len(ids) * 9 // 10
    train, validation = ids[:cut], ids[cut:]
    masked, K, iterations = options.objective == "masked", len(vocabulary), ITERATIONS
    if options.quick:
        validation, iterations = validation[:QUICK_VALIDATION], QUICK_ITERATIONS
    if options.accumulate > 1 and options.group.size > 1:
        raise ValueError("--accumulate: the processes of --distributed are the parts of the batch; give one of the two")
    beside = Beside(options.beside, vocabulary) if options.beside else None
    run = Run(
        options,
        text.name,
        text.source,
        options.objective,
        examples=("windows an epoch", iterations * options.batch_size, ITERATIONS * options.batch_size),
        not_computed=("prompt", "sample", "temperature", "top_k", "beside"),
        reported=("seed", "textbook", "objective", "accumulate"),
    )
    steps = run.epochs * iterations
    run.settings["iterations of the schedule"] = steps  # it is drawn out over them, so they are part of the run
    print(f"{len(validation):,} characters for validation, {K} distinct ones")

    model = GPT(K + masked, **sizes(options), causal=not masked).to(run.device)  # the blank is one character more
    print(f"{sum(p.size for p in model.parameters()):,} parameters", flush=True)
    # AdamW as in nanoGPT: a shorter memory of the gradients' squares, and norms' gains do not decay.
    settings = {"betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1, "matrices_only": True}
    optimizer = new_optimizer(options, model.parameters(), **(settings if options.optimizer == "adamw" else {}))
    prompt = options.prompt or first_prompt(vocabulary.decode(validation[: options.context]), masked)
    check_prompt(prompt, vocabulary, masked, options.context)  # now, not after the training
    write_rng = run.generators["samples"] = np.random.default_rng([options.seed, 2])
    run.texts["samples.txt"] = ""

    def learning_rate(step):
        return optim.cosine(options.lr, step, steps, warmup=steps // 20, lowest=options.lr / 10)

    def loss_of(x, y):
        return ops.softmax_cross_entropy(model.after_each(x), y, ignore_index=NOT_ASKED if masked else None)

    def train_step(x, y):
        optimizer.lr = learning_rate(optimizer.t)
        optimizer.zero_grad()
        asked, total = (y != NOT_ASKED).sum(axis=1), 0.0
        for rows in np.array_split(np.arange(len(x)), options.accumulate):  # all at once, unless --accumulate
            if share := asked[rows].sum() / asked.sum():
                loss = loss_of(x[rows], y[rows]) * float(share)  # a mean of means, weighted: the whole batch's mean
                loss.backward()
                total += loss.item()
        optim.clip_grad_norm(model.parameters(), options.clip)
        optimizer.step()
        if not masked and optimizer.t % SAMPLE_EVERY == 0:
            save_sample(f"after iteration {optimizer.t}")
        return {"loss": total}

    def new_batches():
        windows = RandomWindows(train, options.context, options.batch_size, iterations, run.rng)
        return Blanked(windows, K, run.rng) if masked else windows

    def unseen():
        """The whole validation text in windows side by side; blanks are the same ones each time, for any seed."""
        count = (len(validation) - 1) // options.context
        x, y = (validation[i : i + count * options.context].reshape(count, -1) for i in (0, 1))
        windows = batches(x, y, batch_size=64)
        return Blanked(windows, K, np.random.default_rng(0)) if masked else windows

    @no_grad()
    def evaluate():
        """Nats per character that is asked for, and how many percent of them are guessed right."""
        model.eval()

        def read(x, y):
            scores, asked = model.after_each(x), y != NOT_ASKED
            loss = ops.softmax_cross_entropy(scores, y, "sum", ignore_index=NOT_ASKED).item()
            return loss, (scores.numpy().argmax(axis=-1) == y)[asked].sum(), asked.sum()

        pieces = progress_bar(unseen(), "evaluation", run.progress, delay=1.0)
        total, right, count = map(sum, zip(*run.group.spread(read, pieces)))
        model.train()
        figures = {"validation_loss": total / count, "validation_accuracy": 100 * right / count}
        return figures | {"iterations": optimizer.t, "tokens": optimizer.t * options.batch_size * options.context}

    def save_sample(title):
        length = LIKELIEST if masked else SAMPLE_LENGTH
        sample = written(model, vocabulary, options, prompt, length, write_rng)
        run.append("samples.txt", f"===== {title}\n{sample}\n")
        return sample

    look_inside(run, model, loss_of, new_batches, items=1)
    history = run.fit(train_step, new_batches, evaluate, model, optimizer, count=lambda x, y: (y != NOT_ASKED).sum())
    print(save_sample("at the end"))
    final = dict(history.epochs[-1])
    print(f"{run.clock.ends[-1]:.0f} s of training, evaluation not counted")
    draw(run, model, vocabulary, validation, beside, [learning_rate(t) for t in range(steps)])
    report = [
        ("validation loss (nats)", "-", f"{final['validation_loss']:.3f}"),
        ("training loss (nats), last epoch", "-", f"{final['train_loss']:.3f}"),
        (f"{'blanked' if masked else 'next'} characters guessed right", "-", f"{final['validation_accuracy']:.1f} %"),
        ("iterations; characters read", "-", f"{final['iterations']:,}; {final['tokens']:,}"),
    ]
    guesses = guess_from_neighbours(train, unseen(), K) if masked else baselines(train, validation, K)
    if beside:
        guesses += beside.rows(final["tokens"], run.clock.ends[-1], validation, unseen() if masked else None)
    facts = {"objective": options.objective, "sizes": sizes(options)}
    run.finish(model, final, report, guesses, characters=vocabulary.characters, prompt=prompt, **facts)


def sizes(options):
    """What a network of ours is made with, beside the number of characters."""
    return {name: getattr(options, name) for name in SIZES}


def written(model, vocabulary, options, prompt, length, rng):
    """A sample at each temperature; of the masked network, the prompt's blanks filled in."""
    if options.objective == "masked":
        return fill_in(model, vocabulary, prompt, likeliest=length)
    temperatures = [options.temperature] if options.temperature else TEMPERATURES
    return sample_text(model, vocabulary, prompt, length, rng, None, temperatures, options.top_k)


def draw(run, model, vocabulary, validation, beside, rates):
    """The pictures: the loss, against time too; the learning rate; who looks at whom; what is filled in."""
    history, of = run.history, f"{NAMES[run.variant]} on {run.data['name']}"
    losses = {"training": history["train_loss"], "validation": history["validation_loss"]}
    epochs, nats = [row["epoch"] for row in history.epochs], "loss (nats per character)"
    plots.training_curves(run.out / "loss.png", epochs, losses, nats, f"Loss of {of}")
    curves = {NAMES[run.variant]: (np.array(history["tokens"]) / 1e6, run.clock.ends, history["validation_loss"])}
    if beside:
        curves["LSTM, state carried"] = beside.tokens / 1e6, beside.seconds, beside.losses
    panels = {
        "characters read (millions)": {name: (tokens, y) for name, (tokens, _, y) in curves.items()},
        "seconds of training": {name: (seconds, y) for name, (_, seconds, y) in curves.items()},
    }
    plots.losses_against(run.out / "time.png", panels, f"validation {nats}", f"Loss of {of} against data and time")
    path, course = run.out / "learning_rate.png", {"rate": (np.arange(len(rates)), rates)}
    plots.series(path, course, "iteration", "learning rate", f"Learning rate of {of}")
    line = vocabulary.decode(validation).partition("\n\n")[2] or vocabulary.decode(validation)  # somebody speaks
    line = vocabulary.encode(line[: min(LINE, run.options.context)])
    maps = model.attention(line[None])
    plots.attention_maps(run.out / "attention.png", maps, vocabulary.decode(line), f"Attention of {of}")
    if run.variant == "masked":
        draw_blanks(run, model, vocabulary, validation, f"Blanks filled in by {of}")


@no_grad()
def draw_blanks(run, model, vocabulary, validation, title):
    """The first lines of the validation text, with blanks."""
    K, T = len(vocabulary), run.options.context
    text = validation[: len(validation) // T * T].reshape(-1, T)[:LINES]
    ((x, y),) = Blanked([(text,)], K, np.random.default_rng(0))
    P = ops.softmax(model.after_each(x)[..., :K]).numpy().clip(0, 1)  # rounding may leave a hair more than 1
    lines = [[vocabulary.decode(line) for line in ids] for ids in (text, P.argmax(axis=-1))]
    plots.filled_blanks(run.out / "blanks.png", lines[0], y != NOT_ASKED, lines[1], P.max(axis=-1), title)


def sample_only(options):
    """Write, or fill in, by the weights of an earlier run."""
    path = options.out / "weights.safetensors"
    _, facts = read_weights(path)
    if "objective" not in facts:
        raise ValueError(f"{path} is not from shakespeare_gpt; name its folder by --out")
    options.objective, vocabulary = facts["objective"], Vocabulary(facts["characters"])
    masked = options.objective == "masked"
    model = GPT(len(vocabulary) + masked, **facts["sizes"], causal=not masked).to(options.device)
    load_weights(path, model)
    rng = np.random.default_rng(options.seed)
    print(written(model, vocabulary, options, options.prompt or facts["prompt"], options.sample, rng))


if __name__ == "__main__":
    sys.exit(main())
