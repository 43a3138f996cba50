// uPlot, fetched when the first chart is wanted, in the colours of the page.

import { colour } from "./appearance.js";
import { h } from "./dom.js";

let library;
const charts = new Set();

const uPlot = () => (library ??= import("/static/vendor/uPlot.esm.js").then((module) => module.default));

document.addEventListener("appearance", () => charts.forEach((chart) => chart.draw()));

// options: { label (for those who cannot see it), height, xs, ys, xText, yText, kind: "bars" | "line", colour, isTime }
// Returns the element; it draws itself when it is in the page, and again when its width or the theme changes.
export function chart(options) {
  const drawing = h("div", { class: "plot" });
  const readout = h("p", { class: "readout weak", "aria-hidden": "true" }, options.hint ?? "");
  const node = h("figure", { class: "chart", role: "img", "aria-label": options.label }, drawing, readout);
  node.style.setProperty("--height", `${options.height}px`);
  const self = { draw: () => draw(self), options, node, drawing, readout, width: 0 };
  const observer = new ResizeObserver(() => {
    if (!node.isConnected) return leave(self, observer);
    if (drawing.clientWidth !== self.width) self.draw();
  });
  observer.observe(drawing);
  charts.add(self);
  return node;
}

function leave(self, observer) {
  observer.disconnect();
  charts.delete(self);
  self.plot?.destroy();
}

async function draw(self) {
  const Plot = await uPlot();
  self.width = self.drawing.clientWidth;
  if (!self.node.isConnected || !self.width) return;
  self.plot?.destroy();
  const { xs, ys } = self.options;
  self.plot = new Plot(settings(self, Plot), [xs, ys], self.drawing);
}

function settings({ options, width, readout }, Plot) {
  const ink = colour("--weak");
  const line = colour("--line");
  const own = colour(options.colour ?? "--accent");
  const axis = {
    stroke: ink,
    font: "11px Inter, system-ui, sans-serif",
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: options.height,
    legend: { show: false },
    padding: [8, 22, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { show: options.kind !== "bars" } },
    scales: { x: { time: false, range: options.range }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        values: (_, at) => at.map(options.xText),
        ...(options.isWhole && { incrs: [1, 2, 5, 7, 14, 30, 60, 120] }),
      },
      { ...axis, size: 62, values: (_, at) => at.map(options.yText) },
    ],
    series: [{}, drawn(options.kind, own, Plot)],
    hooks: { setCursor: [(plot) => tell(plot, options, readout)] },
  };
}

function drawn(kind, own, Plot) {
  if (kind === "bars")
    return { stroke: own, fill: own, width: 0, paths: Plot.paths.bars({ size: [0.7, 28, 2] }), points: { show: false } };
  if (kind === "stems")
    return { stroke: own, fill: own, width: 0, paths: Plot.paths.bars({ size: [1, 4, 2] }), points: { show: false } };
  return { stroke: own, width: 1.5, fill: own.replace("rgb(", "rgba(").replace(")", ", 0.12)"), points: { show: false } };
}

function tell(plot, options, readout) {
  const at = plot.cursor.idx;
  const text = at === null || at === undefined ? (options.hint ?? "") : options.told(at);
  if (readout.textContent !== text) readout.textContent = text;
}
