// Buttons, slider, keys; and the start.

// --- controls ---

let playing = null;
function play() {
  const stop = playing !== null;
  if (stop) clearInterval(playing);
  else if (position === 2 * stops.length - 1) go(0);
  playing = stop ? null : setInterval(() => (position < 2 * stops.length - 1 ? go(position + 1) : play()), SPEED);
  $("play").textContent = playing === null ? "Play" : "Pause";
  $("play").setAttribute("aria-label", playing === null ? "Play" : "Pause");
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").textContent = dark ? "Light" : "Dark";
  if (items.length) drawRows();
}

const actions = {
  first: () => go(0),
  back: () => go(position - 1),
  forward: () => go(position + 1),
  last: () => go(2 * stops.length - 1),
  play,
  fold: () => {
    const open = !folds.some((node) => node.open);
    refold(() => folds.forEach((node) => (node.open = open)));
  },
  theme: () => setTheme(document.documentElement.dataset.theme !== "dark"),
};
for (const [id, action] of Object.entries(actions)) $(id).addEventListener("click", action);
$("slider").addEventListener("input", () => go(Number($("slider").value)));
$("tape").addEventListener("scroll", () => requestAnimationFrame(drawRows));
window.addEventListener("resize", drawRows);
for (const sentence of data.findings) $("findings").append(element("p", {}, sentence));
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
prefersDark.addEventListener("change", (event) => setTheme(event.matches));

document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.ctrlKey || event.altKey || event.metaKey || (at.id === "slider" && event.key !== " ")) return;
  const onButton = at.tagName === "BUTTON" || at.tagName === "SUMMARY";
  const action = {
    ArrowRight: actions.forward, ArrowDown: actions.forward, ArrowLeft: actions.back, ArrowUp: actions.back,
    Home: actions.first, End: actions.last,
    " ": onButton ? null : play,
    Enter: onButton ? null : () => toggle(items[currentItem()]),
  }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
const toggle = (node) => node.parts && refold(() => (node.open = !node.open));

// A small graph starts open, but for repetitions; of a large one, everything is folded.
if (data.rows.length <= 60) for (const node of folds) node.open = node.steps.length < 40;
setTheme(prefersDark.matches);
unfold();
show();
