"use strict";
(() => {
  const root = document.documentElement;
  const probe = document.createElement("span");
  const known = new Map();
  // A property may be light-dark(): the browser says what it is now, once for each theme.
  const colour = (name) => {
    if (!known.has(name)) {
      probe.style.color = `var(${name})`;
      document.body.append(probe);
      known.set(name, getComputedStyle(probe).color);
      probe.remove();
    }
    return known.get(name);
  };

  const COLOURS = 7;
  const SYMBOLS = [
    "M7 2.5a4.5 4.5 0 1 0 .01 0z",
    "M3 3h8v8H3z",
    "M7 1.5 12.5 7 7 12.5 1.5 7z",
    "M7 2 12.5 11.5h-11z",
    "M7 12 1.5 2.5h11z",
    "M5.2 1.5h3.6v3.7h3.7v3.6H8.8v3.7H5.2V8.8H1.5V5.2h3.7z",
    "M4 1.5l3 3 3-3L12.5 4l-3 3 3 3L10 12.5l-3-3-3 3L1.5 10l3-3-3-3z",
    "M7 1l1.6 4 4.3.3-3.3 2.8 1.1 4.2L7 10l-3.7 2.3 1.1-4.2L1.1 5.3 5.4 5z",
    "M7 1.5l4.8 2.75v5.5L7 12.5l-4.8-2.75v-5.5z",
  ];
  const look = (n) => ({ color: colour(`--c${n % COLOURS}`), symbol: SYMBOLS[Math.floor(n / COLOURS) % SYMBOLS.length] });
  // Viridis, at ten steps: dark is low, whatever the reader's eyes and scheme.
  const RAMP = ["#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];

  // A point is drawn once for each look, and then copied.
  const stamp = ({ color, symbol }, size) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.ceil(size);
    const pen = canvas.getContext("2d");
    pen.scale(size / 14, size / 14);
    pen.fillStyle = color;
    pen.fill(new Path2D(symbol));
    return canvas;
  };

  class EmbeddingMap {
    constructor(box) {
      Object.assign(this, JSON.parse(document.getElementById(box.dataset.source).textContent));
      this.find = (name) => box.querySelector(`.map-${name}`);
      this.canvas = this.find("plot");
      this.tip = this.find("tip");
      this.picked = [];
      this.find("encoder").addEventListener("change", () => this.choose());
      this.find("column").addEventListener("change", () => this.recolour());
      this.find("clear").addEventListener("click", () => this.pick(null));
      this.find("reset").addEventListener("click", () => this.reset());
      this.listen();
      this.reset();
      this.choose();
      new ResizeObserver(() => this.draw()).observe(this.canvas);
    }

    listen() {
      const canvas = this.canvas;
      let from = null;
      canvas.addEventListener("pointerdown", (e) => {
        from = [e.offsetX, e.offsetY, ...this.shift];
        canvas.setPointerCapture(e.pointerId);
      });
      canvas.addEventListener("pointerup", () => { from = null; });
      canvas.addEventListener("pointermove", (e) => {
        if (from) {
          this.shift = [from[2] + e.offsetX - from[0], from[3] + e.offsetY - from[1]];
          this.draw();
        } else this.point(e.offsetX, e.offsetY);
      });
      canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
      canvas.addEventListener("wheel", (e) => {
        e.preventDefault();
        this.zoom(Math.exp(-e.deltaY / 400), e.offsetX, e.offsetY);
      }, { passive: false });
      // The same with the keyboard: arrows move, + and - zoom, n goes from point to point.
      canvas.addEventListener("keydown", (e) => {
        const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
        const [w, h] = [canvas.clientWidth / 2, canvas.clientHeight / 2];
        if (moves[e.key]) this.shift = this.shift.map((v, k) => v + moves[e.key][k]);
        else if (e.key === "+") this.zoom(1.3, w, h);
        else if (e.key === "-") this.zoom(1 / 1.3, w, h);
        else if (e.key === "n") this.step();
        else return;
        e.preventDefault();
        this.draw();
      });
    }

    reset() {
      this.scale = 1;
      this.shift = [0, 0];
      if (this.map) this.draw();
    }

    zoom(factor, x, y) {
      const next = Math.min(60, Math.max(0.5, this.scale * factor));
      const ratio = next / this.scale;
      const centre = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2];
      this.shift = [x, y].map((v, k) => v - centre[k] - (v - centre[k] - this.shift[k]) * ratio);
      this.scale = next;
      this.draw();
    }

    place(i) {
      const { clientWidth: w, clientHeight: h } = this.canvas;
      const unit = (Math.min(w, h) / 2 - 10) * this.scale;
      return [w / 2 + this.shift[0] + this.map.x[i] * unit, h / 2 + this.shift[1] - this.map.y[i] * unit];
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
      this.legend();
      this.draw();
    }

    pick(code) {
      if (code === null) this.picked = [];
      else if (this.picked.includes(code)) this.picked = this.picked.filter((c) => c !== code);
      else this.picked = [...this.picked, code];
      this.legend();
      this.draw();
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

    // How each point looks: its colour, shape and strength, those that stand out last.
    styles() {
      const column = this.column;
      if (!column) return this.map.x.map((_, i) => ({ i, color: colour("--accent"), symbol: SYMBOLS[0], alpha: 0.8, rank: 0 }));
      if (column.values) {
        const scaled = column.values.map((v) => (v === null ? null : column.kind === "log" ? Math.log10(v) : v));
        const known = scaled.filter((v) => v !== null);
        const [low, high] = [Math.min(...known), Math.max(...known)];
        const missing = colour("--faint");
        return scaled.map((v, i) => ({
          i, symbol: SYMBOLS[0], alpha: v === null ? 0.5 : 0.9, rank: v === null ? 0 : 1,
          color: v === null ? missing : RAMP[Math.min(9, Math.floor(((v - low) / (high - low)) * 10))],
        }));
      }
      const looks = this.looks();
      return column.codes.map((code, i) => {
        const chosen = this.picked.includes(code);
        const away = this.picked.length > 0 && !chosen;
        return { i, ...looks[code], alpha: away ? 0.15 : 0.85, rank: chosen ? 2 : column.neutral.includes(code) ? 0 : 1 };
      });
    }

    draw() {
      const { canvas } = this;
      const dense = window.devicePixelRatio || 1;
      [canvas.width, canvas.height] = [canvas.clientWidth * dense, canvas.clientHeight * dense];
      const pen = canvas.getContext("2d");
      const size = (this.map.shown > 5000 ? 4 : this.map.shown > 600 ? 7 : 9) * dense;
      const stamps = new Map();
      for (const each of this.styles().sort((a, b) => a.rank - b.rank)) {
        const key = each.color + each.symbol;
        if (!stamps.has(key)) stamps.set(key, stamp(each, size));
        const [x, y] = this.place(each.i);
        pen.globalAlpha = each.alpha;
        pen.drawImage(stamps.get(key), Math.round(x * dense - size / 2), Math.round(y * dense - size / 2));
      }
    }

    point(x, y) {
      let [nearest, least] = [-1, 120];
      for (let i = 0; i < this.map.x.length; i += 1) {
        const [px, py] = this.place(i);
        const distance = (px - x) ** 2 + (py - y) ** 2;
        if (distance < least) [nearest, least] = [i, distance];
      }
      this.show(nearest);
    }

    step() {
      this.at = ((this.at ?? -1) + 1) % this.map.x.length;
      this.show(this.at);
    }

    show(i) {
      this.tip.hidden = i < 0;
      if (i < 0) return;
      const { hover } = this.table;
      const lines = [hover.site_id[i], ...hover.columns.map((c) => `${c.name}: ${c.categories[c.codes[i]]}`)];
      const shown = this.column && !hover.columns.some((c) => c.name === this.column.name);
      if (shown && this.column.codes) lines.push(`${this.column.name}: ${this.column.categories[this.column.codes[i]]}`);
      if (shown && this.column.values) lines.push(`${this.column.name}: ${this.column.values[i] ?? "none"}`);
      const parts = lines.map((text) => Object.assign(document.createElement("p"), { textContent: text }));
      const tile = hover.tiles ? hover.tiles[i] : -1;
      if (tile >= 0) parts.unshift(picture(tile));
      this.tip.replaceChildren(...parts);
      const [x, y] = this.place(i);
      this.tip.style.left = `${Math.max(0, Math.min(x + 12, this.canvas.clientWidth - this.tip.offsetWidth))}px`;
      this.tip.style.top = `${Math.max(0, Math.min(y + 12, this.canvas.clientHeight - this.tip.offsetHeight))}px`;
    }

    legend() {
      const box = this.find("legend");
      this.find("clear").hidden = this.picked.length === 0;
      if (!this.column) return;
      if (this.column.values) {
        const known = this.column.values.filter((v) => v !== null);
        const entries = RAMP.map((color, k) => {
          const entry = document.createElement("span");
          const words = { 0: Math.min(...known), 9: Math.max(...known) };
          const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
          swatch.style.background = color;
          entry.append(swatch, words[k] === undefined ? "" : String(words[k]));
          return entry;
        });
        box.replaceChildren(`${this.column.name}${this.column.kind === "log" ? " (log scale)" : ""}`, ...entries);
        return;
      }
      const focused = document.activeElement && document.activeElement.dataset.code;
      const looks = this.looks();
      const sizes = this.column.categories.map(() => 0);
      for (const code of this.column.codes) sizes[code] += 1;
      const entries = this.column.categories.map((label, code) => {
        const entry = document.createElement("button");
        entry.type = "button";
        entry.dataset.code = String(code);
        entry.setAttribute("aria-pressed", String(this.picked.includes(code)));
        const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
        const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
        for (const [k, v] of [["width", 14], ["height", 14], ["viewBox", "0 0 14 14"], ["aria-hidden", "true"]])
          svg.setAttribute(k, String(v));
        path.setAttribute("d", looks[code].symbol);
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

  const across = Number(getComputedStyle(root).getPropertyValue("--across")) || 1;
  const picture = (tile) => {
    const span = Object.assign(document.createElement("span"), { className: "tile" });
    span.style.setProperty("--x", String(tile % across));
    span.style.setProperty("--y", String(Math.floor(tile / across)));
    return span;
  };

  const maps = [...document.querySelectorAll(".map")].map((box) => new EmbeddingMap(box));
  const redraw = () => {
    known.clear();
    maps.forEach((map) => { map.legend(); map.draw(); });
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = document.querySelector(".theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const name = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.hidden = false;
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    name();
    redraw();
  });
  dark.addEventListener("change", () => { name(); redraw(); });
  name();

  // A table as a file: cells that begin like a formula are quoted, so that no spreadsheet runs a stranger's name.
  const field = (text) => {
    const plain = /^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]/.test(text) ? `'${text}` : text;
    return /[",\n]/.test(plain) ? `"${plain.replace(/"/g, '""')}"` : plain;
  };
  for (const button of document.querySelectorAll(".csv")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const rows = [...button.parentElement.querySelector("table").rows];
      const lines = rows.map((row) => [...row.cells].map((cell) => field(cell.textContent.trim().replace(/\s+/g, " "))).join(","));
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" }));
      link.download = `${button.dataset.name.replace(/[^\w-]+/g, "-").slice(0, 80)}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

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
