"use strict";
// What the trace saw; see data_of() in player.py.
const data = JSON.parse(document.getElementById("data").textContent);
const HEIGHT = 30; // of a row, in pixels
const SPEED = 800; // milliseconds of a step when it plays
const STATISTICS = ["mean", "std", "smallest", "largest", "norm", "zeros", "NaN", "infinite"];
const $ = (id) => document.getElementById(id);

// One element; text never becomes HTML, whatever names and source lines hold.
function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value);
  }
  made.append(...content.filter((part) => part !== null && part !== ""));
  return made;
}

// --- numbers as text ---

const stepsText = (node) => `${node.steps.length.toLocaleString("en")} step${node.steps.length === 1 ? "" : "s"}`;

const shapeText = (shape) => (shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`);

function number(value) {
  if (typeof value !== "number") return value;
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(3).replace("e+", "e");
  return String(Number(value.toPrecision(5)));
}

function bytes(n) {
  const units = ["B", "kB", "MB", "GB"];
  let k = 0;
  for (; n >= 1000 && k < 3; k++) n /= 1000;
  return `${k ? n.toFixed(1) : n} ${units[k]}`;
}

const time = (seconds) => (seconds < 1e-3 ? `${number(1e6 * seconds)} µs` : `${number(1e3 * seconds)} ms`);
