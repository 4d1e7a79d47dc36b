"use strict";
// The picture of a grid: point at a unit to see its parents, pin it to see its weights and correlations.
const units = document.getElementById("units");
const panel = document.getElementById("panel");
const told = document.getElementById("told");
const MARK = "#D55E00";
const MIDDLE = [[0, "#2166AC"], [0.25, "#92C5DE"], [0.5, "#F7F7F7"], [0.75, "#F4A582"], [1, "#B2182B"]]; // RdBu
let grid = null, layer = null, current = null, pinned = null;

const place = (u) => [Math.floor(u / grid.width), u % grid.width];
const written = (u) => `(${place(u).join(", ")})`;
const short = (value) => String(Number(value.toPrecision(4)));
const parents = (u) => grid.parents[u].map(written).join(", ") || "none";

function rows(values) {
  return Array.from({ length: grid.height }, (_, y) => values.slice(y * grid.width, (y + 1) * grid.width));
}

function picture(values, label, text, more) {
  return {
    type: "heatmap", z: rows(values), text: rows(text), hovertemplate: "%{text}<extra></extra>", xgap: 1, ygap: 1,
    colorbar: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", thickness: 12, len: 0.9, tickformat: ".3~g", title: { text: label, side: "bottom", font: { size: 12 } } },
    ...more,
  };
}

function layout(place) {
  const free = { constrain: "domain", showgrid: false, zeroline: false, fixedrange: true, tickformat: "d" };
  const step = Math.max(grid.width, grid.height) <= 16 ? { dtick: 1 } : {};
  const wide = place.clientWidth - 60;
  const high = Math.min(Math.max((wide * grid.height) / grid.width, 120), 440);
  return {
    height: high + 122, margin: { l: 48, r: 12, t: 8, b: 114 }, dragmode: false, showlegend: false, hovermode: "closest",
    xaxis: { ...free, ...step, title: { text: "x (units)" }, range: [-0.5, grid.width - 0.5] },
    yaxis: { ...free, ...step, title: { text: "y (units)" }, range: [grid.height - 0.5, -0.5], scaleanchor: "x" },
  };
}

// Lines from a unit to its parents, over a white line that keeps them apart from any colour beneath.
function links(u) {
  const [y, x] = place(u);
  const ends = grid.parents[u].map(place);
  return [ends.flatMap((end) => [x, end[1], null]), ends.flatMap((end) => [y, end[0], null])];
}

function marks() {
  const points = (us) => ({ x: us.map((u) => place(u)[1]), y: us.map((u) => place(u)[0]) });
  const [x, y] = links(current);
  const above = grid.parents[current], own = [current], kept = pinned === null ? [] : [pinned];
  const size = Math.min(Math.max((0.5 * units.clientWidth) / grid.width, 6), 16);
  const open = (symbol, color, width) => ({ symbol, color, size, line: { color, width } });
  const common = { type: "scatter", hoverinfo: "skip" };
  return [
    { ...common, mode: "lines", x, y, line: { color: "#FFFFFF", width: 5 } },
    { ...common, mode: "markers", ...points(above), marker: open("circle-open", "#FFFFFF", 6) },
    { ...common, mode: "lines", x, y, line: { color: MARK, width: 2 } },
    { ...common, mode: "markers", ...points(above), marker: open("circle-open", MARK, 3) },
    { ...common, mode: "markers", ...points(own), marker: open("square-open", "#FFFFFF", 7) },
    { ...common, mode: "markers", ...points(own), marker: open("square-open", MARK, 3) },
    { ...common, mode: "markers", ...points(kept), marker: open("x-thin-open", "#FFFFFF", 7) },
    { ...common, mode: "markers", ...points(kept), marker: open("x-thin-open", "#000000", 3) },
  ];
}

async function draw() {
  const text = layer.values.map((value, u) =>
    `unit ${written(u)} (y, x)<br>${layer.name} ${short(value)}<br>parents ${wrapped(parents(u))}`);
  const shown = picture(layer.values, layer.label, text, { colorscale: "Cividis" });
  const first = !units.data; // Plotly's events exist once there is a plot
  // Without a delay, two quick clicks are two clicks, not a double click that pins nothing.
  await plot(units, [shown, ...marks()], layout(units), { doubleClick: false, doubleClickDelay: 0 });
  if (!first) return;
  units.on("plotly_hover", (event) => { if (!keyed) show(under(event)); });
  units.on("plotly_unhover", () => { if (!keyed && pinned !== null) show(pinned); });
  units.on("plotly_click", (event) => { pin(at(event.event)); units.focus({ preventScroll: true }); });
}

function wrapped(list) { // three parents a line: a label fits on a phone
  return list.replace(/((?:\([^)]*\), ){3})(?=.)/g, "$1<br>");
}

function show(u) {
  if (u === current) return;
  current = u;
  const found = marks();
  const all = (name) => found.map((trace) => trace[name]);
  Plotly.restyle(units, { x: all("x"), y: all("y") }, found.map((_, index) => index + 1));
  tell();
}

function label() { // the keyboard's unit gets the label that it has under a pointer
  const [y, x] = place(current);
  Plotly.Fx.hover(units, { xval: x, yval: y });
}

function tell() {
  const values = grid.layers.map((one) => `${one.name} ${short(one.values[current])}`).join("; ");
  const pin = current === pinned ? ", pinned" : "";
  told.textContent = `Unit ${written(current)} (y, x)${pin}: ${values}; parents ${parents(current)}.`;
}

// The pinned unit

function pin(u) {
  pinned = u;
  current = u ?? current;
  draw();
  tell();
  fill();
}

function fill() {
  panel.replaceChildren();
  if (pinned === null) {
    panel.append(element("p", "No unit is pinned. Its weights, its correlation with all others and what exports it show here."));
    return;
  }
  const u = pinned;
  panel.append(element("h3", `Unit ${written(u)} (y, x)`));
  panel.append(weights(u));
  const own = grid.own[u].map(short).join(", ");
  panel.append(element("p", `diagonal of its own factor S: ${own}`, { id: "own" }), element("p", `gain ${short(grid.gain[u])}`));
  panel.append(element("h3", "Correlation with every unit"));
  panel.append(element("p", grid.how, { id: "how" }));
  if (grid.correlation !== null) {
    const box = panel.appendChild(element("div", "", { id: "correlation" }));
    const values = correlation(u);
    const most = Math.max(0.05, ...values.filter((_, v) => v !== u).map(Math.abs)); // its own 1 would make all others pale
    const text = values.map((value, v) => `unit ${written(v)}<br>correlation ${value.toFixed(3)}`);
    const more = { colorscale: MIDDLE, zmin: -most, zmid: 0, zmax: most };
    const [y, x] = place(u);
    const mark = { type: "scatter", mode: "markers", x: [x], y: [y], hoverinfo: "skip", marker: { symbol: "x-thin-open", color: "#000000", size: 10, line: { width: 3 } } };
    plot(box, [picture(values, "correlation, mean over channels", text, more), mark], layout(box));
  }
  panel.append(element("h3", "Take it along"));
  const [y, x] = place(u);
  line("shell", `every unit, this one with "id": ${u}:`, grid.commands.shell);
  line("python", "this unit in Python:", grid.commands.python.replace("{y}", y).replace("{x}", x));
}

function weights(u) {
  const box = element("div", "", { class: "list", tabindex: "0", role: "region", "aria-label": "weights on its parents" });
  if (!grid.parents[u].length) { box.append(element("p", "It has no parents: its noise is its own.")); return box; }
  const table = box.appendChild(element("table", "", { id: "weights" }));
  const head = table.createTHead().insertRow();
  head.append(element("th", "parent (y, x)", { scope: "col" }), element("th", "‖B‖ of its block (Frobenius)", { scope: "col" }));
  const body = table.createTBody();
  grid.parents[u].forEach((parent, k) => {
    body.insertRow().append(element("td", written(parent)), element("td", short(grid.norms[u][k]), { class: "number" }));
  });
  return box;
}

function line(name, say, text) {
  panel.append(element("p", say), element("pre", text, { id: name }));
  panel.append(element("button", "Copy", { type: "button", class: "copy", "data-copy": text, "aria-label": `Copy the ${name} line` }));
}

function correlation(u) {
  grid.unpacked ??= new Int16Array(Uint8Array.from(atob(grid.correlation), (c) => c.charCodeAt(0)).buffer);
  return grid.parents.map((_, v) => {
    const [low, high] = u < v ? [u, v] : [v, u];
    return grid.unpacked[(high * (high + 1)) / 2 + low] / 1000;
  });
}

// Choosing

const grids = document.getElementById("grid"), layers = document.getElementById("layer");
data.grids.forEach((one, index) => grids.append(element("option", one.label, { value: index })));

function choose() {
  grid = data.grids[grids.value];
  document.getElementById("notes").replaceChildren(...(grid.problem ? [grid.problem] : grid.notes).map((note) => element("li", note)));
  const broken = Boolean(grid.problem);
  document.querySelector(".explorer").hidden = layers.disabled = broken;
  if (broken) return;
  const wanted = layer?.name;
  layers.replaceChildren(...grid.layers.map((one) => element("option", one.name, { value: one.name })));
  layer = grid.layers.find((one) => one.name === wanted) ?? grid.layers[0];
  layers.value = layer.name;
  pinned = current = central();
  draw();
  tell();
  fill();
}

function central() { // the unit nearest to the middle that has parents
  const [y, x] = [Math.floor(grid.height / 2), Math.floor(grid.width / 2)];
  const away = (u) => Math.hypot(place(u)[0] - y, place(u)[1] - x);
  const linked = grid.parents.map((_, u) => u).filter((u) => grid.parents[u].length);
  return linked.length ? linked.reduce((one, u) => (away(u) < away(one) ? u : one)) : y * grid.width + x;
}

grids.addEventListener("change", choose);
layers.addEventListener("change", () => {
  layer = grid.layers.find((one) => one.name === layers.value);
  draw();
});

// Pointer and keyboard

const under = (event) => event.points[0].y * grid.width + event.points[0].x;
function at(event) { // for a quick click or a tap, Plotly names the unit pointed at before: where it was tells
  const box = units.querySelector(".nsewdrag").getBoundingClientRect();
  const y = Math.floor(((event.clientY - box.top) / box.height) * grid.height);
  const x = Math.floor(((event.clientX - box.left) / box.width) * grid.width);
  return within(y, grid.height) * grid.width + within(x, grid.width);
}
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const within = (value, size) => Math.min(Math.max(value, 0), size - 1);

// Plotly repeats the last move of a resting pointer whenever it draws: that would undo the keys. So the pointer counts
// as gone until it moves again.
let keyed = false, rests = "";
units.addEventListener("mousemove", (event) => {
  const now = `${event.clientX} ${event.clientY}`;
  if (keyed && now === rests) event.stopPropagation();
  else [keyed, rests] = [false, now];
}, { capture: true });

units.addEventListener("keydown", (event) => {
  keyed = true;
  units.querySelector(".nsewdrag").dispatchEvent(new MouseEvent("mouseout"));
  const step = STEPS[event.key];
  if (step) {
    const [y, x] = place(current);
    show(within(y + step[0], grid.height) * grid.width + within(x + step[1], grid.width));
    label();
  } else if (event.key === "Enter") pin(current);
  else if (event.key === "Escape") pin(null);
  else return;
  event.preventDefault();
});

choose();
