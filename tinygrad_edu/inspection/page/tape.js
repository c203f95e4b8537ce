// The column of rows: folds, the time line's stops, lanes, and what is in sight of them.

// --- the tree of folds, and its visible items ---

let folds = [];
function plant(part, parent, depth) {
  if (typeof part === "number") return { row: part, parent, depth };
  const [label, ...parts] = part;
  const node = { label, parent, depth, open: false };
  folds.push(node);
  node.parts = parts.map((inner) => plant(inner, node, depth + 1));
  return node;
}
const tree = data.fold.map((part) => plant(part, null, 0));

function rowsIn(node) {
  return node.parts ? node.parts.flatMap(rowsIn) : [node.row];
}
const isStep = (row) => !data.rows[row].leaf;
for (const node of folds) node.steps = rowsIn(node).filter(isStep);

let items = []; // the visible rows, from top to bottom
let itemOf = []; // row of the trace -> its item, or that of the fold it is hidden in
let stops = []; // the items that the time line stops at: those that compute something
let position = 0; // 0 ... n-1 the forward, n ... 2n-1 the backward
let looked = null; // an item that was clicked at and is no stop, such as a leaf

function unfold() {
  items = [];
  const visit = (node) => {
    items.push(node);
    if (node.parts && node.open) node.parts.forEach(visit);
    else for (const row of node.parts ? rowsIn(node) : [node.row]) itemOf[row] = items.length - 1;
  };
  tree.forEach(visit);
  stops = [];
  items.forEach((item, i) => {
    if (item.parts ? !item.open && item.steps.length : isStep(item.row)) stops.push(i);
  });
  $("slider").max = 2 * stops.length - 1;
  layLanes();
  $("rows").style.height = `${items.length * HEIGHT}px`;
  const anyOpen = folds.some((node) => node.open);
  $("fold").textContent = anyOpen ? "Fold all" : "Open all";
  $("fold").hidden = !folds.length;
}

const isBackward = () => position >= stops.length;
const stopAt = (p) => stops[p < stops.length ? p : 2 * stops.length - 1 - p];
const currentItem = () => looked ?? stopAt(position);

// Open or fold, and stay at the step that was current, and at the leaf that was clicked at.
function refold(change) {
  const backward = isBackward();
  const rowOf = (node) => {
    const rows = node.parts ? (node.steps.length ? node.steps : rowsIn(node)) : [node.row];
    return rows[backward ? rows.length - 1 : 0];
  };
  const step = rowOf(items[stopAt(position)]);
  const leaf = looked === null ? null : rowOf(items[looked]);
  change();
  unfold();
  goToItem(itemOf[step], backward);
  if (leaf !== null) goToItem(itemOf[leaf], backward);
}

function goToItem(i, backward) {
  const k = stops.indexOf(i);
  if (k < 0) looked = i;
  else {
    looked = null;
    position = backward ? 2 * stops.length - 1 - k : k;
  }
  show();
}

function go(p) {
  looked = null;
  position = Math.max(0, Math.min(2 * stops.length - 1, p));
  show();
}

// --- lanes, as a version history has them ---

let lanes = []; // of each item: its lane, its inputs' items, and the last item that uses it
let width = 0;

function layLanes() {
  lanes = items.map(() => ({ lane: 0, inputs: new Map(), last: -1 }));
  data.rows.forEach((row, r) => {
    if (row.leaf) return;
    for (const input of row.inputs) {
      if (input.row === null || itemOf[input.row] === itemOf[r]) continue;
      const flows = input.gradient !== null || lanes[itemOf[r]].inputs.get(itemOf[input.row]);
      lanes[itemOf[r]].inputs.set(itemOf[input.row], Boolean(flows));
      lanes[itemOf[input.row]].last = Math.max(lanes[itemOf[input.row]].last, itemOf[r]);
    }
  });
  const busyUntil = []; // of each lane
  lanes.forEach((item, i) => {
    let lane = busyUntil.findIndex((until) => until <= i);
    if (lane < 0) lane = busyUntil.length;
    item.lane = lane;
    busyUntil[lane] = item.last > i ? item.last : i;
  });
  const most = Math.max(1, busyUntil.length);
  const step = Math.min(14, 170 / most); // very many share the room
  lanes.forEach((item) => (item.x = 14 + item.lane * step));
  width = 14 + most * step + 8;
}

function drawLanes(first, end) {
  const canvas = $("lanes");
  const scale = window.devicePixelRatio || 1;
  const height = (end - first) * HEIGHT;
  canvas.width = width * scale;
  canvas.height = height * scale;
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px`, top: `${first * HEIGHT}px` });
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const [ink, faint, accent, page] = ["--ink", "--wire", "--accent", "--page"].map((name) => style.getPropertyValue(name));
  const y = (i) => (i - first + 0.5) * HEIGHT;
  const current = currentItem();
  const wire = (from, to, colour, thick) => {
    const [x0, x1] = [lanes[from].x, lanes[to].x];
    pen.strokeStyle = colour;
    pen.lineWidth = thick;
    pen.beginPath();
    pen.moveTo(x0, y(from));
    pen.lineTo(x0, Math.max(y(from), y(to) - HEIGHT));
    pen.bezierCurveTo(x0, y(to) - HEIGHT / 2, x1, y(to) - HEIGHT / 2, x1, y(to));
    pen.stroke();
  };
  lanes.forEach((item, to) => {
    for (const from of item.inputs.keys()) if (from < end && to >= first) wire(from, to, faint, 1.5);
  });
  for (const [from, flows] of lanes[current].inputs) if (flows || !isBackward()) wire(from, current, accent, 2.5);
  for (let i = first; i < end; i++) {
    if (items[i].open) continue; // its rows are below
    const [x, r] = [lanes[i].x, i === current ? 6 : 4.5];
    pen.beginPath();
    if (items[i].parts) pen.rect(x - r, y(i) - r, 2 * r, 2 * r);
    else if (isStep(items[i].row)) pen.arc(x, y(i), r, 0, 7);
    else [[0, -r - 1], [r + 1, 0], [0, r + 1], [-r - 1, 0]].forEach(([dx, dy]) => pen.lineTo(x + dx, y(i) + dy));
    pen.closePath();
    pen.fillStyle = i === current ? accent : stateOf(i) === "later" ? page : ink;
    pen.strokeStyle = i === current ? accent : ink;
    pen.lineWidth = 1.2;
    pen.fill();
    pen.stroke();
  }
}

// --- the rows in sight ---

function stateOf(i) {
  const item = items[i];
  const now = stopAt(position);
  if (!isBackward()) return i <= now ? "" : "later";
  if (item.parts) return item.open || i < now ? "" : "done";
  const row = data.rows[item.row];
  const reached = (r) => itemOf[r] >= now;
  if (row.leaf) return row.arrived.length && row.arrived.every(([r]) => reached(r)) ? "done" : "";
  return reached(item.row) ? "done" : "";
}

const isBroken = (array) => array && array.statistics[6] + array.statistics[7] > 0;
const isBadRow = (row) => isBroken(row.value) || (isBackward() && isBroken(row.gradient));
const isBad = (item) => (item.parts ? !item.open && item.steps.some((r) => isBadRow(data.rows[r])) : isBadRow(data.rows[item.row]));

// |G| of a row that the backward has walked: how it shrinks or grows is seen at a glance.
function normText(i) {
  const gradient = stateOf(i) === "done" && !items[i].parts ? data.rows[items[i].row].gradient : null;
  if (!gradient) return "";
  return isBroken(gradient) ? "|G| not finite" : `|G| ${Number(gradient.statistics[4]).toPrecision(2)}`;
}

function about(item) {
  if (item.parts) return stepsText(item);
  const row = data.rows[item.row];
  const one = row.value && row.value.cells.length === 1 && !row.value.shape.length;
  const shape = one ? `= ${number(row.value.cells[0])}` : row.value ? shapeText(row.value.shape) : "";
  return [shape, row.leaf ? "" : row.place].filter(Boolean).join("  ");
}

function drawRows() {
  const tape = $("tape");
  const first = Math.max(0, Math.floor(tape.scrollTop / HEIGHT) - 6);
  const end = Math.min(items.length, Math.ceil((tape.scrollTop + tape.clientHeight) / HEIGHT) + 6);
  $("rows").querySelectorAll(".row").forEach((old) => old.remove());
  const current = currentItem();
  for (let i = first; i < end; i++) {
    const item = items[i];
    const kind = item.parts ? (item.open ? "open" : "folded") : "";
    const made = element(
      "div",
      {
        class: `row ${stateOf(i)} ${kind} ${isBad(item) ? "bad" : ""} ${i === current ? "current" : ""}`,
        id: `item-${i}`,
        role: "option",
        "aria-selected": i === current,
        "aria-setsize": items.length,
        "aria-posinset": i + 1,
        style: `top:${i * HEIGHT}px;padding-left:${width + 16 * item.depth}px`,
        onclick: () => clicked(i),
      },
      element("span", { class: "name" }, item.parts ? item.label : data.rows[item.row].label),
      element("span", { class: "about" }, about(item)),
      element("span", { class: "size" }, normText(i)),
    );
    $("rows").append(made);
  }
  drawLanes(first, end);
  tape.setAttribute("aria-activedescendant", `item-${current}`);
}

// A click chooses a row; on a fold that is chosen already, or open, it opens or folds.
function clicked(i) {
  const node = items[i];
  if (node.open || i === currentItem()) toggle(node);
  else goToItem(i, isBackward());
}

function scrollToCurrent() {
  const [tape, top] = [$("tape"), currentItem() * HEIGHT];
  if (top < tape.scrollTop + HEIGHT) tape.scrollTop = top - 2 * HEIGHT;
  else if (top + 2 * HEIGHT > tape.scrollTop + tape.clientHeight) tape.scrollTop = top + 3 * HEIGHT - tape.clientHeight;
}
