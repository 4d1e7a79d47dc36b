"use strict";
// Draws the figures, sorts the table, copies commands. The explorer, in explorer.js, uses `data`, `plot` and `element`.
const data = JSON.parse(document.getElementById("data").textContent);
const CONFIG = { responsive: true, displayModeBar: false };
const touched = matchMedia("(pointer: coarse)").matches; // there, a drag scrolls the page, not a figure

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text; // never HTML: texts are the user's
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function template() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--rule"), linecolor: colour("--soft"), zerolinecolor: colour("--rule") };
  return {
    layout: {
      font: { family: "system-ui, sans-serif", size: 13, color: colour("--ink") },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 56, r: 16, t: 24, b: 48 },
      hoverlabel: { align: "left", font: { family: "system-ui, sans-serif" } },
      xaxis: axis,
      yaxis: axis,
    },
  };
}

const drawn = new Set();
function plot(place, traces, layout, config = {}) {
  drawn.add(place);
  const drag = touched ? { dragmode: false } : {};
  return Plotly.react(place, traces, { ...drag, ...layout, template: template() }, { ...CONFIG, ...config });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const place of drawn) if (place.isConnected) Plotly.relayout(place, { template: template() });
});

for (const [name, figure] of Object.entries(data.figures)) {
  plot(document.getElementById(name), figure.data, figure.layout);
}

// The table

function key(row, column) {
  const cell = row.cells[column];
  return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}

function sort(heading) {
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentNode.children) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = heading.closest("table").tBodies[0];
  const rows = [...body.rows].map((row) => [key(row, heading.cellIndex), row]);
  rows.sort(([one], [other]) => {
    if (one === "" || other === "") return (one === "") - (other === ""); // what is missing comes last either way
    return down ? compare(other, one) : compare(one, other);
  });
  body.append(...rows.map(([, row]) => row));
}

// Copying

const status = document.body.appendChild(element("div", "", { role: "status", class: "unseen" }));

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // no clipboard for files in some browsers
    const field = document.body.appendChild(element("textarea", text, { class: "unseen" }));
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (button?.matches(".sort")) sort(button.closest("th"));
  if (button?.matches(".copy")) {
    const done = await copy(button.dataset.copy);
    button.focus();
    button.textContent = status.textContent = done ? "Copied" : "Select it and press Ctrl+C";
    setTimeout(() => { button.textContent = "Copy"; status.textContent = ""; }, 1500);
  }
});
