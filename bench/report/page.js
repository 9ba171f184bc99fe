// The page's state lives in the fragment of its address: filters, the open cell and trial, the
// chosen fire, the visible stretch of time. Names are only ever set as text, never as markup.
"use strict";
const page = { data: JSON.parse(document.getElementById("data").textContent) };

page.el = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((one) => one !== null && one !== undefined));
  return made;
};
page.name = (text) => page.el("bdi", {}, text);
page.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
page.group = (strategy) => page.data.groups[strategy] || "other";
page.number = (value, digits = 3) =>
  value === null || value === undefined ? "-" : Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(digits)));
page.seconds = (value, digits = 2) => (value === null || value === undefined ? "-" : value.toFixed(digits));
page.percent = (value) => {
  if (value === null || value === undefined) return "-";
  const p = 100 * value;
  return p === 0 || p >= 10 ? p.toFixed(0) : p.toFixed(1);
};
page.chip = (status) =>
  page.el("span", { class: `chip s-${status}` }, page.el("span", { "aria-hidden": "true" }, page.data.signs[status] || "?"), ` ${status}`);
page.say = (text) => { document.getElementById("live").textContent = text; };
page.trialData = (place) => {
  page.parsed ||= new Map();
  if (!page.parsed.has(place)) page.parsed.set(place, JSON.parse(document.getElementById(`trial-${place}`).textContent));
  return page.parsed.get(place);
};

page.tip = {
  box: document.getElementById("tip"),
  show(text, x, y) {
    this.box.textContent = text;
    this.box.hidden = false;
    const { width, height } = this.box.getBoundingClientRect();
    this.box.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - width - 6))}px`;
    this.box.style.top = `${y + height + 20 > innerHeight ? y - height - 10 : y + 16}px`;
  },
  hide() { this.box.hidden = true; },
};

page.state = {
  read() { return Object.fromEntries(new URLSearchParams(location.hash.slice(1))); },
  // Changes some keys; null removes one. `quietly` replaces the address instead of adding to the history.
  change(changes, quietly = false) {
    const next = new URLSearchParams(location.hash.slice(1));
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === "") next.delete(key);
      else next.set(key, value);
    }
    const address = `${location.pathname}${location.search}#${next}`;
    if (quietly) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
    page.apply();
  },
};

page.filters = ["q", "family", "scenario", "status", "size", "figures"];
page.field = (key) => document.getElementById(`f-${key}`);

page.filterMatrix = (state) => {
  for (const key of page.filters) {
    const field = page.field(key);
    if (field && field !== document.activeElement) field.value = state[key] || "";
  }
  document.body.dataset.figures = state.figures || "";
  const table = document.querySelector("table.matrix");
  if (!table) return;
  const wanted = (key, value) => !state[key] || state[key] === value;
  const text = (state.q || "").toLowerCase();
  const fitsColumn = (one) => wanted("scenario", one.dataset.scenario) && wanted("size", one.dataset.size);
  for (const head of table.tHead.rows[0].cells) if (head.dataset.scenario !== undefined) head.hidden = !fitsColumn(head);
  let shown = 0, all = 0;
  for (const row of table.tBodies[0].rows) {
    const fits = wanted("family", row.dataset.family) && row.dataset.strategy.toLowerCase().includes(text);
    let cells = 0;
    for (const cell of row.cells) {
      if (cell.tagName === "TH") continue;
      cell.hidden = !fitsColumn(cell);
      const fine = fits && !cell.hidden && (state.status ? cell.dataset.status === state.status : true);
      cell.style.visibility = fine ? "" : "hidden";
      const real = cell.dataset.status !== undefined;
      all += real;
      shown += real && fine;
      cells += real && fine;
    }
    row.hidden = !fits || !cells;
  }
  const some = page.filters.some((key) => key !== "figures" && state[key]);
  document.getElementById("found").textContent = some ? `${shown} of ${all} cells shown` : "";
};

page.setUpFilters = () => {
  for (const key of page.filters) page.field(key)?.addEventListener("input", (event) => page.state.change({ [key]: event.target.value }, true));
  document.getElementById("filters")?.addEventListener("submit", (event) => event.preventDefault());
  page.field("clear")?.addEventListener("click", () => page.state.change(Object.fromEntries(page.filters.map((key) => [key, null]))));
  document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); document.getElementById("main").focus(); });
  document.getElementById("theme").addEventListener("change", (event) => page.state.change({ theme: event.target.value }, true));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page.apply());
};

page.applyTheme = (state) => {
  const dark = state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  document.getElementById("theme").value = state.theme || "";
};
