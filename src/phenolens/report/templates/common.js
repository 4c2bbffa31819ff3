"use strict";
// What the report and the explorer share: light and dark, and a map of sites on a canvas with a legend.

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

// The button that chooses light or dark; what is drawn is drawn again.
const chooseTheme = (button, redraw) => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const changed = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    known.clear();
    redraw();
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    changed();
  });
  dark.addEventListener("change", changed);
  changed();
};

const COLOURS = 7;
const DENSE = 5000; // more points are small squares, which are drawn faster: their shapes could not be told apart
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

// The least and the greatest of the numbers that are known.
const extent = (values) => {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) if (v !== null) [low, high] = [Math.min(low, v), Math.max(high, v)];
  return [low, high];
};

class EmbeddingMap {
  constructor(box) {
    this.find = (name) => box.querySelector(`.map-${name}`);
    this.canvas = this.find("plot");
    this.tip = this.find("tip");
    this.map = { x: [], y: [] };
    this.picked = [];
    this.column = null;
    this.find("clear").addEventListener("click", () => this.pick(null));
    this.find("reset").addEventListener("click", () => this.reset());
    this.listen();
    this.reset();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  listen() {
    const canvas = this.canvas;
    let dragged = null;
    canvas.addEventListener("pointerdown", (e) => {
      dragged = this.drag(e);
      canvas.setPointerCapture(e.pointerId);
    });
    canvas.addEventListener("pointerup", (e) => {
      if (dragged && dragged.end) dragged.end(e);
      dragged = null;
    });
    canvas.addEventListener("pointercancel", () => { dragged = null; });
    canvas.addEventListener("pointermove", (e) => {
      if (dragged) dragged.move(e);
      else this.show(this.nearest(e.offsetX, e.offsetY));
    });
    canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      this.zoom(Math.exp(-e.deltaY / 400), e.offsetX, e.offsetY);
    }, { passive: false });
    canvas.addEventListener("keydown", (e) => {
      if (!e.ctrlKey && !e.metaKey && !e.altKey && this.key(e.key)) e.preventDefault();
    });
  }

  // What a drag does: here, it moves the map.
  drag(e) {
    const from = [this.shift[0] - e.offsetX, this.shift[1] - e.offsetY];
    return {
      move: (to) => {
        this.shift = [from[0] + to.offsetX, from[1] + to.offsetY];
        this.draw();
      },
    };
  }

  // The same with the keyboard: arrows move, + and - zoom, n and p go from point to point.
  key(key) {
    const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    const [w, h] = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2];
    if (moves[key]) this.shift = this.shift.map((v, k) => v + moves[key][k]);
    else if (key === "+") this.zoom(1.3, w, h);
    else if (key === "-") this.zoom(1 / 1.3, w, h);
    else if (key === "n") this.step(1);
    else if (key === "p") this.step(-1);
    else return false;
    this.draw();
    return true;
  }

  use(map) {
    this.map = map;
    this.restyle();
  }

  colourBy(column) {
    this.column = column ?? null;
    this.picked = [];
    this.restyle();
  }

  restyle() {
    this.styled = null;
    this.shown = -1;
    this.legend();
    this.draw();
  }

  reset() {
    this.scale = 1;
    this.shift = [0, 0];
    this.draw();
  }

  zoom(factor, x, y) {
    const next = Math.min(60, Math.max(0.5, this.scale * factor));
    const ratio = next / this.scale;
    const centre = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2];
    this.shift = [x, y].map((v, k) => v - centre[k] - (v - centre[k] - this.shift[k]) * ratio);
    this.scale = next;
    this.draw();
  }

  // Where a point lies on the canvas, as a function: what it depends on is measured once.
  places() {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const unit = (Math.min(w, h) / 2 - 10) * this.scale;
    const [left, top] = [w / 2 + this.shift[0], h / 2 + this.shift[1]];
    return (i) => [left + this.map.x[i] * unit, top - this.map.y[i] * unit];
  }

  pick(code) {
    if (code === null) this.picked = [];
    else if (this.picked.includes(code)) this.picked = this.picked.filter((c) => c !== code);
    else this.picked = [...this.picked, code];
    this.restyle();
  }

  looks() {
    const { categories, neutral, kind } = this.column;
    const set = new Set(neutral);
    let next = 0;
    return categories.map((_, code) => {
      const place = this.picked.indexOf(code);
      if (kind === "highlight") return place < 0 ? { color: colour("--faint"), symbol: SYMBOLS[0] } : look(place);
      return set.has(code) ? { color: colour("--baseline"), symbol: SYMBOLS[0] } : look(next++);
    });
  }

  // How each point looks: its colour, shape and strength, those that stand out last.
  styles() {
    const column = this.column;
    if (!column) return Array.from(this.map.x, (_, i) => ({ i, color: colour("--accent"), symbol: SYMBOLS[0], alpha: 0.8, rank: 0 }));
    if (column.values) {
      const scaled = column.values.map((v) => (v === null ? null : column.kind === "log" ? Math.log10(v) : v));
      const [low, high] = extent(scaled);
      const missing = colour("--faint");
      return scaled.map((v, i) => ({
        i, symbol: SYMBOLS[0], alpha: v === null ? 0.5 : 0.9, rank: v === null ? 0 : 1,
        color: v === null ? missing : RAMP[Math.min(9, Math.floor(((v - low) / (high - low)) * 10))],
      }));
    }
    const looks = this.looks();
    const [picked, neutral] = [new Set(this.picked), new Set(column.neutral)];
    return column.codes.map((code, i) => {
      const chosen = picked.has(code);
      const away = picked.size > 0 && !chosen;
      return { i, ...looks[code], alpha: away ? 0.15 : 0.85, rank: chosen ? 2 : neutral.has(code) ? 0 : 1 };
    });
  }

  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  paint() {
    const { canvas } = this;
    const dense = window.devicePixelRatio || 1;
    const place = this.places();
    const [w, h] = [canvas.clientWidth * dense, canvas.clientHeight * dense];
    [canvas.width, canvas.height] = [w, h];
    const pen = canvas.getContext("2d");
    const n = this.map.x.length;
    const size = (n > 20000 ? 3 : n > DENSE ? 4 : n > 600 ? 7 : 9) * dense;
    const stamps = new Map();
    this.styled ??= this.styles().sort((a, b) => a.rank - b.rank);
    for (const each of this.styled) {
      const [x, y] = place(each.i);
      const [left, top] = [Math.round(x * dense - size / 2), Math.round(y * dense - size / 2)];
      if (left < -size || top < -size || left > w || top > h) continue;
      pen.globalAlpha = each.alpha;
      if (n > DENSE) {
        pen.fillStyle = each.color;
        pen.fillRect(left, top, size, size);
        continue;
      }
      const key = each.color + each.symbol;
      if (!stamps.has(key)) stamps.set(key, stamp(each, size));
      pen.drawImage(stamps.get(key), left, top);
    }
    return pen;
  }

  nearest(x, y) {
    const place = this.places();
    let [nearest, least] = [-1, 120];
    for (let i = 0; i < this.map.x.length; i += 1) {
      const [px, py] = place(i);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) [nearest, least] = [i, distance];
    }
    return nearest;
  }

  step(by) {
    const n = this.map.x.length;
    if (n === 0) return;
    this.at = ((this.at ?? (by > 0 ? -1 : 0)) + by + n) % n;
    this.show(this.at);
  }

  thumbnail() {
    return null;
  }

  // What is said of a point where it is touched.
  words(i) {
    const { hover, column } = this;
    const lines = [hover.site_id[i], ...hover.columns.map((c) => `${c.name}: ${c.categories[c.codes[i]]}`)];
    const shown = column && !hover.columns.some((c) => c.name === column.name);
    if (shown && column.codes) lines.push(`${column.name}: ${column.categories[column.codes[i]]}`);
    if (shown && column.values) lines.push(`${column.name}: ${column.values[i] ?? "none"}`);
    return lines;
  }

  show(i) {
    if (i >= 0 && i === this.shown && !this.tip.hidden) return;
    this.shown = i;
    this.tip.hidden = i < 0;
    if (i < 0) return;
    const parts = this.words(i).map((text) => Object.assign(document.createElement("p"), { textContent: text }));
    const picture = this.thumbnail(i);
    if (picture) parts.unshift(picture);
    this.tip.replaceChildren(...parts);
    const [x, y] = this.places()(i);
    this.tip.style.left = `${Math.max(0, Math.min(x + 12, this.canvas.clientWidth - this.tip.offsetWidth))}px`;
    this.tip.style.top = `${Math.max(0, Math.min(y + 12, this.canvas.clientHeight - this.tip.offsetHeight))}px`;
  }

  legend() {
    const box = this.find("legend");
    this.find("clear").hidden = this.picked.length === 0;
    if (!this.column) return;
    if (this.column.values) {
      const [low, high] = extent(this.column.values);
      const entries = RAMP.map((color, k) => {
        const entry = document.createElement("span");
        const words = { 0: low, 9: high };
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
    const entries = this.listed().map((code) => {
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
      name.textContent = this.column.categories[code];
      size.textContent = String(sizes[code]);
      entry.append(svg, name, size);
      entry.addEventListener("click", () => this.pick(code));
      return entry;
    });
    const scrolled = box.scrollTop;
    box.replaceChildren(...entries);
    box.scrollTop = scrolled;
    const again = focused === undefined ? undefined : entries.find((entry) => entry.dataset.code === focused);
    if (again) again.focus({ preventScroll: true });
  }

  // The categories that the legend lists.
  listed() {
    return this.column.categories.map((_, code) => code);
  }
}
