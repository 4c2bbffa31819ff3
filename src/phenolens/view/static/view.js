"use strict";
// The explorer. Everything that a study says is shown as text, and asked from the server that the page came from.
(() => {
  const $ = (id) => document.getElementById(id);
  const made = (tag, properties = {}, ...content) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...content);
    return element;
  };
  const MOST_THUMBNAILS = 48;
  const MOST_LISTED = 300;
  const CLICK = 4; // pixels that a pointer may move in a click

  // ---- Asking the server ----

  const trouble = (error) => {
    const gone = error instanceof TypeError; // no answer at all
    $("trouble").textContent = gone ? "The explorer has ended; start phenolens view again." : error.message;
  };
  const ask = async (what, options) => {
    const reply = await fetch(what, options);
    if (!reply.ok) throw new Error((await reply.text()).trim());
    return reply;
  };
  const asked = new Map();
  const answer = (what) => {
    if (!asked.has(what)) {
      asked.set(what, ask(what).then((reply) => reply.json()));
      asked.get(what).catch(() => asked.delete(what));
    }
    return asked.get(what);
  };

  // ---- Images ----

  // How channels are shown, in every image of the page.
  const shownAs = { contrast: "given", channels: [] };
  const imageOf = (site, side) => {
    const fixed = shownAs.contrast === "given";
    const query = shownAs.channels
      .map((c, number) => ({ ...c, number }))
      .filter((c) => c.on)
      .map((c) => `c=${c.number},${c.colour.slice(1)},${fixed ? c.low : 0},${fixed ? c.high : 0}`);
    if (side) query.push(`side=${side}`);
    return `image/${site}?${[`contrast=${shownAs.contrast}`, ...query].join("&")}`;
  };
  const hasImages = () => shownAs.channels.length > 0;

  const thumbnails = new Map(); // image element -> site
  const thumbnail = (site) => {
    const image = made("img", { alt: "", width: 96, height: 96, loading: "lazy", src: imageOf(site, 96) });
    thumbnails.set(image, site);
    return image;
  };

  // ---- The map ----

  class ExplorerMap extends EmbeddingMap {
    constructor(box) {
      super(box);
      this.selected = new Set();
      this.chosen = -1;
      this.near = [];
      this.find("find").addEventListener("input", () => this.legend());
    }

    isSelecting() {
      return document.querySelector("input[name=mode]:checked").value === "select";
    }

    drag(e) {
      const start = [e.offsetX, e.offsetY];
      const isClick = (to) => Math.hypot(to.offsetX - start[0], to.offsetY - start[1]) < CLICK;
      const open = (to) => {
        const site = this.nearest(to.offsetX, to.offsetY);
        if (site >= 0) openSite(site);
      };
      if (!this.isSelecting()) return { ...super.drag(e), end: (to) => isClick(to) && open(to) };
      this.lasso = [start];
      this.tip.hidden = true;
      return {
        move: (to) => {
          this.lasso.push([to.offsetX, to.offsetY]);
          this.draw();
        },
        end: (to) => {
          const lasso = this.lasso;
          this.lasso = null;
          if (isClick(to)) open(to);
          else select(this.inside(lasso), to.shiftKey);
          this.draw();
        },
      };
    }

    key(key) {
      if (key === "Enter" && this.shown >= 0) openSite(this.shown);
      else if (key === " " && this.shown >= 0) toggle(this.shown);
      else return super.key(key);
      return true;
    }

    inside(lasso) {
      const place = this.places();
      return this.among((i) => isInside(place(i), lasso));
    }

    inView() {
      const place = this.places();
      const { clientWidth: w, clientHeight: h } = this.canvas;
      return this.among((i) => {
        const [x, y] = place(i);
        return x >= 0 && y >= 0 && x <= w && y <= h;
      });
    }

    // The sites of which something is true; of the categories that are brought out, if some are.
    among(isTrue) {
      const of = this.picked.length > 0 ? new Set(this.picked) : null;
      const found = [];
      for (let i = 0; i < this.map.x.length; i += 1)
        if ((!of || of.has(this.column.codes[i])) && isTrue(i)) found.push(i);
      return found;
    }

    styles() {
      const styles = super.styles();
      if (this.selected.size === 0) return styles;
      const isGrey = (i) => this.column?.kind === "highlight" && !this.picked.includes(this.column.codes[i]);
      return styles.map((each) => {
        if (!this.selected.has(each.i)) return { ...each, alpha: each.alpha / 4 };
        return { ...each, alpha: 1, rank: each.rank + 3, color: isGrey(each.i) ? colour("--accent") : each.color };
      });
    }

    paint() {
      const pen = super.paint();
      const dense = window.devicePixelRatio || 1;
      const place = this.places();
      pen.globalAlpha = 1;
      pen.scale(dense, dense);
      pen.strokeStyle = colour("--text");
      const ring = (i, radius, width) => {
        const [x, y] = place(i);
        pen.lineWidth = width;
        pen.beginPath();
        pen.arc(x, y, radius, 0, 2 * Math.PI);
        pen.stroke();
      };
      if (this.map.x.length > 0) {
        this.near.forEach((i) => ring(i, 7, 1));
        if (this.chosen >= 0) ring(this.chosen, 10, 2.5);
      }
      if (!this.lasso) return;
      pen.lineWidth = 1.5;
      pen.setLineDash([5, 4]);
      pen.beginPath();
      this.lasso.forEach(([x, y]) => pen.lineTo(x, y));
      pen.closePath();
      pen.stroke();
    }

    thumbnail(i) {
      if (!hasImages()) return null;
      const image = made("img", { alt: "", width: 96, height: 96 });
      // Asked for only where the pointer rests.
      setTimeout(() => { if (this.shown === i) image.src = imageOf(i, 96); }, 120);
      return image;
    }

    listed() {
      const all = super.listed();
      const search = this.find("search");
      search.hidden = all.length <= 20;
      const text = search.hidden ? "" : this.find("find").value.toLowerCase();
      const fits = (code) => this.picked.includes(code) || this.column.categories[code].toLowerCase().includes(text);
      return all.filter(fits).slice(0, MOST_LISTED);
    }
  }

  // Whether a point lies within a polygon: whether a ray from it crosses its sides an odd number of times.
  const isInside = ([x, y], polygon) => {
    let inside = false;
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
      const [[xi, yi], [xj, yj]] = [polygon[i], polygon[j]];
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
    }
    return inside;
  };

  const map = new ExplorerMap($("map"));

  const chooseEncoder = async () => {
    const select = map.find("encoder");
    const number = select.value;
    const busy = map.find("busy");
    busy.textContent = `Laying out the map of ${select.selectedOptions[0].text} …`;
    const found = await answer(`map/${number}`);
    if (number !== select.value) return; // another one has been chosen meanwhile
    busy.textContent = found.problem ?? "";
    $("map-note").textContent = found.note ? `${found.note}.` : "";
    map.near = (nearest[number] ?? []).map((each) => each.site);
    map.use(found.problem ? { x: [], y: [] } : found);
  };

  const chooseColumn = async () => {
    const select = map.find("column");
    const number = select.value;
    const column = await answer(`column/${number}`);
    if (number !== select.value) return;
    map.find("find").value = "";
    map.colourBy(column);
  };

  // ---- The selection ----

  const select = (sites, add = false) => {
    map.selected = new Set(add ? [...map.selected, ...sites] : sites);
    const n = map.selected.size;
    $("count").textContent = n === 0 ? "No site selected" : `${n.toLocaleString("en")} ${n === 1 ? "site" : "sites"} selected`;
    $("unselect").disabled = $("export").disabled = n === 0;
    const shown = [...map.selected].slice(0, MOST_THUMBNAILS);
    const more = n > shown.length ? [made("p", { className: "note" }, `and ${(n - shown.length).toLocaleString("en")} more`)] : [];
    $("chosen").replaceChildren(...shown.map((site) => tile(site)), ...more);
    forgetThumbnails();
    map.styled = null;
    map.draw();
  };

  const toggle = (site) => {
    const sites = new Set(map.selected);
    if (!sites.delete(site)) sites.add(site);
    select(sites);
  };

  const exportManifest = async () => {
    const reply = await ask("export", { method: "POST", body: [...map.selected].sort((a, b) => a - b).join(",") });
    const link = made("a", { href: URL.createObjectURL(await reply.blob()), download: "selection.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  // ---- The site ----

  const nearest = []; // the neighbours of the site that is looked at, by encoder
  let site = null;

  const openSite = async (number) => {
    map.chosen = number;
    const [found, neighbours] = await Promise.all([answer(`site/${number}`), answer(`neighbours/${number}`)]);
    if (map.chosen !== number) return;
    site = { ...found, number };
    $("site-name").textContent = [found.site, ...knownOf(number)].join(" · ");
    $("metadata").replaceChildren(...found.metadata.flatMap(([name, value]) => [made("dt", {}, name), made("dd", {}, value)]));
    showImage();
    showNeighbours(neighbours);
    map.draw();
  };

  const showImage = () => {
    const { image, number } = site;
    $("picture").hidden = !image;
    $("no-picture").hidden = Boolean(image);
    $("no-picture").textContent = site.problem ?? "There are no images to show.";
    if (!image) return;
    $("image").src = $("alone").href = imageOf(number);
    $("image").alt = `Image of the site ${site.site}`;
    const µm = image.mpp ? ` · ${+image.mpp.toPrecision(3)} µm per pixel` : "";
    $("size").textContent = `${image.width} × ${image.height} pixels${µm}`;
    $("scale").hidden = !image.mpp;
    if (image.mpp) {
      const wide = image.width * image.mpp;
      const length = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].findLast((each) => each <= wide / 4) ?? 1;
      $("scale").textContent = `${length} µm`;
      $("scale").style.width = `${(100 * length) / wide}%`;
    }
    showLimits();
  };

  // What is black and white in this image, as numbers.
  const limits = (number) => {
    const { low, high } = shownAs.channels[number];
    return shownAs.contrast === "given" || !site?.image ? [low, high] : site.image.ranges[shownAs.contrast][number];
  };
  const showLimits = () => {
    document.querySelectorAll(".channel").forEach((row, number) => {
      const [low, high] = limits(number);
      const [least, greatest] = site?.image ? site.image.ranges.extremes[number] : [low, high];
      const step = Number(((greatest - least) / 50 || 1).toPrecision(1));
      for (const [name, value] of [["low", low], ["high", high]])
        Object.assign(row.querySelector(`.${name}`), { value, step: step >= 1 ? Math.round(step) : step });
    });
  };

  const makeChannels = (channels) => {
    shownAs.channels = channels.map((channel) => ({ ...channel, on: true }));
    $("channels").replaceChildren(...shownAs.channels.map((channel, number) => {
      const field = (name, type, words) => made("input", { type, className: name, ariaLabel: `${words} of ${channel.name}` });
      const on = made("input", { type: "checkbox", checked: true });
      const pigment = made("input", { type: "color", value: channel.colour, ariaLabel: `Colour of ${channel.name}` });
      const [low, high] = [field("low", "number", "Black"), field("high", "number", "White")];
      on.addEventListener("change", () => { channel.on = on.checked; redrawImages(); });
      pigment.addEventListener("input", () => { channel.colour = pigment.value; redrawImages(); });
      for (const input of [low, high]) {
        input.step = "any";
        input.addEventListener("input", () => {
          if (input.value === "") return;
          shownAs.channels.forEach((each, k) => { [each.low, each.high] = limits(k); });
          channel[input.className] = Number(input.value);
          shownAs.contrast = $("contrast").value = "given";
          redrawImages();
        });
      }
      return made("div", { className: "channel" },
        made("label", { className: "on" }, on, channel.name),
        pigment,
        made("label", { className: "of" }, "Black", low),
        made("label", { className: "of" }, "White", high));
    }));
  };

  let waiting = 0;
  const redrawImages = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (site) $("image").src = $("alone").href = imageOf(site.number);
      forgetThumbnails();
      for (const [image, of] of thumbnails) image.src = imageOf(of, 96);
    }, 150);
  };
  const forgetThumbnails = () => {
    for (const image of thumbnails.keys()) if (!image.isConnected) thumbnails.delete(image);
  };

  // ---- Neighbours ----

  // Perturbation and plate, where they are known.
  const knownOf = (number) =>
    map.hover.columns.filter((c) => c.name !== "well").map((c) => c.categories[c.codes[number]]);

  // A small image that opens its site.
  const tile = (number, words = [], kind = "") => {
    const name = map.hover.site_id[number];
    const known = knownOf(number);
    const button = made("button", { type: "button", className: `thumb ${kind}` });
    if (hasImages()) button.append(thumbnail(number));
    button.append(known.join(" · ") || name, ...words);
    button.title = name;
    button.addEventListener("click", () => openSite(number));
    return button;
  };

  const showNeighbours = (found) => {
    nearest.splice(0, nearest.length, ...found.map((each) => each.nearest));
    map.near = (nearest[map.find("encoder").value] ?? []).map((each) => each.site);
    const knowsPerturbation = map.hover.columns.some((c) => c.name === "perturbation");
    $("neighbours").replaceChildren(...found.map((each) => {
      const same = each.nearest.filter((one) => one.shares.includes("perturbation")).length;
      const words = knowsPerturbation ? `${same} of ${each.nearest.length} share the perturbation` : "";
      const tiles = each.nearest.map(({ site: number, cosine, shares }) => {
        const said = [made("span", { className: "cosine" }, ` cosine ${cosine.toFixed(2)} `)];
        if (shares.length > 0) said.push(made("span", { className: "shares" }, `same ${shares[0]}`));
        return made("li", {}, tile(number, said, shares[0] ?? ""));
      });
      return made("div", { className: "by-encoder" },
        made("div", {}, made("h3", {}, each.encoder), made("p", {}, each.baseline ? `baseline; ${words}` : words)),
        made("ul", { className: "nearest" }, ...tiles));
    }));
    forgetThumbnails();
  };

  // ---- The start ----

  const start = async () => {
    const found = await answer("start");
    document.title = `${found.name} – Phenolens explorer`;
    $("name").textContent = `${found.name} (${found.sites.toLocaleString("en")} sites)`;
    $("notes").replaceChildren(...found.notes.map((note) => made("li", {}, note)));
    map.hover = found.hover;
    const options = (names) => names.map((name, i) => new Option(name, String(i)));
    map.find("encoder").replaceChildren(...options(found.encoders.map((e) => (e.baseline ? `${e.name} (baseline)` : e.name))));
    map.find("column").replaceChildren(...options(found.columns.map((c) => c.name)));
    // A column of many names is grey until one is brought out: first, one is shown that has colours.
    map.find("column").value = Math.max(0, found.columns.findIndex((c) => c.kind !== "highlight"));
    makeChannels(found.channels);
    await Promise.all([openSite(0), found.columns.length > 0 ? chooseColumn() : null, chooseEncoder()]);
  };

  const on = (element, event, act) => element.addEventListener(event, () => Promise.resolve(act()).catch(trouble));
  on(map.find("encoder"), "change", chooseEncoder);
  on(map.find("column"), "change", chooseColumn);
  on($("in-view"), "click", () => select(map.inView()));
  on($("unselect"), "click", () => select([]));
  on($("export"), "click", exportManifest);
  on($("contrast"), "change", () => {
    shownAs.contrast = $("contrast").value;
    showLimits();
    redrawImages();
  });
  on($("standard"), "click", async () => {
    makeChannels((await answer("start")).channels);
    shownAs.contrast = $("contrast").value = "given";
    showLimits();
    redrawImages();
  });
  on($("actual"), "click", () => {
    const pressed = $("picture").classList.toggle("actual");
    $("actual").setAttribute("aria-pressed", String(pressed));
  });
  for (const mode of document.querySelectorAll("input[name=mode]"))
    on(mode, "change", () => map.canvas.classList.toggle("moving", !map.isSelecting()));
  addEventListener("unhandledrejection", (e) => trouble(e.reason));
  chooseTheme(document.querySelector(".theme"), () => map.restyle());
  start().catch(trouble);
})();
