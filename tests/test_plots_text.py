"""Pictures of character networks: attention, blanks, losses side by side."""

import numpy as np
import pytest
from figure_checks import check_texts

from tinygrad_edu import plots


def test_attention_maps_show_every_head_and_name_the_characters():
    weights = np.random.default_rng(0).random((2, 3, 4, 4))
    figure = plots.attention_maps(None, weights, "a b\n", "Attention")
    check_texts(figure)
    maps = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    assert [*maps] == [f"layer {layer}, head {head}" for layer in (1, 2) for head in (1, 2, 3)]
    np.testing.assert_array_equal(maps["layer 2, head 1"].images[0].get_array(), weights[1, 0])
    assert [text.get_text() for text in maps["layer 2, head 1"].get_yticklabels()] == ["a", "\u2423", "b", "\u21b5"]
    assert maps["layer 1, head 1"].images[0].get_clim() == (0, 1)


def texts_of(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_blanks_show_guess_confidence_and_what_is_right():
    asked = np.zeros((2, 3), bool)
    asked[0, 1] = asked[1, 2] = True
    sure = np.array([[0, 0.42, 0], [0, 0, 0.97]])
    figure = plots.filled_blanks(None, ["abc", "d\n$"], asked, ["?x?", "??$"], sure, "Blanks")
    check_texts(figure)
    assert texts_of(figure)[:-1] == ["a", "x", "42", "b", "c", "d", "\u21b5", r"\$", "97"]
    boxes = figure.axes[0].patches
    assert [tuple(np.round(box.get_facecolor()[:3], 2)) for box in boxes] == [(0.84, 0.37, 0.0), (0.0, 0.45, 0.7)]
    assert boxes[0].get_alpha() < boxes[1].get_alpha()


def test_losses_stand_against_several_things():
    curves = {"GPT": ([1, 2, 3], [3.0, 2.5, 2.0]), "LSTM": ([2, 4], [2.8, 2.2])}
    figure = plots.losses_against(None, {"characters": curves, "seconds": curves}, "loss (nats)", "Losses")
    check_texts(figure)
    assert [axes.get_xlabel() for axes in figure.axes] == ["characters", "seconds"]
    assert figure.axes[0].lines[1].get_xydata().tolist() == [[2, 2.8], [4, 2.2]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["GPT", "LSTM"]


ONE = np.ones((1, 2), bool)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.attention_maps(None, np.ones((1, 1, 3, 3)), "ab", ""), r"weights \(layers, heads, 2, 2\) of 2"),
        (lambda: plots.attention_maps(None, np.full((1, 1, 2, 2), np.nan), "ab", ""), "must lie between 0 and 1"),
        (lambda: plots.filled_blanks(None, ["ab"], ONE, ["abc"], ONE, ""), "expected R texts and guesses of T"),
        (lambda: plots.filled_blanks(None, [], ONE, [], ONE, ""), r"got 0 and 0 lines, \(1, 2\)"),
        (
            lambda: plots.filled_blanks(None, ["a" * 65], np.ones((1, 65)), ["a" * 65], np.ones((1, 65)), ""),
            "20 lines of 64",
        ),
        (lambda: plots.filled_blanks(None, ["ab"], ONE, ["ab"], 2 * ONE, ""), "sure must lie between 0 and 1"),
        (lambda: plots.losses_against(None, {}, "loss", ""), "nothing to draw"),
        (lambda: plots.losses_against(None, {"x": {"a": ([1], [0.0])}}, "loss", ""), "needs x and y > 0 of one shape"),
        (lambda: plots.losses_against(None, {"x": {"a": [1]}}, "loss", ""), r"curve 'a' must be two arrays"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
