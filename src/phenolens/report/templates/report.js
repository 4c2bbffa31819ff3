"use strict";
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const data = (id) => JSON.parse(document.getElementById(id).textContent);
  // Plotly reads links, breaks and entities in its texts; names come from strangers.
  const quiet = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const config = {
    displaylogo: false,
    responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };

  // Figures name their colours as CSS properties, so that they follow the reader's scheme.
  const paint = (value, key = "") => {
    if (Array.isArray(value)) return value.map((v) => paint(v, key));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, paint(v, k)]));
    return /color$/.test(key) && typeof value === "string" && value.startsWith("--") ? colour(value) : value;
  };

  const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
  const COLOURS = 7;
  const SYMBOLS = [
    ["circle", "M7 2.5a4.5 4.5 0 1 0 .01 0z"],
    ["square", "M3 3h8v8H3z"],
    ["diamond", "M7 1.5 12.5 7 7 12.5 1.5 7z"],
    ["triangle-up", "M7 2 12.5 11.5h-11z"],
    ["triangle-down", "M7 12 1.5 2.5h11z"],
    ["cross", "M5.2 1.5h3.6v3.7h3.7v3.6H8.8v3.7H5.2V8.8H1.5V5.2h3.7z"],
    ["x", "M4 1.5l3 3 3-3L12.5 4l-3 3 3 3L10 12.5l-3-3-3 3L1.5 10l3-3-3-3z"],
    ["star", "M7 1l1.6 4 4.3.3-3.3 2.8 1.1 4.2L7 10l-3.7 2.3 1.1-4.2L1.1 5.3 5.4 5z"],
    ["hexagon", "M7 1.5l4.8 2.75v5.5L7 12.5l-4.8-2.75v-5.5z"],
  ];
  const look = (n) => ({
    color: colour(`--c${n % COLOURS}`),
    symbol: SYMBOLS[Math.floor(n / COLOURS) % SYMBOLS.length],
  });

  class EmbeddingMap {
    constructor(root) {
      Object.assign(this, data(root.dataset.source));
      this.find = (name) => root.querySelector(`.map-${name}`);
      this.picked = [];
      this.find("encoder").addEventListener("change", () => this.choose());
      this.find("column").addEventListener("change", () => this.recolour());
      this.find("clear").addEventListener("click", () => this.pick(null));
      this.choose();
    }

    choose() {
      this.map = this.maps[Number(this.find("encoder").value)];
      const table = this.tables[this.map.table];
      if (table !== this.table) {
        const before = this.column && this.column.name;
        this.table = table;
        const options = table.columns.map((c, i) => new Option(c.name, String(i), false, c.name === before));
        this.find("column").replaceChildren(...options);
        this.recolour();
      } else this.draw();
    }

    recolour() {
      this.column = this.table.columns[Number(this.find("column").value)];
      this.picked = [];
      this.draw();
    }

    pick(code) {
      if (code === null) this.picked = [];
      else if (this.picked.includes(code)) this.picked = this.picked.filter((c) => c !== code);
      else this.picked = [...this.picked, code];
      this.draw();
    }

    hover(i) {
      const lines = this.table.hover.columns.map((c) => `${c.name}: ${c.categories[c.codes[i]]}`);
      const shown = this.column && !this.table.hover.columns.some((c) => c.name === this.column.name);
      if (shown && this.column.codes) lines.push(`${this.column.name}: ${this.column.categories[this.column.codes[i]]}`);
      if (shown && this.column.values) lines.push(`${this.column.name}: ${this.column.values[i] ?? "none"}`);
      return [`<b>${quiet(this.table.hover.site_id[i])}</b>`, ...lines.map(quiet)].join("<br>");
    }

    trace(rows, marker, opacity) {
      const outline = { color: colour("--page"), width: 0.4 };
      return {
        type: "scatter", mode: "markers", hovertemplate: "%{text}<extra></extra>", opacity,
        x: rows.map((i) => this.map.x[i]), y: rows.map((i) => this.map.y[i]), text: rows.map((i) => this.hover(i)),
        marker: { size: this.map.shown > 600 ? 6 : 8, line: outline, ...marker },
      };
    }

    looks() {
      const { categories, neutral, kind } = this.column;
      let next = 0;
      return categories.map((_, code) => {
        const place = this.picked.indexOf(code);
        if (kind === "highlight") return place < 0 ? { color: colour("--faint"), symbol: SYMBOLS[0] } : look(place);
        return neutral.includes(code) ? { color: colour("--baseline"), symbol: SYMBOLS[0] } : look(next++);
      });
    }

    groups() {
      const rows = this.column.categories.map(() => []);
      this.column.codes.forEach((code, i) => rows[code].push(i));
      return rows;
    }

    categoryTraces() {
      const looks = this.looks();
      const { kind, neutral } = this.column;
      const rank = (code) => (this.picked.includes(code) ? 2 : neutral.includes(code) ? 0 : 1);
      return this.groups()
        .map((rows, code) => ({ rows, code }))
        .sort((a, b) => rank(a.code) - rank(b.code))
        .map(({ rows, code }) => {
          const away = this.picked.length > 0 && !this.picked.includes(code);
          const marker = { color: looks[code].color, symbol: looks[code].symbol[0] };
          return this.trace(rows, marker, away ? 0.15 : kind === "highlight" && rank(code) < 2 ? 0.6 : 0.9);
        });
    }

    numberTraces() {
      const { values, kind, name } = this.column;
      const known = values.flatMap((v, i) => (v === null ? [] : [i]));
      const scaled = known.map((i) => (kind === "log" ? Math.log10(values[i]) : values[i]));
      const bar = {
        orientation: "h", thickness: 10, len: 0.7, y: 0, yanchor: "top", outlinewidth: 0,
        title: { text: quiet(kind === "log" ? `${name} (log scale)` : name), side: "top", font: { size: 12 } },
        tickfont: { color: colour("--muted"), size: 11 },
      };
      if (kind === "log") {
        const [low, high] = [Math.ceil(Math.min(...scaled) - 1e-9), Math.floor(Math.max(...scaled) + 1e-9)];
        const powers = Array.from({ length: Math.max(0, high - low + 1) }, (_, k) => low + k);
        const shown = powers.length > 1 ? powers : [Math.min(...scaled), Math.max(...scaled)];
        Object.assign(bar, { tickvals: shown, ticktext: shown.map((p) => String(Number((10 ** p).toPrecision(3)))) });
      }
      const missing = values.flatMap((v, i) => (v === null ? [i] : []));
      return [
        this.trace(missing, { color: colour("--faint") }, 0.5),
        this.trace(known, { color: scaled, colorscale: "Viridis", showscale: true, colorbar: bar }, 0.9),
      ];
    }

    draw() {
      const plot = this.find("plot");
      const numbers = Boolean(this.column && this.column.values);
      const everyone = this.map.x.map((_, i) => i);
      const traces = !this.column ? [this.trace(everyone, { color: colour("--accent") }, 0.9)]
        : numbers ? this.numberTraces() : this.categoryTraces();
      const axis = { visible: false, zeroline: false, showgrid: false };
      const layout = {
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest",
        font: { family: FONT, size: 13, color: colour("--text") },
        margin: { l: 8, r: 8, t: 8, b: numbers ? 64 : 8 },
        xaxis: axis, yaxis: { ...axis, scaleanchor: "x" }, dragmode: "pan",
        height: Math.max(320, Math.min(620, plot.clientWidth * 0.85)),
        uirevision: this.map.encoder,
        hoverlabel: { bgcolor: colour("--raised"), bordercolor: colour("--rule"), align: "left",
                      font: { color: colour("--text"), size: 13 } },
      };
      Plotly.react(plot, traces, layout, config);
      this.legend(numbers);
    }

    legend(numbers) {
      const box = this.find("legend");
      box.classList.toggle("away", numbers || !this.column);
      this.find("clear").hidden = this.picked.length === 0;
      if (numbers || !this.column) return;
      const focused = document.activeElement && document.activeElement.dataset.code;
      const looks = this.looks();
      const sizes = this.groups().map((rows) => rows.length);
      const entries = this.column.categories.map((label, code) => {
        const entry = document.createElement("button");
        entry.type = "button";
        entry.dataset.code = String(code);
        entry.setAttribute("aria-pressed", String(this.picked.includes(code)));
        const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
        for (const [k, v] of [["width", 14], ["height", 14], ["viewBox", "0 0 14 14"], ["aria-hidden", "true"]])
          svg.setAttribute(k, String(v));
        path.setAttribute("d", looks[code].symbol[1]);
        path.setAttribute("fill", looks[code].color);
        svg.append(path);
        const [name, size] = ["label", "count"].map((c) => Object.assign(document.createElement("span"), { className: c }));
        name.textContent = label;
        size.textContent = String(sizes[code]);
        entry.append(svg, name, size);
        entry.addEventListener("click", () => this.pick(code));
        return entry;
      });
      const scrolled = box.scrollTop;
      box.replaceChildren(...entries);
      box.scrollTop = scrolled;
      if (focused !== undefined && entries[Number(focused)]) entries[Number(focused)].focus({ preventScroll: true });
    }
  }

  const plots = [...document.querySelectorAll(".plot")];
  const drawPlots = () => {
    for (const plot of plots) {
      const figure = paint(data(plot.dataset.source));
      Plotly.react(plot, figure.data, figure.layout, config);
    }
  };
  drawPlots();
  const maps = [...document.querySelectorAll(".map")].map((root) => new EmbeddingMap(root));

  const redraw = () => {
    drawPlots();
    maps.forEach((map) => map.draw());
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  matchMedia("print").addEventListener("change", redraw);
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      details.dataset.closeAgain = "";
    }
  });
  addEventListener("afterprint", () => {
    for (const details of document.querySelectorAll("[data-close-again]")) {
      details.open = false;
      delete details.dataset.closeAgain;
    }
  });
})();
