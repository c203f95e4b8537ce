"""The player in a real browser; see browser.py for what makes these tests skip."""

import numpy as np
import pytest
from browser import PHONE, WIDE, overflow
from test_player import LABELS, X, chain, unrolled

from tinygrad_edu import Tensor, nn, ops
from tinygrad_edu.inspection import player, trace


@pytest.fixture(scope="module")
def seen():
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    return trace(
        lambda: ops.softmax_cross_entropy(model(X), LABELS) + (model.layers[0].weight ** 2).mean(), differences=2
    )


@pytest.fixture
def opened(page, seen, tmp_path):
    page.goto(player(seen, tmp_path / "page.html", title="A network").as_uri())
    return page


def status(page):
    return page.inner_text("#status")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def shown(page, name, nth=0):
    """A statistic of the nth picture of the current row."""
    return page.locator(f"#detail dd[data-name='{name}']").nth(nth).inner_text()


def text(value):
    """A number as the page writes it."""
    return np.format_float_positional(float(f"{value:.5g}"), trim="-") if abs(value) >= 1e-3 else None


def test_forward_and_backward_by_keys(opened, seen):
    assert status(opened) == "Forward 1 of 7: linear in layers.0 computes (16, 8)"
    press(opened, "ArrowDown", "ArrowRight")
    assert status(opened) == "Forward 3 of 7: linear in layers.2 computes (16, 3)"
    press(opened, "ArrowUp")
    assert status(opened) == "Forward 2 of 7: relu in layers.1 computes (16, 8)"
    assert "Its gradients come in the backward." in opened.inner_text("#detail")
    assert "G = dL/d(output)" not in opened.inner_text("#detail")
    press(opened, "End")
    assert status(opened).startswith("Backward 7 of 7: linear in layers.0 turns G into dL/d(W), dL/d(b)")
    press(opened, "ArrowRight")
    assert status(opened).startswith("Backward 7 of 7")
    press(opened, "Home")
    assert status(opened).startswith("Forward 1 of 7")


def test_buttons_and_slider(opened):
    opened.click("#forward")
    assert status(opened).startswith("Forward 2 of 7")
    opened.click("#last")
    assert status(opened).startswith("Backward 7 of 7")
    opened.click("#back")
    assert status(opened).startswith("Backward 6 of 7")
    opened.click("#first")
    assert status(opened).startswith("Forward 1 of 7")
    opened.fill("#slider", "7")
    assert status(opened).startswith("Backward 1 of 7: add turns G into dL/d(a), dL/d(b)")
    assert opened.get_attribute("#slider", "aria-valuetext").startswith("Backward 1 of 7")


def test_it_plays_and_pauses(opened):
    opened.click("#play")
    opened.wait_for_function("document.getElementById('status').textContent.startsWith('Forward 2')")
    opened.click("#play")
    assert opened.get_attribute("#play", "aria-label") == "Play"


def test_numbers_of_every_step_are_the_traces(opened, seen):
    press(opened, *["ArrowRight"] * 7)
    for step in seen:
        assert status(opened).startswith(f"Backward {step.number + 1} of 7: {step.label}")
        pictures = [step.gradient, *(x.gradient for x in step.inputs if x.gradient)]
        pictures = [array for array in pictures if array.shape]  # of a single number, there is no more than that
        if len(step.arrived) < 2:
            for nth, array in enumerate(pictures):
                for name, exact in (("smallest", array.smallest), ("largest", array.largest), ("norm", array.norm)):
                    expected = text(exact)
                    assert expected is None or shown(opened, name, nth) == expected
        assert (step.formula.split("\n")[0] in opened.inner_text("#detail .formula")) or not step.formula
        assert step.place.text in opened.inner_text("#detail .line")
        assert step.code.split("\n")[0] in opened.inner_text("#detail .code")
        press(opened, "ArrowRight")


def test_where_paths_meet_the_addends_are_shown(opened, seen):
    press(opened, "End")
    opened.locator(".row", has_text="layers.0.weight").click()
    detail = opened.inner_text("#detail")
    assert "2 paths meet here, and their gradients are added" in detail
    assert opened.locator("#detail .addend").count() == 2
    leaf = seen.leaves[0]
    assert shown(opened, "norm", 1) == text(leaf.gradient.norm)
    opened.locator("#detail .addend .link", has_text="pow").click()
    assert "pow turns G into dL/d(a)" in status(opened)


def test_an_entry_shows_both_derivatives(opened, seen):
    press(opened, "End")
    weight = seen[-1].inputs[1]
    m = weight.measured[0]
    cell = opened.locator(f"#detail .cell.measured[aria-label^='entry ({m.index[0]}, {m.index[1]})']").first
    cell.click()
    entry = opened.locator("#detail .entry", has_text="by differences").first.inner_text()
    assert f"entry ({m.index[0]}, {m.index[1]}): {text(m.analytic) or ''}" in entry
    assert text(m.difference) is None or text(m.difference) in entry
    assert "They agree" in entry
    opened.locator("#detail .cell[aria-label^='entry (0, 0)']:not(.measured)").first.click()


def test_entries_by_keyboard(opened):
    before = status(opened)
    opened.locator("#detail .cell:visible").first.focus()
    press(opened, "ArrowRight", "ArrowDown")
    assert opened.evaluate("document.activeElement.getAttribute('aria-label')").startswith("entry (1, 1):")
    assert status(opened) == before
    assert opened.locator("#detail .entry", has_text="entry (1, 1)").count() == 1


def test_folding_keeps_the_place(opened):
    press(opened, "ArrowRight", "ArrowRight")
    opened.click("#fold")
    assert status(opened) == "Forward 3 of 7: layers.2, 1 step"
    assert opened.locator(".row").count() == 7
    press(opened, "Enter")
    assert status(opened).startswith("Forward 3 of 7: linear in layers.2")
    opened.click("#fold")
    opened.locator(".row", has_text="layers.0").click()
    opened.locator(".row", has_text="layers.0").click()
    assert opened.locator(".row", has_text="layers.0.bias").count() == 1


def test_folding_keeps_the_leaf_that_was_chosen(opened):
    press(opened, "End")
    opened.locator(".row", has_text="layers.0.weight").first.click()
    assert "layers.0.weight, a leaf" in status(opened)
    opened.locator(".row.open", has_text="layers.2").click()
    assert opened.locator(".row.folded").count() == 1
    assert "layers.0.weight, a leaf" in status(opened)
    assert status(opened).startswith("Backward")


def test_a_repetition_opens_on_demand(page, tmp_path):
    page.goto(player(unrolled(), tmp_path / "page.html", differences=1).as_uri())
    assert page.locator(".row").count() == 6
    assert status(page).startswith("Forward 1 of 3: SimpleRNNCell: 100 x 5 steps, 500 steps")
    press(page, "Enter")
    assert status(page).startswith("Forward 1 of 102: SimpleRNNCell 1 of 100, 5 steps")
    press(page, "ArrowRight", "Enter")
    assert "matmul in SimpleRNNCell computes (4, 8)" in status(page)


def test_dark_and_light(opened):
    colour = "getComputedStyle(document.body).backgroundColor"
    light = opened.evaluate(colour)
    opened.click("#theme")
    dark = opened.evaluate(colour)
    assert light != dark
    opened.click("#theme")
    assert opened.evaluate(colour) == light
    opened.emulate_media(color_scheme="dark")
    opened.wait_for_function(f"{colour} === '{dark}'")  # the page hears of it a moment later


def test_a_keyboard_alone_reaches_everything(opened):
    reached = []
    for _ in range(10):
        press(opened, "Tab")
        reached.append(opened.evaluate("document.activeElement.id"))
    assert reached == ["first", "back", "play", "forward", "last", "slider", "fold", "theme", "diagnosis", "tape"]
    press(opened, "ArrowDown")
    assert opened.get_attribute("#tape", "aria-activedescendant") == opened.locator(".row.current").get_attribute("id")
    assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_on_a_phone(opened, seen):
    opened.set_viewport_size(PHONE)
    for _ in range(2 * len(seen)):
        assert not overflow(opened)
        press(opened, "ArrowRight")


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_very_long_names_do_not_widen_the_page(page, tmp_path, size):
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh())
    seen = trace(lambda: model(x).sum())
    for row in seen.rows:
        row.module = "a_very_long_name_" * 12
        if hasattr(row, "name"):
            row.name = f"{row.module}.{row.name}"
    page.set_viewport_size(size)
    page.goto(player(seen, tmp_path / "page.html").as_uri())
    for _ in range(2 * len(seen)):
        assert not overflow(page)
        press(page, "ArrowRight")


def test_of_5000_steps_only_those_in_sight_are_drawn(page, tmp_path):
    """4,999 steps, 2,499 repetitions, one row over these, and a leaf."""
    page.goto(player(chain(), tmp_path / "page.html", differences=0).as_uri())
    page.click("#fold")
    assert page.get_attribute(".row >> nth=0", "aria-setsize") == "7500"
    for top in (0, 40_000, 10**7):
        page.evaluate("(top) => { document.getElementById('tape').scrollTop = top; }", top)
        page.wait_for_function(
            "document.getElementById('lanes').offsetTop + 1000 >= document.getElementById('tape').scrollTop"
        )
        assert 0 < page.locator(".row").count() < 60
        assert page.evaluate("document.getElementById('lanes').height") < 3000
    press(page, "End")
    assert status(page).startswith("Backward 4999 of 4999")


def test_what_a_page_must_not_run(page, tmp_path):
    class Evil(nn.Module):
        def __init__(self):
            self.parts_by_name = {"</script><img src=x onerror=alert(1)>": nn.Linear(4, 1)}

        def forward(self, x):
            return next(iter(self.parts_by_name.values()))(x).mean()  # </script><img src=x onerror=alert(2)>

    model = Evil()
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    page.goto(player(lambda: model(X), tmp_path / "page.html").as_uri())
    press(page, "ArrowRight", "End")
    assert page.locator("img").count() == 0
    assert "onerror=alert(2)" in page.inner_text("#detail .line")


def test_nan_is_seen(page, tmp_path):
    w = Tensor(np.array([-1.0, 1.0]), requires_grad=True)
    with np.errstate(invalid="ignore"):
        path = player(lambda: ops.log(w).sum(), tmp_path / "page.html")
    page.goto(path.as_uri())
    assert shown(page, "NaN") == "1"
    assert page.locator("#detail .cell[style*='--broken']").count() == 1


def test_a_gradient_that_is_zero_but_for_rounding_agrees(page, tmp_path):
    nn.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm(6))  # which takes every bias away again
    page.goto(player(lambda: ops.softmax_cross_entropy(model(X), LABELS), tmp_path / "page.html").as_uri())
    press(page, "End")
    cells = page.locator("#detail .cell.measured")
    for i in range(cells.count()):
        cells.nth(i).click()
    assert page.locator("#detail .entry", has_text="They agree").count() == 2  # the weight's and the bias's
    assert "NOT" not in page.inner_text("#detail")


def test_a_difference_that_is_no_number_accuses_nobody(page, tmp_path):
    w = Tensor(np.array([-1.0, 1.0]), requires_grad=True)
    page.goto(player(lambda: ops.log(w).mean(), tmp_path / "page.html").as_uri())
    press(page, "End", "ArrowLeft")
    for cell in page.locator("#detail .cell").all():
        cell.click()
        assert "NOT" not in page.inner_text("#detail")


def test_the_backward_shows_how_large_gradients_are(opened, seen):
    press(opened, "End")
    sizes = {float(text.removeprefix("|G| ")) for text in opened.locator(".row .size").all_inner_texts() if text}
    exact = {row.gradient.norm for row in seen.rows}
    assert len(sizes) >= 5
    assert all(any(abs(size - norm) <= 0.06 * norm for norm in exact) for size in sizes)
