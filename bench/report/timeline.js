// The timeline: a lane per instance with runs as bars, ownership under them, faults as bands, and
// signs for what went wrong. Bars narrower than a pixel are joined, so that drawing a frame costs
// as much as there are pixels, however long the history.
"use strict";
page.Timeline = class {
  static GUTTER = 132; static AXIS = 24; static FIRES = 22; static OWN = 5;

  constructor(canvas, trial, group, chosen) {
    this.canvas = canvas;
    this.trial = trial;
    this.group = group;
    this.chosen = chosen;
    this.context = canvas.getContext("2d", { alpha: false });
    this.fire = null;
    this.from = Math.min(0, ...trial.runs[3].slice(0, 1)) - 300;
    this.last = Math.max(trial.end_ms, 1000);
    const load = trial.phases.find(([name]) => name === "quiet");
    this.first = this.from;
    this.to = load ? Math.min(this.last, load[1] + 1200) : this.last;
    this.home = [this.from, this.to];
    this.lanes = this.pack();
    this.fires = this.index();
    this.frames = 0;
    this.listen();
    this.resize();
  }

  // Runs of each instance in rows in which none overlaps another, as far as eight rows go.
  pack() {
    const [, , lane, start, length, , , outcome, flags] = this.trial.runs;
    const lanes = this.trial.instances.map(() => ({ rows: [], ends: [], owned: [], remarks: [] }));
    for (let run = 0; run < lane.length; run++) {
      const one = lanes[lane[run]];
      if (!one) continue;
      let row = one.ends.findIndex((end) => end <= start[run]);
      if (row < 0 && one.rows.length < 8) { row = one.rows.length; one.rows.push({ usual: [], special: [] }); }
      if (row < 0) row = one.ends.indexOf(Math.min(...one.ends));
      one.ends[row] = Math.max(one.ends[row] || 0, start[run] + length[run]);
      one.rows[row][flags[run] || outcome[run] ? "special" : "usual"].push(run);
    }
    for (const one of lanes) {
      for (const row of one.rows) {
        for (const kind of ["usual", "special"]) {
          const runs = Int32Array.from(row[kind]);
          const ends = new Float64Array(runs.length);
          let latest = -Infinity;
          runs.forEach((run, place) => { ends[place] = latest = Math.max(latest, start[run] + length[run]); });
          row[kind] = { runs, ends };
        }
      }
    }
    for (const span of this.trial.owned) lanes[span[0]]?.owned.push(span);
    for (const remark of this.trial.remarks) lanes[remark[0]]?.remarks.push(remark);
    const rows = Math.max(1, ...lanes.map((one) => one.rows.length));
    this.bar = lanes.length > 25 ? 4 : lanes.length > 8 ? 6 : 11;
    const most = lanes.length > 8 ? Math.min(rows, 4) : rows;
    this.shown = Math.max(2, most);
    this.lane = this.shown * this.bar + page.Timeline.OWN + 9;
    return lanes;
  }

  index() {
    const [job, due] = this.trial.runs;
    const found = new Map();
    for (let run = 0; run < job.length; run++) {
      const key = `${job[run]}@${due[run]}`;
      if (found.has(key)) found.get(key).push(run);
      else found.set(key, [run]);
    }
    return found;
  }

  get height() { return page.Timeline.AXIS + page.Timeline.FIRES + this.lanes.length * this.lane + 8; }
  get width() { return this.canvas.clientWidth - page.Timeline.GUTTER; }
  x(ms) { return page.Timeline.GUTTER + ((ms - this.from) / (this.to - this.from)) * this.width; }
  ms(x) { return this.from + ((x - page.Timeline.GUTTER) / this.width) * (this.to - this.from); }
  top(lane) { return page.Timeline.AXIS + page.Timeline.FIRES + lane * this.lane; }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    this.canvas.style.height = `${this.height}px`;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw();
  }

  show(from, to, quietly = false) {
    const least = 20, whole = this.last - this.first + 2000;
    const span = Math.max(least, Math.min(whole, to - from));
    const middle = (from + to) / 2;
    this.from = Math.max(this.first - 1000, Math.min(this.last + 1000 - span, middle - span / 2));
    this.to = this.from + span;
    this.request();
    if (!quietly) this.moved?.();
  }
  pan(share) { const by = share * (this.to - this.from); this.show(this.from + by, this.to + by); }
  zoom(factor, around = (this.from + this.to) / 2) {
    this.show(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }
  request() {
    this.pending ||= requestAnimationFrame(() => { this.pending = 0; this.draw(); });
  }

  draw() {
    const pen = this.context, { GUTTER, AXIS, FIRES } = page.Timeline;
    this.colours = Object.fromEntries(["panel", "ink", "quiet", "rule", "hover", "run", "wrong", "overlap", "late", "own", "fault", "fault-ink", "pick", this.group].map((name) => [name, page.colour(name)]));
    pen.fillStyle = this.colours.panel;
    pen.fillRect(0, 0, this.canvas.clientWidth, this.height);
    this.drawLanes();
    pen.save();
    pen.beginPath();
    pen.rect(GUTTER, 0, this.width, this.height);
    pen.clip();
    this.drawAxis();
    this.drawFaults();
    this.lanes.forEach((one, lane) => this.drawLane(one, lane));
    this.drawIdle();
    this.drawChosen();
    pen.restore();
    pen.fillStyle = this.colours.quiet;
    pen.textAlign = "left";
    pen.fillText("no run", 8, AXIS + FIRES / 2 + 4);
    this.frames++;
  }

  drawLanes() {
    const pen = this.context;
    pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    pen.textAlign = "left";
    this.trial.instances.forEach((name, lane) => {
      pen.fillStyle = this.colours.rule;
      pen.fillRect(0, this.top(lane) - 2, this.canvas.clientWidth, 1);
      pen.fillStyle = this.colours.ink;
      if (this.lane >= 12) pen.fillText(name, 8, this.top(lane) + Math.min(14, this.lane - 4), page.Timeline.GUTTER - 14);
    });
  }

  drawAxis() {
    const pen = this.context, span = this.to - this.from;
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 36e5].find((one) => (one / span) * this.width > 70) || 36e5;
    pen.textAlign = "center";
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      pen.fillStyle = this.colours.rule;
      pen.fillRect(this.x(at), page.Timeline.AXIS - 6, 1, this.height);
      pen.fillStyle = this.colours.quiet;
      pen.fillText(`${(at / 1000).toFixed(step < 10 ? 3 : step < 100 ? 2 : step < 1000 ? 1 : 0)} s`, this.x(at), 13);
    }
  }

  drawFaults() {
    const pen = this.context;
    for (const fault of this.trial.faults) {
      const x0 = this.x(fault.begin), x1 = this.x(fault.heal === null ? this.last : fault.heal);
      const all = fault.instance < 0;
      const y = all ? page.Timeline.AXIS : this.top(fault.instance) - 1, height = all ? this.height : this.lane - 1;
      pen.fillStyle = this.colours.fault;
      pen.fillRect(x0, y, Math.max(x1 - x0, 2), height);
      pen.fillStyle = this.colours["fault-ink"];
      pen.fillRect(x0 - 1, page.Timeline.AXIS - 4, 2, this.height);
      if (fault.heal !== null) for (let dash = page.Timeline.AXIS - 4; dash < this.height; dash += 7) pen.fillRect(x1, dash, 1, 4);
      pen.textAlign = "left";
      pen.font = "600 11px system-ui, 'DejaVu Sans', sans-serif";
      if (x1 > page.Timeline.GUTTER) pen.fillText(fault.kind, Math.max(x0, page.Timeline.GUTTER) + 4, page.Timeline.AXIS + 9);
      pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
    }
  }

  kind(run) {
    const flags = this.trial.runs[8][run], status = this.trial.runs[5][run];
    if (flags & 2 || flags & 64) return "wrong";
    if (flags & 1) return "twin";
    if (status !== 1) return "open";
    if (flags & 4) return "overlap";
    return "late";
  }

  drawLane(one, lane) {
    const top = this.top(lane), pen = this.context;
    one.rows.forEach((row, place) => {
      const y = top + Math.min(place, this.shown - 1) * this.bar;
      this.drawUsual(row.usual, y);
    });
    one.rows.forEach((row, place) => this.drawSpecial(row.special, top + Math.min(place, this.shown - 1) * this.bar));
    const own = top + this.shown * this.bar + 1;
    for (const [, subject, begin, end] of one.owned) {
      const until = end === null ? this.last : end;
      if (until < this.from || begin > this.to) continue;
      const x0 = this.x(begin), x1 = this.x(until);
      const leads = subject === "leader";
      pen.fillStyle = leads ? this.colours[this.group] : this.colours.own;
      pen.globalAlpha = leads ? 1 : 0.55;
      pen.fillRect(x0, own, Math.max(x1 - x0, 1), leads ? 5 : 3);
      pen.globalAlpha = 1;
    }
    pen.fillStyle = this.colours.quiet;
    for (const [, at] of one.remarks) if (at >= this.from && at <= this.to) pen.fillRect(this.x(at) - 1, own + 4, 2, 3);
  }

  // Where to begin: the first bar that ends after the left edge.
  begin(ends) {
    let low = 0, high = ends.length;
    while (low < high) { const middle = (low + high) >> 1; if (ends[middle] < this.from) low = middle + 1; else high = middle; }
    return low;
  }

  drawUsual({ runs, ends }, y) {
    const pen = this.context, start = this.trial.runs[3], length = this.trial.runs[4];
    const scale = this.width / (this.to - this.from), base = page.Timeline.GUTTER - this.from * scale;
    let left = NaN, right = NaN;
    pen.fillStyle = this.colours.run;
    for (let place = this.begin(ends); place < runs.length; place++) {
      const run = runs[place];
      if (start[run] > this.to) break;
      const x0 = base + start[run] * scale, x1 = x0 + Math.max(length[run] * scale, 0.5);
      if (x0 - right < 0.7 && x1 - x0 < 3) { right = Math.max(right, x1); continue; }
      if (right >= left) pen.fillRect(left, y, Math.max(right - left - 0.6, 0.7), this.bar - 1);
      left = x0;
      right = x1;
    }
    if (right >= left) pen.fillRect(left, y, Math.max(right - left - 0.6, 0.7), this.bar - 1);
  }

  drawSpecial({ runs, ends }, y) {
    const pen = this.context, [, , , start, length, status, , , flags] = this.trial.runs;
    let until = -1, drawn = "";
    for (let place = this.begin(ends); place < runs.length; place++) {
      const run = runs[place];
      if (start[run] > this.to) break;
      const x0 = this.x(start[run]), x1 = Math.max(this.x(start[run] + length[run]), x0 + 1), kind = this.kind(run);
      if (x1 <= until && kind === drawn) continue;
      until = Math.floor(x1);
      drawn = kind;
      pen.fillStyle = this.colours[{ wrong: "wrong", twin: "wrong", overlap: "overlap", late: "late", open: "panel" }[kind]];
      if (kind === "twin") pen.globalAlpha = 0.5;
      pen.fillRect(x0, y, Math.max(x1 - x0 - 0.6, 1), this.bar - 1);
      pen.globalAlpha = 1;
      if (status[run] !== 1) {
        pen.strokeStyle = this.colours["fault-ink"];
        pen.setLineDash([3, 2]);
        if (x1 - x0 > 3) pen.strokeRect(x0 + 0.5, y + 0.5, x1 - x0 - 1.5, this.bar - 2);
        pen.setLineDash([]);
      }
      if (x1 - x0 > 9 && this.bar > 7) {
        const sign = flags[run] & 2 ? "\u00d72" : flags[run] & 16 ? "S" : flags[run] & 4 ? "\u2229" : "";
        pen.fillStyle = this.colours.panel;
        pen.textAlign = "left";
        pen.font = "700 9px system-ui, 'DejaVu Sans', sans-serif";
        if (sign) pen.fillText(sign, x0 + 2, y + this.bar - 2.5);
        pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
      } else if (kind === "wrong") {
        pen.fillStyle = this.colours.wrong;
        pen.fillRect(x0, y - 2, 2, 2);
      }
    }
  }

  drawIdle() {
    const pen = this.context, y = page.Timeline.AXIS + page.Timeline.FIRES - 6;
    pen.textAlign = "center";
    let until = -1;
    for (const [, due, outcome] of this.trial.idle) {
      if (due < this.from || due > this.to) continue;
      const x = this.x(due), word = page.data.outcomes[outcome], bad = word === "missed" || word === "interrupted";
      if (x < until && !bad) continue;
      until = x + 2;
      pen.fillStyle = bad ? this.colours.wrong : this.colours.quiet;
      pen.font = bad ? "700 12px system-ui, 'DejaVu Sans', sans-serif" : "11px system-ui, 'DejaVu Sans', sans-serif";
      pen.fillText(word === "missed" ? "\u2715" : word === "interrupted" ? "\u25c7" : "\u2022", x, y);
    }
    pen.font = "11px system-ui, 'DejaVu Sans', sans-serif";
  }

  // All runs of the chosen fire, joined by a line from lane to lane, and its due time.
  drawChosen() {
    if (!this.fire) return;
    const pen = this.context, [, , lane, start, length] = this.trial.runs;
    const runs = this.fires.get(`${this.fire.job}@${this.fire.due}`) || [];
    pen.strokeStyle = pen.fillStyle = this.colours.pick;
    pen.lineWidth = 1.5;
    const due = this.x(this.fire.due);
    pen.beginPath();
    pen.moveTo(due, page.Timeline.AXIS - 4);
    pen.lineTo(due - 4, page.Timeline.AXIS - 11);
    pen.lineTo(due + 4, page.Timeline.AXIS - 11);
    pen.fill();
    let before = null;
    for (const run of runs) {
      const y = this.y(run), x0 = this.x(start[run]), x1 = this.x(start[run] + length[run]);
      pen.strokeRect(x0 - 1, y - 1, Math.max(x1 - x0 + 1, 3), this.bar + 1);
      if (before) { pen.beginPath(); pen.moveTo(...before); pen.lineTo(x0, y + this.bar / 2); pen.stroke(); }
      before = [x0, y + this.bar];
    }
    pen.lineWidth = 1;
  }

  y(run) {
    const lane = this.trial.runs[2][run];
    const row = this.lanes[lane].rows.findIndex((one) => one.usual.runs.includes(run) || one.special.runs.includes(run));
    return this.top(lane) + Math.min(row, this.shown - 1) * this.bar;
  }

  // What lies under a point: a run first, then a fire without one, ownership, a fault.
  under(x, y) {
    const at = this.ms(x), lane = Math.floor((y - this.top(0)) / this.lane);
    const slack = (this.to - this.from) / this.width * 3;
    if (y > page.Timeline.AXIS && lane < 0) {
      const near = this.trial.idle.map((one) => [Math.abs(one[1] - at), one]).filter(([far]) => far < 2 * slack).sort((a, b) => a[0] - b[0])[0];
      if (near) return { idle: near[1] };
    }
    const one = this.lanes[lane];
    const run = one && this.runAt(one, at, Math.floor((y - this.top(lane)) / this.bar), slack);
    if (run !== undefined && run !== null && run !== false) return { run };
    if (one && y - this.top(lane) >= this.shown * this.bar - 2) {
      const remark = one.remarks.find((some) => Math.abs(some[1] - at) < slack);
      if (remark) return { remark };
      const owned = one.owned.filter(([, , begin, end]) => begin - slack <= at && at <= (end ?? this.last) + slack);
      if (owned.length) return { owned };
    }
    const fault = this.trial.faults.find((some) => (some.instance === lane || some.instance < 0 || Math.abs(some.begin - at) < slack) && at >= some.begin - slack && at <= (some.heal ?? this.last));
    return fault ? { fault } : {};
  }

  runAt(lane, at, row, slack) {
    const start = this.trial.runs[3], length = this.trial.runs[4];
    let best = null, far = Infinity;
    lane.rows.forEach((one, place) => {
      if (Math.min(place, this.shown - 1) !== row) return;
      for (const { runs, ends } of [one.special, one.usual]) {
        let low = 0, high = ends.length;
        while (low < high) { const middle = (low + high) >> 1; if (ends[middle] < at - slack) low = middle + 1; else high = middle; }
        for (let next = low; next < runs.length && start[runs[next]] <= at + slack; next++) {
          const run = runs[next], off = Math.max(start[run] - at, at - start[run] - length[run], 0);
          if (off < far) { far = off; best = run; }
        }
      }
    });
    return best;
  }

  words(found) {
    const time = (ms) => `${(ms / 1000).toFixed(3)} s`;
    if (found.run !== undefined) {
      const [job, due, lane, start, length, status, fence, outcome, flags] = this.trial.runs.map((column) => column[found.run]);
      const marked = page.data.flags.filter((_, bit) => (flags >> bit) & 1).map((word) => (word === "extra" ? "this run is one too many" : word));
      return [`fire ${this.id(job, due)}`, `instance ${this.trial.instances[lane]}`, fence >= 0 ? `fence ${fence}` : "no fence",
        `due ${time(due)}, began ${time(start)}, ${status === 0 ? "broke off" : page.data.statuses[status]} after ${time(length)}`,
        [page.data.outcomes[outcome], ...marked].join(", ")].join("\n");
    }
    if (found.idle) return `fire ${this.id(found.idle[0], found.idle[1])}\ndue ${time(found.idle[1])}\n${page.data.outcomes[found.idle[2]]}, no run`;
    if (found.owned) return found.owned.slice(0, 6).map(([lane, subject, begin, end, how, fence]) => `${this.trial.instances[lane]} owns ${subject === "leader" ? "leadership" : subject}${fence === null ? "" : ` (fence ${fence})`}\nfrom ${time(begin)}, ${end === null ? how : `${how} at ${time(end)}`}`).join("\n");
    if (found.remark) return `${this.trial.instances[found.remark[0]]}: ${found.remark[2]}\n${time(found.remark[1])}`;
    if (found.fault) return `${found.fault.kind} of ${found.fault.name || "no instance"}${found.fault.job ? `, running ${found.fault.job}` : ""}\nfrom ${time(found.fault.begin)} ${found.fault.heal === null ? "on" : `to ${time(found.fault.heal)}`}`;
    return "";
  }

  id(job, due) { return `${this.trial.jobs[job]}@${this.trial.origin_ms + due}`; }

  choose(fire, look = true) {
    this.fire = fire;
    if (fire && look) {
      const [, , , start, length] = this.trial.runs, runs = this.fires.get(`${fire.job}@${fire.due}`) || [];
      const end = Math.max(fire.due + 800, ...runs.map((run) => start[run] + length[run]));
      if (fire.due < this.from || end > this.to || end - fire.due < (this.to - this.from) / 12) {
        const room = Math.max(700, 0.35 * (end - fire.due));
        this.show(fire.due - room, end + room);
      }
    }
    this.request();
  }

  listen() {
    const canvas = this.canvas;
    let held = null;
    canvas.addEventListener("pointerdown", (event) => { held = { x: event.offsetX, from: this.from, to: this.to, moved: false }; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => {
      if (held) {
        const by = ((held.x - event.offsetX) / this.width) * (held.to - held.from);
        held.moved ||= Math.abs(held.x - event.offsetX) > 3;
        if (held.moved) this.show(held.from + by, held.to + by);
      }
      const words = held?.moved ? "" : this.words(this.under(event.offsetX, event.offsetY));
      if (words) page.tip.show(words, event.clientX, event.clientY);
      else page.tip.hide();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (held && !held.moved) {
        const found = this.under(event.offsetX, event.offsetY);
        if (found.run !== undefined) this.chosen(this.id(this.trial.runs[0][found.run], this.trial.runs[1][found.run]));
        if (found.idle) this.chosen(this.id(found.idle[0], found.idle[1]));
      }
      held = null;
    });
    canvas.addEventListener("pointerleave", () => page.tip.hide());
    canvas.addEventListener("dblclick", (event) => this.zoom(0.4, this.ms(event.offsetX)));
    canvas.addEventListener("wheel", (event) => {
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) { event.preventDefault(); this.pan((event.deltaX || event.deltaY) / 900); return; }
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      this.zoom(Math.exp(event.deltaY / 300), this.ms(event.offsetX));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const does = { ArrowLeft: () => this.pan(-0.15), ArrowRight: () => this.pan(0.15), "+": () => this.zoom(0.6), "=": () => this.zoom(0.6), "-": () => this.zoom(1 / 0.6), Home: () => this.show(...this.home), 0: () => this.show(...this.home), n: () => this.step(1), p: () => this.step(-1) }[event.key];
      if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      does();
      page.say(`from ${(this.from / 1000).toFixed(2)} to ${(this.to / 1000).toFixed(2)} seconds`);
    });
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(canvas);
  }
};
