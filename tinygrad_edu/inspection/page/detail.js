// What is told of the current row.

// --- the current step ---

function show() {
  scrollToCurrent();
  drawRows();
  $("slider").value = position;
  const [status, spoken] = sentence();
  $("status").replaceChildren(...status);
  $("slider").setAttribute("aria-valuetext", spoken);
  const item = items[currentItem()];
  $("detail").replaceChildren(...(item.parts ? foldDetail(item) : rowDetail(item.row)));
  $("detail").scrollTop = 0;
}

function sentence() {
  const n = stops.length;
  const phase = isBackward() ? "Backward" : "Forward";
  const count = `${(isBackward() ? position - n : position) + 1} of ${n}`;
  const item = items[currentItem()];
  let what;
  if (item.parts) what = `${item.label}, ${stepsText(item)}`;
  else {
    const row = data.rows[item.row];
    const module = row.module ? ` in ${row.module}` : "";
    if (row.leaf) what = `${row.label}, a leaf of shape ${shapeText(row.value.shape)}`;
    else if (!isBackward()) what = `${row.label}${module} computes ${row.value ? shapeText(row.value.shape) : "its results"}`;
    else {
      const names = row.inputs.filter((x) => x.gradient).map((x) => `dL/d(${inputName(x)})`);
      what = `${row.label}${module} turns G into ${names.join(", ") || "nothing"}`;
    }
  }
  return [[element("b", {}, phase), ` ${count}: ${what}`], `${phase} ${count}: ${what}`];
}

function foldDetail(node) {
  const counts = new Map();
  for (const row of node.steps) counts.set(data.rows[row].label, (counts.get(data.rows[row].label) || 0) + 1);
  const steps = node.steps.map((row) => data.rows[row]);
  const total = (name) => steps.reduce((sum, step) => sum + step[name], 0);
  const last = steps[steps.length - 1];
  return [
    element("h2", {}, node.label),
    element("p", {}, element("button", { onclick: () => refold(() => (node.open = true)) }, "Open it (Enter)")),
    element("p", {}, [...counts].map(([name, n]) => (n > 1 ? `${n.toLocaleString("en")} x ${name}` : name)).join(", ")),
    element("p", { class: "faint" }, `The tape held ${bytes(total("held"))} for it; its backwards took ${time(total("seconds"))}.`),
    ...(last && last.value ? [element("h3", {}, "What it computes last"), ...picture(last.value)] : []),
    ...(isBackward() && last && last.gradient ? [element("h3", {}, "G, which comes in there"), ...picture(last.gradient)] : []),
  ];
}

function rowDetail(r) {
  const row = data.rows[r];
  return row.leaf ? leafDetail(row) : stepDetail(row);
}

function leafDetail(row) {
  const parts = [element("h2", {}, row.label), element("p", { class: "where faint" }, `a leaf${row.module ? ` of ${row.module}` : ""}`)];
  parts.push(element("h3", {}, "Values"), ...picture(row.value, { beside: isBackward() ? row.gradient : null }));
  if (!isBackward()) parts.push(later());
  else if (!row.gradient) parts.push(element("p", {}, "No gradient arrived here."));
  else parts.push(...arrivals(row, `dL/d(${row.label})`));
  return parts;
}

function stepDetail(row) {
  const where = [row.module, row.place].filter(Boolean).join(", ");
  const parts = [element("h2", {}, row.label), element("p", { class: "where faint" }, where)];
  if (data.texts[row.line]) parts.push(element("pre", { class: "line" }, data.texts[row.line]));
  if (data.texts[row.formula]) parts.push(element("pre", { class: "formula" }, data.texts[row.formula]));
  if (isBackward()) parts.push(...backwardDetail(row)); // what is new comes first
  parts.push(element("h3", {}, "Inputs"), ...row.inputs.map(inputLine));
  if (row.value) {
    parts.push(element("h3", {}, "Output"), ...picture(row.value, { beside: isBackward() ? row.gradient : null }));
  } else parts.push(element("p", { class: "faint" }, "It has several results, each with a row of its own below."));
  if (!isBackward()) parts.push(later());
  if (data.texts[row.code]) {
    parts.push(element("h3", {}, "The lines of the operation"), element("pre", { class: "code" }, data.texts[row.code]));
  }
  parts.push(element("p", { class: "faint cost" }, `The tape held ${bytes(row.held)} for it; its backward took ${time(row.seconds)}.`));
  return parts;
}

const later = () => element("p", { class: "faint" }, "Its gradients come in the backward.");

function inputLine(input) {
  const from = input.row === null ? "a constant" : rowLink(input.row);
  const line = element("p", { class: "where" }, element("b", {}, input.name || "input"), ` ${shapeText(input.shape)}, `, from);
  if (input.row !== null) return line;
  return element("details", {}, element("summary", {}, line.textContent), ...picture(input.value));
}

function rowLink(r) {
  const show = () => {
    for (let node = nodeOf(r).parent; node; node = node.parent) node.open = true;
    refold(() => {});
    goToItem(itemOf[r], isBackward());
  };
  return element("button", { class: "link", onclick: show }, data.rows[r].label);
}

function nodeOf(r) {
  const search = (nodes) => {
    for (const node of nodes) {
      const found = node.parts ? search(node.parts) : node.row === r ? node : null;
      if (found) return found;
    }
    return null;
  };
  return search(tree);
}

function backwardDetail(row) {
  const parts = row.gradient ? arrivals(row, "G = dL/d(output)") : [];
  for (const input of row.inputs) {
    if (!input.gradient) continue;
    parts.push(element("h3", {}, `dL/d(${inputName(input)}), through this step`));
    if (input.summed.length) {
      const axes = `ax${input.summed.length > 1 ? "es" : "is"} ${input.summed.join(", ")}`;
      parts.push(element("p", { class: "faint" }, `Broadcasting had repeated it, so this is a sum over ${axes} of the output.`));
    }
    const options = { measured: input.measured, unmeasured: row.unmeasured, rounding: 1e-6 * normOf(row) };
    parts.push(...picture(input.gradient, options));
  }
  return parts;
}

// |G|, or of an operation with several results that of all their gradients together: float32 rounds to 1e-7 of it.
function normOf(row) {
  const given = row.gradient ? [row] : row.arrived.map(([r]) => data.rows[r]);
  return given.reduce((sum, each) => sum + each.gradient.statistics[4], 0);
}

// What came in; where paths met, each addend and the sum.
function arrivals(row, name) {
  const parts = [element("h3", {}, name)];
  if (row.arrived.length > 1) {
    parts.push(element("p", {}, `${row.arrived.length} paths meet here, and their gradients are added:`));
    for (const [r, k] of row.arrived.slice(0, 6)) {
      const line = element("p", { class: "where" }, "+ from ", rowLink(r));
      parts.push(element("div", { class: "addend" }, line, ...picture(data.rows[r].inputs[k].gradient, { small: true })));
    }
    if (row.arrived.length > 6) parts.push(element("p", {}, `and ${row.arrived.length - 6} more`));
    parts.push(element("p", {}, "= the sum:"));
  } else if (row.arrived.length) parts.push(element("p", { class: "where faint" }, "from ", rowLink(row.arrived[0][0])));
  else parts.push(element("p", { class: "faint" }, "The walk begins here."));
  return [...parts, ...picture(row.gradient)];
}

const inputName = (input) => input.name || (input.row !== null ? data.rows[input.row].label : "input");
