// Pictures of arrays.

// --- an array: statistics, some of its entries, histogram ---

function picture(array, options = {}) {
  const list = element("dl", { class: "statistics" });
  STATISTICS.forEach((name, i) => {
    const value = array.statistics[i];
    if ((name === "NaN" || name === "infinite") && !value) return;
    if (value === "NaN" || (name === "norm" && !array.bins.length)) return; // nothing is finite
    const shown = name === "zeros" ? `${number(100 * value)}%` : number(value);
    const bad = name === "NaN" || name === "infinite" ? "bad" : null;
    list.append(element("div", {}, element("dt", {}, name), element("dd", { class: bad, "data-name": name }, shown)));
  });
  const parts = [element("p", { class: "where numbers" }, `${shapeText(array.shape)} ${array.dtype}`)];
  if (!options.small && array.shape.length) parts.push(list); // of a single number, the number is enough
  if (!array.cells.length) return parts;
  const note = options.small ? "" : element("p", { class: "faint" }, pickedText(array));
  const entry = element("div", { class: "entry", "aria-live": "polite" });
  if (!array.shape.length) entry.replaceChildren(...entryText(array, [], 0, measuredOf(options), options));
  const bars = options.small || !array.shape.length || !array.bins.length ? "" : histogram(array);
  parts.push(entry, element("div", { class: "pictures" }, heatMap(array, entry, options), bars), note);
  if (options.unmeasured) parts.push(element("p", { class: "faint" }, `Nothing was measured here: ${options.unmeasured}.`));
  return parts;
}

function pickedText(array) {
  const [columns, all] = [array.shape.at(-1) ?? 1, array.shape.reduce((a, b) => a * b, 1)];
  const rows = all / columns;
  const scale = `Strongest colour: ${number(largest(array))}.`;
  if (array.cells.length === all) return scale;
  return `${scale} Sampled down: ${array.rows.length} of ${rows.toLocaleString("en")} rows (all axes but the last), ` +
    `${array.columns.length} of ${columns.toLocaleString("en")} columns, evenly spaced. Statistics and histogram are of all.`;
}

const finite = (values) => values.filter((value) => typeof value === "number");
const largest = (array) => Math.max(...finite(array.cells).map(Math.abs), 0);

function heatMap(array, entry, options) {
  const [rows, columns, top] = [array.rows.length, array.columns.length, largest(array)];
  const side = options.small ? 6 : Math.max(8, Math.min(18, Math.floor(330 / columns), Math.floor(260 / rows)));
  const grid = element("div", {
    class: "grid",
    role: "grid",
    "aria-label": `${rows} by ${columns} numbers`,
    style: `--side:${side}px;grid-template-columns:repeat(${columns},minmax(0,${side}px))`,
  });
  const measured = measuredOf(options);
  const cells = array.cells.map((value, k) => {
    const index = indexOf(array, Math.floor(k / columns), k % columns);
    const found = measured.get(index.join());
    return element("button", {
      class: `cell${found ? " measured" : ""}`,
      role: "gridcell",
      tabindex: k ? -1 : 0,
      "aria-label": `entry (${index.join(", ")}): ${number(value)}${found ? ", measured" : ""}`,
      style: `background:${colour(value, top)}`,
      onclick: () => choose(k),
    });
  });
  const choose = (k) => {
    cells.forEach((cell, j) => {
      cell.tabIndex = j === k ? 0 : -1;
      cell.setAttribute("aria-selected", j === k);
    });
    const index = indexOf(array, Math.floor(k / columns), k % columns);
    entry.replaceChildren(...entryText(array, index, k, measured, options));
  };
  grid.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation(); // the arrows are the picture's here, not the time line's
    const k = cells.indexOf(document.activeElement) + step;
    if (cells[k]) {
      choose(k);
      cells[k].focus();
    }
  });
  for (let i = 0; i < rows; i++) {
    grid.append(element("div", { role: "row", style: "display:contents" }, ...cells.slice(i * columns, (i + 1) * columns)));
  }
  return grid;
}

const measuredOf = (options) => new Map((options.measured || []).map((m) => [m[0].join(), m]));

function entryText(array, index, k, measured, options) {
  const found = measured.get(index.join());
  const parts = [`entry (${index.join(", ")}): `, element("b", { class: "numbers" }, number(array.cells[k]))];
  if (options.beside) parts.push(", and its gradient G: ", element("b", { class: "numbers" }, number(options.beside.cells[k])));
  if (options.measured && !found) parts.push(options.measured.length ? ". Not measured; those with a dot were." : ".");
  if (found) {
    const [, analytic, difference, left, right, kink] = found;
    const top = Math.max(Math.abs(array.statistics[2]), Math.abs(array.statistics[3]));
    const close = Math.abs(analytic - difference) <= 1e-3 * top + options.rounding;
    parts.push(" by the backward; by differences ", element("b", { class: "numbers" }, number(difference)));
    if (kink) parts.push(`: a kink, ${number(left)} from the left and ${number(right)} from the right, so there is no derivative`);
    else if (close) parts.push(". They agree, to a thousandth of the largest entry or the rounding of G.");
    else parts.push(element("b", { class: "bad" }, `. They do NOT agree: apart by ${number(Math.abs(analytic - difference))}.`));
  }
  return [element("span", {}, ...parts)];
}

function indexOf(array, i, j) {
  let flat = array.rows[i] * (array.shape.at(-1) ?? 1) + array.columns[j];
  const index = [];
  for (const n of [...array.shape].reverse()) {
    index.unshift(flat % n);
    flat = Math.floor(flat / n);
  }
  return index;
}

function colour(value, top) {
  if (typeof value !== "number") return "var(--broken)";
  const share = top ? Math.round(100 * Math.sqrt(Math.abs(value) / top)) : 0; // the root, so that small ones show
  return `color-mix(in srgb, var(${value < 0 ? "--negative" : "--positive"}) ${share}%, var(--zero))`;
}

function histogram(array) {
  const [w, h] = [216, 58];
  const most = Math.max(...array.bins, 1);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const draw = (name, attributes, text = "") => {
    const made = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    svg.append(made);
  };
  const told = `Histogram from ${number(array.statistics[2])} to ${number(array.statistics[3])}`;
  for (const [key, value] of Object.entries({ class: "histogram", width: w, height: h + 16, role: "img", "aria-label": told })) {
    svg.setAttribute(key, value);
  }
  array.bins.forEach((n, i) => {
    const tall = (h * n) / most;
    draw("rect", { x: i * 9, y: h - tall, width: 8, height: tall });
  });
  draw("text", { x: 0, y: h + 13 }, number(array.statistics[2]));
  draw("text", { x: w, y: h + 13, "text-anchor": "end" }, number(array.statistics[3]));
  return svg;
}
