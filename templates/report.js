"use strict";
// The report is complete without this script; it only helps to find one's way.
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => Array.from(from.querySelectorAll(selector));
  const make = (name, properties) => Object.assign(document.createElement(name), properties);

  // Theme: follows the system until the reader chooses.
  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const showTheme = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-pressed", String(isDark()));
  };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  // Open and close everything; everything is open on paper.
  const unfold = document.getElementById("unfold");
  unfold.addEventListener("click", () => {
    const open = unfold.textContent === "Open all";
    for (const d of all("details")) d.open = open;
    unfold.textContent = open ? "Close all" : "Open all";
  });
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const d of closed) d.open = true;
  });
  addEventListener("afterprint", () => {
    for (const d of closed) d.open = false;
    closed = [];
  });

  // A link to a folded exception unfolds it.
  const reveal = () => {
    const id = location.hash.slice(1);
    if (!/^[a-z0-9-]+$/.test(id)) return;
    const target = document.getElementById(id);
    if (!target) return;
    for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
    target.scrollIntoView({ behavior: "instant" });
  };
  addEventListener("hashchange", reveal);
  reveal();

  // Tables that sort and filter.
  const value = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    const text = cell.dataset.v ?? cell.textContent.trim();
    if (text === "–") return null;
    const number = Number(text.replace(/,/g, ""));
    return text !== "" && Number.isFinite(number) ? number : text;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
  };
  const sortable = (table) => {
    const body = table.tBodies[0];
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = make("button", { type: "button", textContent: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const h of heads) h.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = Array.from(body.rows, (row, i) => ({ row, i, v: value(row, column) }));
        // What is not known stays last in both directions.
        rows.sort((a, b) => {
          const known = (a.v === null) - (b.v === null);
          return known || (down ? -compare(a.v, b.v) : compare(a.v, b.v)) || a.i - b.i;
        });
        body.append(...rows.map((r) => r.row));
      });
    });
  };
  const filterable = (table) => {
    const rows = Array.from(table.tBodies[0].rows);
    if (rows.length < 8) return;
    const name = table.caption ? table.caption.textContent.trim().slice(0, 60) : "table";
    const input = make("input", { type: "search", placeholder: "Filter rows" });
    input.setAttribute("aria-label", `Filter: ${name}`);
    const shown = make("span", { role: "status" });
    const box = make("div", { className: "filter" });
    box.append(input, shown);
    table.closest(".scroll").before(box);
    input.addEventListener("input", () => {
      const terms = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !terms.every((t) => text.includes(t));
        n += !row.hidden;
      }
      shown.textContent = terms.length ? `${n} of ${rows.length} rows` : "";
    });
  };
  for (const table of all("table.grid")) {
    sortable(table);
    filterable(table);
  }

  // Exceptions filter as a list.
  const blocks = all("details.finding");
  if (blocks.length >= 8) {
    const input = make("input", { type: "search", placeholder: "Filter exceptions" });
    input.setAttribute("aria-label", "Filter exceptions");
    const shown = make("span", { role: "status" });
    const box = make("div", { className: "filter" });
    box.append(input, shown);
    blocks[0].before(box);
    input.addEventListener("input", () => {
      const terms = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      for (const b of blocks) {
        const text = b.textContent.toLowerCase();
        b.hidden = !terms.every((t) => text.includes(t));
        n += !b.hidden;
      }
      shown.textContent = terms.length ? `${n} of ${blocks.length} shown` : "";
    });
  }

  // A table that scrolls sideways can be reached by keyboard.
  const reach = () => {
    for (const box of all(".scroll")) {
      const wide = box.scrollWidth > box.clientWidth + 1;
      if (wide) {
        box.tabIndex = 0;
        box.setAttribute("role", "region");
        const caption = box.querySelector("caption, title");
        box.setAttribute("aria-label", caption ? caption.textContent.trim() : "Table");
      } else {
        box.removeAttribute("tabindex");
        box.removeAttribute("role");
        box.removeAttribute("aria-label");
      }
    }
  };
  addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true);
  reach();

  document.querySelector(".tools").hidden = false;
})();
