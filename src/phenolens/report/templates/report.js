"use strict";
(() => {
  const across = Number(getComputedStyle(document.documentElement).getPropertyValue("--across")) || 1;
  const picture = (tile) => {
    const span = Object.assign(document.createElement("span"), { className: "tile" });
    span.style.setProperty("--x", String(tile % across));
    span.style.setProperty("--y", String(Math.floor(tile / across)));
    return span;
  };

  // The maps of all encoders stand in the page.
  class ReportMap extends EmbeddingMap {
    constructor(box) {
      super(box);
      Object.assign(this, JSON.parse(document.getElementById(box.dataset.source).textContent));
      this.find("encoder").addEventListener("change", () => this.choose());
      this.find("column").addEventListener("change", () => this.recolour());
      this.choose();
    }

    choose() {
      const map = this.maps[Number(this.find("encoder").value)];
      const table = this.tables[map.table];
      if (table !== this.table) {
        const before = this.column && this.column.name;
        this.table = table;
        this.hover = table.hover;
        const options = table.columns.map((c, i) => new Option(c.name, String(i), false, c.name === before));
        this.find("column").replaceChildren(...options);
        this.map = map;
        this.recolour();
      } else this.use(map);
    }

    recolour() {
      this.colourBy(this.table.columns[Number(this.find("column").value)]);
    }

    thumbnail(i) {
      const tile = this.hover.tiles ? this.hover.tiles[i] : -1;
      return tile < 0 ? null : picture(tile);
    }
  }

  const maps = [...document.querySelectorAll(".map")].map((box) => new ReportMap(box));
  chooseTheme(document.querySelector(".theme"), () => maps.forEach((map) => map.restyle()));

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
