"use strict";
// Draws each figure when it comes into view, in the colours of the page; sorts the tables.
(() => {
  const data = JSON.parse(document.getElementById("figures").textContent);
  const chooser = document.getElementById("variant");
  const drawn = new Set();

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const themed = (layout) => {
    const made = structuredClone(layout);
    made.font = { color: colour("--ink"), size: 12, family: getComputedStyle(document.body).fontFamily };
    made.paper_bgcolor = made.plot_bgcolor = "rgba(0,0,0,0)";
    made.hoverlabel = { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--ink") } };
    made.dragmode = "zoom";
    for (const [name, axis] of Object.entries(made)) {
      if (/^[xy]axis/.test(name)) {
        axis.gridcolor = axis.gridcolor || colour("--lane");
        axis.zerolinecolor = colour("--line");
        axis.linecolor = colour("--line");
        axis.automargin = true;
      }
    }
    for (const shape of made.shapes || []) shape.line.color = colour("--soft");
    return made;
  };

  const traces = (plot, figure) => figure.data.map((trace) => {
    const made = { ...trace };
    if (made.textfont) made.textfont = { ...made.textfont, color: colour("--ink") };
    if (made.meta === "dates") {
      made.x = data.dates[plot.dataset.dates];
      if (chooser) {
        const chosen = made.name === chooser.value;
        made.opacity = chosen ? 1 : 0.4;
        made.line = { ...made.line, width: chosen ? 2.4 : 1 };
      }
    }
    return made;
  });

  const draw = (plot) => {
    const figure = data.figures[plot.dataset.figure];
    const config = { responsive: true, displaylogo: false, displayModeBar: false };
    Plotly.react(plot, traces(plot, figure), themed(figure.layout), config);
    drawn.add(plot);
  };

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
    }
  }, { rootMargin: "600px" });
  const plots = [...document.querySelectorAll(".plot")];
  plots.forEach((plot) => seen.observe(plot));

  const choose = () => {
    for (const part of document.querySelectorAll("[data-variant]")) part.hidden = part.dataset.variant !== chooser.value;
    for (const plot of drawn) if (plot.dataset.dates) draw(plot);
  };
  if (chooser) {
    chooser.addEventListener("change", choose);
    choose();
  }

  const redraw = () => drawn.forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => plots.filter((plot) => plot.offsetParent && !drawn.has(plot)).forEach(draw));

  const value = (row, column) => {
    const cell = row.cells[column];
    return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent;
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(b));
  for (const head of document.querySelectorAll("table.sortable thead th")) {
    const sort = () => {
      const up = head.getAttribute("aria-sort") === "descending";
      const table = head.closest("table");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => (up ? 1 : -1) * compare(value(a, head.cellIndex), value(b, head.cellIndex)));
      table.tBodies[0].append(...rows);
      table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
    };
    head.tabIndex = 0;
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  }
})();
