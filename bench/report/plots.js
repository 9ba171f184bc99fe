// Two plots as SVG: a distribution curve and strips of dots. Each carries its figures as text.
"use strict";
page.plots = (() => {
  const LEFT = 46, WIDTH = 560;
  const svg = (tag, attributes = {}, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const figure = (title, unit, described, drawing) =>
    page.el("figure", {}, page.el("figcaption", {}, title, " ", page.el("span", {}, unit)), drawing, page.el("p", { class: "sr" }, described));

  const ticksOf = (least, most, log) => {
    if (log) {
      const found = [];
      for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) found.push(10 ** power);
      return found.filter((one) => one >= least * 0.999 && one <= most * 1.001);
    }
    const raw = (most - least) / 5 || 1, size = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((one) => one * size).find((one) => one >= raw);
    const found = [];
    for (let at = Math.ceil(least / step) * step; at <= most + step / 1e6; at += step) found.push(Number(at.toPrecision(6)));
    return found;
  };
  const axis = (drawing, x, ticks, bottom) => {
    for (const tick of ticks) {
      drawing.append(svg("line", { class: "axis", x1: x(tick), x2: x(tick), y1: 8, y2: bottom }));
      drawing.append(svg("text", { x: x(tick), y: bottom + 14, "text-anchor": "middle" }, page.number(tick)));
    }
  };

  // lines: {name, values (sorted), colour, strong}. The strong ones are drawn last and named.
  const ecdf = (title, unit, lines) => {
    const height = 210, bottom = 180, right = WIDTH - 12;
    const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `${title}, ${unit}` });
    const positive = lines.flatMap((line) => [Math.max(line.values[0], 0.1), Math.max(line.values.at(-1), 0.1)]);
    const least = 10 ** Math.floor(Math.log10(Math.min(...positive))), most = 10 ** Math.ceil(Math.log10(Math.max(...positive) * 1.001));
    const x = (value) => LEFT + ((Math.log10(Math.max(value, least)) - Math.log10(least)) / (Math.log10(most) - Math.log10(least) || 1)) * (right - LEFT);
    const y = (share) => bottom - share * (bottom - 8);
    axis(drawing, x, ticksOf(least, most, true), bottom);
    for (const share of [0, 0.5, 0.99, 1]) {
      if (share !== 0.99) drawing.append(svg("text", { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end" }, `${100 * share} %`));
      drawing.append(svg("line", { class: "axis", x1: LEFT, x2: right, y1: y(share), y2: y(share) }));
    }
    for (const line of [...lines].sort((a, b) => a.strong - b.strong)) {
      const last = line.values.length - 1;
      const points = line.values.map((value, place) => `${x(value).toFixed(1)},${y(last ? place / last : 1).toFixed(1)}`).join(" ");
      const drawn = svg("polyline", { points, fill: "none", stroke: line.colour, "stroke-width": line.strong ? 2 : 1, opacity: line.strong ? 1 : 0.35 });
      drawn.append(svg("title", {}, `${line.name}: p50 ${page.number(at(line.values, 0.5))}, p99 ${page.number(at(line.values, 0.99))} ms`));
      drawing.append(drawn);
    }
    const strong = lines.filter((line) => line.strong);
    const described = strong.map((line) => `${line.name}: median ${page.number(at(line.values, 0.5))}, 99th percentile ${page.number(at(line.values, 0.99))}, most ${page.number(line.values.at(-1))} ${unit}`);
    return figure(title, `${unit}, logarithmic; share of fires. Thin: the other strategies here`, described.join(". "), drawing);
  };
  const at = (sorted, share) => sorted[Math.round(share * (sorted.length - 1))];

  // rows: {name, values, hollow, bound, colour, strong}; one strip each on a shared axis from 0.
  const strips = (title, unit, rows) => {
    const gap = 19, top = 12, label = 168, bottom = top + rows.length * gap, right = WIDTH - 60;
    const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${bottom + 20}`, role: "img", "aria-label": `${title}, ${unit}` });
    const most = Math.max(...rows.flatMap((row) => [...row.values, ...(row.hollow || []), row.bound || 0])) * 1.04 || 1;
    const x = (value) => label + (value / most) * (right - label);
    axis(drawing, x, ticksOf(0, most, false), bottom);
    rows.forEach((row, place) => {
      const y = top + place * gap + gap / 2;
      drawing.append(svg("text", { x: label - 8, y: y + 4, "text-anchor": "end", class: row.strong ? "strong" : "", direction: "auto" }, row.name));
      if (row.bound) drawing.append(svg("path", { d: `M${x(row.bound)},${y - 7}v14m-4,-14h4m-4,14h4`, stroke: row.colour, fill: "none", "stroke-width": row.strong ? 2 : 1 }, svg("title", {}, `bound ${page.number(row.bound)} ${unit}`)));
      const dot = (value, hollow) => svg("circle", { cx: x(value), cy: y, r: row.strong ? 4.5 : 3, fill: hollow ? "none" : row.colour, stroke: row.colour, opacity: row.strong ? 1 : 0.55 }, svg("title", {}, `${row.name}: ${page.number(value)} ${unit}`));
      drawing.append(...row.values.map((value) => dot(value, false)), ...(row.hollow || []).map((value) => dot(value, true)));
      if (row.values.length) drawing.append(svg("text", { x: right + 8, y: y + 4, class: row.strong ? "strong" : "" }, page.number(row.values.reduce((a, b) => Math.max(a, b)))));
    });
    const said = rows.map((row) => `${row.name}: ${row.values.map((value) => page.number(value)).join(", ") || "none"}${row.bound ? `, bound ${page.number(row.bound)}` : ""}`);
    return figure(title, unit, said.join(". "), drawing);
  };
  return { ecdf, strips };
})();
