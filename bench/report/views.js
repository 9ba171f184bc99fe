// The open cell, the open trial, and the way between them.
"use strict";
(() => {
  const { el, data } = page;
  const cellSection = document.getElementById("cell"), trialSection = document.getElementById("trial");
  const open = { cell: null, trial: null, timeline: null, theme: null };
  const sameColumn = (a, b) => ["scenario", "timing", "lease_s", "instances", "jobs"].every((key) => a[key] === b[key]);
  const trialsOf = (row) => data.trials.map((trial, place) => ({ ...trial, place })).filter((trial) => trial.row === row);
  const colourOf = (row) => page.colour(page.group(row.strategy));

  const LEFT = new Set(["verdict", "instance", "event", "what"]);
  const table = (label, heads, rows) => el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
    el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col", class: LEFT.has(head) ? "words" : null }, head)))), el("tbody", {}, ...rows)));

  // ---- cell -----------------------------------------------------------------------------------
  const faultsOf = (trials, key) => trials.flatMap((trial) => (trial.metrics?.faults || []).map((fault) => fault[key]).filter((value) => value !== null && value !== undefined));
  const valid = (trials) => trials.filter((trial) => trial.verdict.status === "ok" || trial.verdict.status === "broken");

  const plotsOf = (place, row) => {
    const rivals = data.rows.map((other, at) => ({ other, at, trials: valid(trialsOf(at)) })).filter(({ other, trials }) => sameColumn(other, row) && trials.length);
    const strip = (values, hollow, bound) => rivals.map(({ other, at, trials }) => ({ name: other.strategy, values: values(trials), hollow: hollow?.(trials), bound: bound && other[bound], colour: colourOf(other), strong: at === place })).filter((one) => one.values.length || one.strong);
    const found = [];
    const curves = rivals.flatMap(({ other, at, trials }) => trials.filter((trial) => trial.latencies.length).map((trial) => ({ name: `${other.strategy} ${trial.record.k}`, values: trial.latencies, colour: at === place ? colourOf(other) : page.colour("quiet"), strong: at === place })));
    if (row.failover_p50_s !== undefined) found.push(page.plots.strips("Failover: fault to first run elsewhere", "s; bracket: the design's bound; at the right: the most", strip((trials) => faultsOf(trials, "failover_s"), null, "failover_bound_s")));
    if (row.recovery_p50_s !== undefined) found.push(page.plots.strips("Recovery: fault until the interrupted fires ran again", "s; bracket: the design's bound; at the right: the most", strip((trials) => faultsOf(trials, "recovery_s"), null, "recovery_bound_s")));
    if (row.overhead_p50_ms !== undefined) found.push(page.plots.strips("Time in coordination calls per fire", "ms, median of each trial", strip((trials) => trials.map((trial) => trial.metrics?.overhead_ms.p50).filter((value) => value !== null && value !== undefined))));
    if (curves.some((curve) => curve.strong)) found.push(page.plots.ecdf("Start after due time", "ms", curves));
    return found;
  };

  const trialRow = (trial, state) => {
    const metrics = trial.metrics, counts = metrics?.counts || {};
    const fault = (key) => { const some = faultsOf([trial], key); return some.length ? page.seconds(Math.max(...some)) : "-"; };
    const count = (word) => (metrics ? String(counts[word] || 0) : "-");
    return el("tr", { "aria-current": state.trial === String(trial.record.k) },
      el("td", {}, el("button", { type: "button", class: "trial", "data-trial": trial.record.k, onclick: () => page.state.change({ trial: trial.record.k, fire: null, t: null }) }, `trial ${trial.record.k}: timeline`)),
      el("td", { class: "words" }, page.chip(trial.verdict.status)),
      ...[metrics?.fires ?? "-", metrics?.runs ?? "-", count("duplicate"), count("overlap"), count("missed"), count("interrupted"), count("recovered"), metrics?.stale_effects ?? "-", fault("failover_s"), fault("recovery_s"),
        page.number(metrics?.trigger_latency_ms.p50), page.number(metrics?.trigger_latency_ms.p99), trial.record.seed].map((value) => el("td", {}, String(value))));
  };

  const interval = (row, word) => row[`${word}_rate`] === undefined ? null : `${row[`${word}_fires`]} fires, ${page.percent(row[`${word}_rate`])} % (95 %: ${page.percent(row[`${word}_low`])} to ${page.percent(row[`${word}_high`])})`;
  const factsOf = (row) => {
    const pairs = [["fires / runs", row.fires === undefined ? null : `${row.fires} / ${row.runs}`], ["duplicates", interval(row, "duplicate")], ["overlaps", interval(row, "overlap")], ["missed", interval(row, "missed")],
      ["exposed fires", row.exposed_fires === undefined ? null : `${row.exposed_fires}, by ${row.faults_hit} faults that hit`],
      ["effects", row.repeated_effects === undefined ? null : `${row.repeated_effects} repeated` + (row.stale_effects == null ? "" : `, ${row.stale_effects} stale`)],
      ["foreign releases", row.foreign_releases || null], ["fleet overhead", row.fleet_overhead_ms_per_fire === undefined ? null : `${page.number(row.fleet_overhead_ms_per_fire)} ms per fire, ${page.number(row.attempts_per_fire)} attempts`],
      ["service operations", row.ops_per_fire === undefined ? null : `${page.number(row.ops_per_fire)} per fire, ${page.number(row.idle_ops_per_s)} per s when idle`],
      ["CPU", row.cpu_ms_per_fire === undefined ? null : `${page.number(row.cpu_ms_per_fire)} ms per fire`], ["harness lag p99", row.lag_p99_ms === undefined ? null : `${page.number(row.lag_p99_ms)} ms`]];
    return el("dl", { class: "facts" }, ...pairs.filter(([, value]) => value !== null).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))));
  };

  const showCell = (place, state) => {
    const row = data.rows[place], trials = trialsOf(place);
    const timing = row.timing === "equal" ? `equal, lease ${row.lease_s} s` : row.timing;
    cellSection.replaceChildren(...[
      el("p", { class: "crumbs" }, el("a", { href: "#", onclick: (event) => { event.preventDefault(); page.state.change({ cell: null, trial: null, fire: null, t: null }); document.querySelector(`button.cell[data-row="${place}"]`)?.focus(); } }, "Matrix"), " \u203a cell"),
      el("h2", { id: "cell-title", tabindex: -1 }, page.name(row.strategy), " under ", page.name(row.scenario), " ", page.chip(row.status)),
      el("p", { class: "quiet" }, `N=${row.instances}, M=${row.jobs}, timing ${timing}, period ${row.period_s ?? "?"} s; ${row.valid_trials} of ${row.trials} trials are valid.`),
      row.note ? el("p", { class: "banner" }, page.name(row.note)) : null,
      factsOf(row),
      trials.length ? el("h3", {}, "Trials") : el("p", {}, "No trial of this cell has been kept."),
      trials.length ? table("trials of this cell", ["", "verdict", "fires", "runs", "duplicate", "overlap", "missed", "interrupted", "recovered", "stale", "failover s", "recovery s", "latency p50 ms", "p99 ms", "seed"], trials.map((trial) => trialRow(trial, state))) : null,
      el("div", { class: "plots" }, ...plotsOf(place, row)),
    ].filter((one) => one !== null));
    cellSection.hidden = false;
  };

  // ---- trial ----------------------------------------------------------------------------------
  const fireOf = (id, part) => {
    const at = id.lastIndexOf("@"), job = part.jobs.indexOf(id.slice(0, at));
    return job < 0 ? null : { job, due: Math.round(Number(id.slice(at + 1)) - part.origin_ms) };
  };
  const shortFire = (id, part) => {
    const fire = fireOf(id, part);
    return fire ? `${part.jobs[fire.job]} +${(fire.due / 1000).toFixed(3)} s` : id;
  };

  const firesList = (trial, part) => {
    const broken = trial.verdict.broken.map((one) => [`broken: ${one.promise}`, one.fires, one.count]);
    const others = Object.entries(trial.verdict.fires).map(([word, fires]) => [word, fires, trial.verdict.counts[word]]);
    return [...broken, ...others].map(([word, fires, count]) => {
      const more = el("span", { class: "quiet" }, "");
      const line = el("div", { class: "fires" }, el("span", { class: "word" }, `${word}: ${count}`));
      const add = (some) => some.forEach((id) => line.insertBefore(fireOf(id, part)
        ? el("button", { type: "button", "data-fire": id, "aria-pressed": false, onclick: () => page.state.change({ fire: id }, true) }, page.name(shortFire(id, part)))
        : el("span", {}, page.name(id)), more));
      line.append(more);
      add(fires.slice(0, 12));
      if (fires.length > 12) more.append(el("button", { type: "button", onclick: () => { more.replaceChildren(count > fires.length ? `and ${count - fires.length} more in verdict.json` : ""); add(fires.slice(12)); } }, `${Math.min(count, fires.length) - 12} more`));
      return line;
    });
  };

  const storyOf = (id, part) => {
    const story = part.stories.find((one) => one.id === id), fire = fireOf(id, part);
    if (!fire) return el("div", {});
    if (!story) {
      const runs = (open.timeline?.fires.get(`${fire.job}@${fire.due}`) || []).map((run) => open.timeline.words({ run }));
      return el("div", { class: "why" }, el("h3", {}, "Fire ", page.name(id)), ...(runs.length ? runs : ["The page holds no events of this fire; the history does."]).map((words) => el("p", {}, page.name(words.split("\n").slice(1).join("; ")))));
    }
    return el("div", { class: "why" },
      el("h3", {}, "Fire ", page.name(story.id), `, due at ${story.due_s.toFixed(3)} s: ${story.what.join(", ") || "broke a promise"}`),
      ...story.why.map((line) => el("p", {}, page.name(line))),
      el("details", { open: story.events.length < 30 }, el("summary", {}, `The ${story.events.length} events that made it so`),
        table("events of this fire", ["s", "since due, s", "instance", "event"], story.events.map(([t, instance, words]) => el("tr", {}, el("td", {}, t.toFixed(3)), el("td", {}, (t - story.due_s >= 0 ? "+" : "") + (t - story.due_s).toFixed(3)), el("td", { class: "words" }, page.name(instance)), el("td", { class: "words" }, page.name(words)))))));
  };

  const KEY = [["run", "run, on time"], ["wrong", "run too many (\u00d72); its first run paler"], ["overlap", "overlap (\u2229)"], ["late", "late, recovered, stale (S) or early"], ["own", "job owned"]];
  const keyOf = (group) => el("div", { class: "key" }, ...KEY.map(([colour, words]) => el("span", { style: `--c:var(--${colour})` }, words)),
    el("span", { style: "--c:transparent;--b:var(--fault-ink)" }, "broke off or failed (dashed)"), el("span", { style: `--c:var(--${group})` }, "leader"), el("span", { style: "--c:var(--fault);--b:var(--fault-ink)" }, "fault in force"),
    el("span", { class: "sign", "data-sign": "\u2715", style: "--c:var(--wrong)" }, "missed"), el("span", { class: "sign", "data-sign": "\u25c7", style: "--c:var(--wrong)" }, "taken, never run"), el("span", { class: "sign", "data-sign": "\u2022", style: "--c:var(--quiet)" }, "skipped or pending"));

  const runsTable = (part) => {
    const details = el("details", {}, el("summary", {}, "The runs as a table"));
    details.addEventListener("toggle", () => {
      if (!details.open || details.children.length > 1) return;
      const most = 500, runs = part.runs, rows = [];
      for (let run = 0; run < Math.min(most, runs[0].length); run++) {
        const words = page.data.flags.filter((_, bit) => (runs[8][run] >> bit) & 1);
        rows.push(el("tr", {}, el("td", {}, page.name(part.jobs[runs[0][run]])), ...[1, 3, 4].map((column) => el("td", {}, (runs[column][run] / 1000).toFixed(3))), el("td", { class: "words" }, page.name(part.instances[runs[2][run]] ?? "")), el("td", {}, runs[6][run] < 0 ? "-" : String(runs[6][run])), el("td", { class: "words" }, [page.data.statuses[runs[5][run]], page.data.outcomes[runs[7][run]], ...words].join(", "))));
      }
      details.append(table("runs", ["job", "due s", "began s", "took s", "instance", "fence", "what"], rows));
      if (runs[0].length > most) details.append(el("p", { class: "quiet" }, `The first ${most} of ${runs[0].length}.`));
    });
    return details;
  };

  const copy = (text) => el("button", { type: "button", onclick: async (event) => {
    const button = event.target;
    try { await navigator.clipboard.writeText(text); button.textContent = "copied"; }
    catch { getSelection().selectAllChildren(button.previousSibling); button.textContent = "selected"; }
  } }, "copy");

  const verdictOf = (trial) => {
    const { verdict } = trial;
    const lines = [...verdict.reasons.map((reason) => `invalid: ${reason}`), ...verdict.warnings.map((warning) => `warning: ${warning}`), ...(verdict.error ? [verdict.error] : []), ...verdict.broken.map((one) => `broken promise, ${one.promise}: ${one.count} (${one.fires.slice(0, 3).join(", ")}${one.count > 3 ? ", ..." : ""})`)];
    const may = Object.entries(trial.record.allowed).filter(([, yes]) => yes).map(([word]) => word);
    return [el("p", {}, page.chip(verdict.status), " ", may.length ? `Under ${trial.record.stress} this design does not exclude: ${may.join(", ")}.` : `Under ${trial.record.stress} this design promises that nothing of this happens.`),
      lines.length ? el("ul", { class: "notes" }, ...lines.map((line) => el("li", {}, page.name(line)))) : null];
  };

  const showTrial = (trial) => {
    const part = page.trialData(trial.place), group = page.group(trial.record.strategy);
    open.timeline?.observer.disconnect();
    open.timeline = null;
    const canvas = el("canvas", { id: "timeline", tabindex: 0, role: "img", "aria-describedby": "timeline-help", "aria-label": `Timeline of ${part.instances.length} instances and ${part.runs[0]?.length ?? 0} runs` });
    const button = (words, does) => el("button", { type: "button", onclick: does }, words);
    const drawn = !part.unreadable;
    trialSection.replaceChildren(...[
      el("p", { class: "crumbs" }, el("a", { href: "#", onclick: (event) => { event.preventDefault(); page.state.change({ trial: null, fire: null, t: null }); document.getElementById("cell-title")?.focus(); } }, "back to the cell"), " \u203a trial"),
      el("h2", { id: "trial-title", tabindex: -1 }, page.name(trial.record.strategy), " under ", page.name(trial.record.scenario), `, trial ${trial.record.k}`),
      ...verdictOf(trial),
      drawn ? null : el("p", { class: "banner" }, page.name(`No timeline: ${part.unreadable}`)),
      drawn && part.thinned ? el("p", { class: "banner", id: "thinned" }, `Drawn: ${part.thinned}. Verdicts and figures come from all of them.`) : null,
      drawn ? el("h3", {}, "Timeline") : null,
      drawn ? el("div", { class: "tools" }, button("\u2212", () => open.timeline.zoom(1 / 0.6)), button("+", () => open.timeline.zoom(0.6)), button("whole trial", () => open.timeline.show(...open.timeline.home)), ...part.faults.slice(0, 3).map((fault) => button(`${fault.kind} at ${(fault.begin / 1000).toFixed(2)} s`, () => open.timeline.show(fault.begin - 1000, (fault.heal ?? fault.begin + 3000) + 1500))), button("previous", () => open.timeline.step(-1)), button("next remarkable fire", () => open.timeline.step(1)),
        el("span", { class: "quiet", id: "timeline-help" }, "Drag or arrows pan, + and \u2212 or Ctrl+wheel zoom, Home shows all, n and p step through remarkable fires. Seconds since the load began.")) : null,
      drawn ? el("div", { class: "stage" }, canvas) : null,
      drawn ? keyOf(group) : null,
      drawn ? el("div", { id: "story", role: "region", "aria-label": "the chosen fire", "aria-live": "polite" }) : null,
      drawn ? el("h3", {}, part.remarkable ? `Fires worth a look: ${part.remarkable}` : "No fire of this trial is worth a look: all ran once and on time.") : null,
      ...(drawn ? firesList(trial, part) : []),
      el("h3", {}, "Run it again"),
      trial.record.command ? el("div", { class: "command" }, el("pre", { id: "command" }, trial.record.command), copy(trial.record.command)) : el("p", { class: "quiet" }, "The trial does not say how it was made."),
      el("p", { class: "quiet" }, "The seed repeats the plan (fault times, targets, jitter), not the outcome. Files: ", page.name(trial.path), "."),
      drawn ? runsTable(part) : null,
    ].filter((one) => one !== null));
    trialSection.hidden = false;
    if (!drawn) return;
    const timeline = new page.Timeline(canvas, part, group, (id) => page.state.change({ fire: id }, true));
    const order = part.stories.map((story) => story.id);
    timeline.step = (by) => {
      if (!order.length) return;
      const now = order.indexOf(open.fire);
      page.state.change({ fire: order[(now + by + order.length) % order.length] }, true);
    };
    let later = 0;
    timeline.moved = () => { clearTimeout(later); later = setTimeout(() => page.state.change({ t: `${Math.round(timeline.from)}..${Math.round(timeline.to)}` }, true), 250); };
    open.timeline = page.timeline = timeline;
  };

  const showFire = (id, part, look) => {
    open.timeline?.choose(id ? fireOf(id, part) : null, look);
    const story = document.getElementById("story");
    if (story) story.replaceChildren(...(id ? [storyOf(id, part)] : []));
    for (const button of trialSection.querySelectorAll("[data-fire]")) button.setAttribute("aria-pressed", String(button.dataset.fire === id));
  };

  // ---- the address ----------------------------------------------------------------------------
  const close = (section) => { section.hidden = true; section.replaceChildren(); };
  const focusOn = (id) => { const title = document.getElementById(id); title?.focus({ preventScroll: true }); title?.closest("section").scrollIntoView({ block: "start" }); };

  page.apply = () => {
    const state = page.state.read();
    page.applyTheme(state);
    page.filterMatrix(state);
    const theme = document.documentElement.dataset.theme, recolour = theme !== open.theme;
    open.theme = theme;
    const place = data.rows.findIndex((row) => row.cell === state.cell);
    for (const button of document.querySelectorAll("button.cell")) button.setAttribute("aria-expanded", String(Number(button.dataset.row) === place));
    const cell = place < 0 ? null : `${place}`;
    if (place < 0) close(cellSection);
    else if (cell !== open.cell || recolour) showCell(place, state);
    for (const row of cellSection.querySelectorAll("tbody tr")) row.setAttribute("aria-current", String(row.querySelector("button.trial")?.dataset.trial === state.trial));
    const trial = place < 0 ? undefined : trialsOf(place).find((one) => String(one.record.k) === state.trial);
    const key = trial ? `${trial.place}` : null;
    const fresh = key !== open.trial;
    if (!trial) { close(trialSection); open.timeline?.observer.disconnect(); open.timeline = page.timeline = null; }
    else if (fresh) showTrial(trial);
    if (cell !== open.cell && cell && !trial) focusOn("cell-title");
    if (fresh && trial) focusOn("trial-title");
    open.cell = cell;
    open.trial = key;
    if (trial && open.timeline) {
      const part = page.trialData(trial.place), first = part.stories[0]?.id;
      const id = state.fire || (fresh ? first : open.fire);
      // A short trial is first seen whole; in a long one the view goes to the fire.
      const look = !(fresh && (state.t || part.end_ms < 40000));
      if (id !== open.fire || fresh) showFire(id, part, look);
      open.fire = id;
      const [from, to] = (state.t || "").split("..").map(Number);
      if (fresh && to > from) open.timeline.show(from, to, true);
      if (recolour) open.timeline.request();
    }
  };

  document.querySelector("table.matrix")?.addEventListener("click", (event) => {
    const button = event.target.closest("button.cell");
    if (!button) return;
    const cell = data.rows[Number(button.dataset.row)].cell;
    if (page.state.read().cell === cell) { focusOn("cell-title"); return; }
    page.state.change({ cell, trial: null, fire: null, t: null });
  });
  addEventListener("hashchange", page.apply);
  addEventListener("popstate", page.apply);
  addEventListener("beforeprint", () => {
    document.querySelector("details.about").open = true;
    document.documentElement.dataset.theme = "light"; // paper is white
    open.timeline?.draw();
  });
  addEventListener("afterprint", () => {
    page.apply();
    open.timeline?.draw();
  });
  page.setUpFilters();
  page.apply();
})();
