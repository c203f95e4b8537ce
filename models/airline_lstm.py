"""An LSTM with four units predicts next month's airline passengers from this month's.

144 monthly totals, 1949 to 1960, scaled to [0, 1]. The first 67% are for training. The figure of merit is the root mean
squared error in thousands of passengers.

The guess to beat is "next month = this month". It is off by 23.2 (training) and 48.7 (test), and the practical's
network, whose median over ten seeds is 23.18 and 50.12, does not beat it. From one month alone it has learnt to repeat
it: in the picture its curve lags a month behind. `--look-back 12` lets it see the same month of the year before.
"""

from __future__ import annotations

import sys

import numpy as np

from models.common import flags, new_optimizer, script, whole_number
from models.inside import look_inside
from models.run import Run
from tinygrad_edu import Tensor, nn, no_grad, ops, plots
from tinygrad_edu.data import MinMaxScaler, batches, create_dataset, load_airline

UNITS = 4
TRAIN_PART = 0.67


class AirlineNetwork(nn.Module):
    """LSTM(4) and a dense layer: (N, time steps, features) -> (N, 1)."""

    def __init__(self, features):
        self.lstm = nn.LSTM(features, UNITS)
        self.output = nn.Linear(UNITS, 1)

    def forward(self, x):
        h = self.lstm(x)  # (N, 4)
        return self.output(h)  # (N, 1)


def parse(arguments):
    parser = flags(__doc__, "airline_lstm", epochs=100, quick_epochs=100, lr=1e-3, batch_size=1)
    parser.add_argument("--look-back", type=whole_number, default=1, help="months that the prediction sees (1)")
    parser.add_argument(
        "--time-steps",
        action="store_true",
        help="one month a time step, (N, look_back, 1), instead of all as features of one step, (N, 1, look_back)",
    )
    return parser.parse_args(arguments)


def prepare(part, options):
    """Pairs for one part of the scaled series: X (N, T, D) and Y (N, 1)."""
    X, Y = create_dataset(part, options.look_back)
    X = X[:, :, None] if options.time_steps else X[:, None, :]
    return X.astype(np.float32), Y[:, None].astype(np.float32)


@script
def main(arguments=None):
    options = parse(arguments)
    series = load_airline(options.data_dir)
    variant = f"look-back {options.look_back}" + (" as time steps" if options.time_steps else "")
    run = Run(options, series.name, series.source, variant)
    scaler = MinMaxScaler.fit(series.values)  # over the whole series, as in the practical: it looks at the test part
    scaled = scaler.scale(series.values)
    cut = int(TRAIN_PART * len(scaled))
    X, Y = prepare(scaled[:cut], options)
    X_test, Y_test = prepare(scaled[cut:], options)

    model = AirlineNetwork(X.shape[2]).to(run.device)
    optimizer = new_optimizer(options, model.parameters())

    def loss_of(x, y):
        return ops.mse(model(Tensor(x).to(run.device)), Tensor(y).to(run.device))

    def train_step(x, y):
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        return {"loss": loss.item()}

    @no_grad()
    def predict(x):
        """Thousands of passengers (N,)."""
        return scaler.undo(model(Tensor(x).to(run.device)).numpy()[:, 0])

    def rmse(x, y):
        return float(np.sqrt(np.mean((predict(x) - scaler.undo(y[:, 0])) ** 2)))

    def evaluate():
        return {"train_rmse": rmse(X, Y), "test_rmse": rmse(X_test, Y_test)}

    def new_batches():  # of one pair by default: 94 steps an epoch, each from a single month
        return batches(X, Y, batch_size=options.batch_size, rng=run.rng)

    look_inside(run, model, loss_of, new_batches)
    run.fit(train_step, new_batches, evaluate, model, optimizer, every=10)

    draw(run, options, series, cut, predict(X), predict(X_test))
    final = dict(run.history.epochs[-1])
    losses = run.history["train_loss"]
    report = [
        ("train RMSE (thousands)", "22.76", f"{final['train_rmse']:.2f}"),
        ("test RMSE (thousands)", "50.21", f"{final['test_rmse']:.2f}"),
        ("loss, first epoch", "0.0464", f"{losses[0]:.4f}"),
        ("loss, last epoch", "about 0.002", f"{losses[-1]:.4f}"),
    ]
    if series.name != "airline passengers":  # a user's own: the report knows nothing of it
        report = [(figure, "-", measured) for figure, _, measured in report]
    repeat = '"next month = this month"'
    baselines = [
        (f"train RMSE of {repeat}", f"{persistence(X, Y, scaler):.2f}"),
        (f"test RMSE of {repeat}", f"{persistence(X_test, Y_test, scaler):.2f}"),
    ]
    run.finish(model, final, report, baselines, look_back=options.look_back)


def persistence(X, Y, scaler):
    """RMSE of the guess that the month after a window is as its last one."""
    last = X.reshape(len(X), -1)[:, -1]
    return float(np.sqrt(np.mean((scaler.undo(last) - scaler.undo(Y[:, 0])) ** 2)))


def draw(run, options, series, cut, train, test):
    """The series with both predictions and the guess "next month = this month", and the loss."""
    months = np.arange(len(series.values))
    first = options.look_back  # the month that the first pair predicts
    parts = [first + np.arange(len(train)), cut + first + np.arange(len(test))]
    repeated = np.full(len(months), np.nan)  # where nothing is predicted, nothing is repeated
    for part in parts:
        repeated[part] = series.values[part - 1]
    baseline = '"next month = this month"'
    curves = {
        "passengers": (months, series.values),
        "LSTM, training part": (parts[0], train),
        "LSTM, test part": (parts[1], test),
        baseline: (months, repeated),
    }
    years = [i for i in range(len(months)) if series.months[i].endswith("-01")]
    ticks = years, [series.months[i][:4] for i in years]
    network = f"LSTM of {UNITS} units ({run.variant})"
    title = f"{network} on {series.name}, one month ahead,\nbeside the guess {baseline}"
    path = run.out / "prediction.png"
    plots.series(path, curves, "January of", "passengers (thousands)", title, ticks, baseline)
    epochs = [row["epoch"] for row in run.history.epochs]
    losses = {"training": run.history["train_loss"]}
    title = f"Loss of an {network} on {series.name}"
    plots.training_curves(run.out / "loss.png", epochs, losses, "mean squared error (scaled to [0, 1])", title)


if __name__ == "__main__":
    sys.exit(main())
