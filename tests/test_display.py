"""What objects show of themselves in a notebook, and the HTML that they are made of."""

import html
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tinygrad_edu import Tensor, nn, ops
from tinygrad_edu.markup import Html, ends, escape, table, tag
from tinygrad_edu.training import History

ATTACK = "<script>alert('x')</script>\"&"


class Cells(HTMLParser):
    """The text of every cell, row by row; every element must be closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open, self.names = [], [], set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def cells(thing):
    return Cells(thing._repr_html_()).rows


def text(thing):
    return html.unescape(re.sub("<[^>]*>", " ", thing._repr_html_()))


# --- HTML ---


def test_whatever_is_not_html_is_escaped():
    assert escape(ATTACK) == "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&quot;&amp;"
    assert tag("p", "a < ", tag("b", 3), class_="x", data_name='"', hidden=True, id=None, title=False, value=0) == (
        '<p class="x" data-name="&quot;" hidden value="0">a &lt; <b>3</b></p>'
    )
    assert tag("img", src="a") == '<img src="a">'
    assert escape(Html("<br>")) == "<br>"


def test_a_table_has_a_head_and_its_short_rows_end_in_a_wide_cell():
    made = table(("a", "b"), [(1, "<"), ("all",)])
    assert Cells(made).rows == [["a", "b"], ["1", "<"], ["all"]]
    assert '<td colspan="2">all</td>' in made


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100])
def test_both_ends_of_a_sequence_are_as_many_as_were_asked_for(length):
    first, left_out, last = ends(list(range(length)), 7)
    assert len(first) + len(last) == min(length, 7)
    assert [*first, *range(len(first), len(first) + left_out), *last] == list(range(length))


# --- a tensor ---


def test_a_tensor_shows_what_it_is_and_its_values():
    x = Tensor(np.array([[1.0, -2.0], [0.0, 4.0]], dtype=np.float32), requires_grad=True)
    y = x * 2
    assert cells(y) == [["2", "-4"], ["0", "8"]]
    said = text(y)
    assert "shape (2, 2), float32, cpu, op='mul', requires_grad" in said
    spread = np.std([2, -4, 0, 8])
    assert f"4 elements: mean 1.5, spread {spread:.4g}, smallest -4, largest 8, 25.0% zero" in said


def test_the_colour_says_the_sign_and_how_large_a_value_is():
    shades = re.findall(r"rgba\((.*?), (\d\.\d+)\)", Tensor([4.0, -2.0, 0.0])._repr_html_())
    assert [opacity for _, opacity in shades] == ["0.50", "0.25", "0.00"]
    assert shades[0][0] != shades[1][0]


def test_a_large_tensor_shows_its_corners_of_its_first_matrix():
    X = np.arange(2 * 3 * 30 * 40, dtype=np.float32).reshape(2, 3, 30, 40)
    rows = cells(Tensor(X))
    assert len(rows) == 11
    assert set(map(len, rows)) == {11}
    assert rows[5] == ["…"] * 11
    assert [rows[0][0], rows[0][-1], rows[-1][0], rows[-1][-1]] == ["0", "39", "1160", "1199"]
    assert "[0, 0], the first of 6 matrices" in text(Tensor(X))
    assert len(Tensor(X)._repr_html_()) < 20_000


def test_nan_and_infinity_are_counted_and_leave_the_others_their_colour():
    x = Tensor([1.0, np.nan, -np.inf, 0.0])
    assert cells(x) == [["1", "nan", "-inf", "0"]]
    assert "mean 0.5, spread 0.5, smallest 0, largest 1, 25.0% zero, 25.0% NaN, 25.0% infinite" in text(x)
    assert ", 0.50)" in x._repr_html_()


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (3.5, [["3.5"]]),
        (np.arange(3), [["0", "1", "2"]]),
        (np.array([True, False]), [["True", "False"]]),
        (np.zeros((0, 3)), []),
        (np.zeros((3, 0, 2)), []),
        (np.array([np.nan]), [["nan"]]),
        (np.array([1e308, -1e308]), [["1e+308", "-1e+308"]]),
    ],
)
def test_any_array_can_be_shown(values, shown):
    assert cells(Tensor(values)) == shown


def test_a_tensor_on_the_gpu_shows_the_same_values(cupy):
    x = Tensor(np.array([[1.0, 2.0]], dtype=np.float32), requires_grad=True)
    there = ops.exp(x.to("cuda"))
    assert cells(there) == cells(ops.exp(x))
    assert "float32, cuda, op='exp', requires_grad" in text(there)


# --- a module ---


def test_a_module_shows_its_parts_by_name_and_counts_what_it_learns():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Residual(nn.Sequential(nn.Linear(4, 4), ops.tanh)))
    assert cells(model) == [
        ["part", "what it is", "shapes", "parameters"],
        ["", "Sequential", "", ""],
        ["layers.0", "Linear", "weight (3, 4), bias (4,)", "16"],
        ["layers.1", "BatchNorm", "gamma (4,), beta (4,), running_mean (4,), running_var (4,)", "8"],
        ["layers.2", "Residual", "", ""],
        ["layers.2.body", "Sequential", "", ""],
        ["layers.2.body.layers.0", "Linear", "weight (4, 4), bias (4,)", "20"],
        ["layers.2.body.layers.1", "tanh", "", ""],
        ["all, shared ones once", "", "", "44"],
    ]


def test_a_shared_part_is_counted_once_and_a_parent_does_not_loop():
    layer = nn.Linear(2, 2)
    model = nn.Sequential(layer, layer)
    layer.parent = model
    assert cells(model)[-1][-1] == "6"
    assert len(cells(model)) == 5


def test_names_cannot_run():
    class Named(nn.Module):
        def __init__(self):
            self.parts_by_name = {ATTACK: nn.Linear(1, 1)}

    Named.__name__ = ATTACK
    shown = Named()._repr_html_()
    assert "script" not in Cells(shown).names
    assert Cells(shown).rows[1][1] == ATTACK
    x = ops.exp(Tensor([1.0], requires_grad=True))
    history = History([{ATTACK: 1.0}], ATTACK)
    assert "script" not in Cells(x._repr_html_()).names | Cells(history._repr_html_()).names
    assert Cells(history._repr_html_()).rows[0] == [ATTACK]


def test_a_large_network_is_cut():
    rows = cells(nn.Sequential(*(nn.ReLU() for _ in range(200))))
    assert len(rows) == 1 + 60 + 1 + 1
    assert rows[31] == ["… 141 more parts"]


# --- a history ---


def test_a_history_shows_its_epochs_and_why_it_stopped():
    history = History([{"epoch": 0, "train_loss": 0.5}, {"epoch": 1, "test": 2.0}], "a < b")
    assert cells(history) == [["epoch", "train_loss", "test"], ["0", "0.5", ""], ["1", "", "2"]]
    assert history._repr_html_().endswith("<div>stopped: a &lt; b</div></div>")
    assert "no epoch yet" in History()._repr_html_()


def test_a_long_history_shows_both_ends():
    rows = cells(History([{"epoch": i} for i in range(1000)]))
    assert len(rows) == 1 + 20 + 1
    assert rows[11] == ["… 980 more epochs"]
    assert rows[-1] == ["999"]


def test_the_smallest_integer_has_a_colour():
    assert "rgba(0, 114, 178, 0.50)" in Tensor(np.array([-(2**63), 1]))._repr_html_()  # abs() of it is itself


def test_of_a_tensor_without_elements_nothing_is_counted():
    assert "<div>no elements</div>" in Tensor(np.zeros((0, 3)))._repr_html_()
