// Draws the charts that templates/dashboard/_chart.html describes, with uPlot on a canvas; the table below each says the same.
import uPlot from "uplot";

import { format } from "./figures.js";

const HEIGHT = 220;
const LABEL_WIDTH = 64; // room for a name under the chart
const PLAIN_SIDE = 20;
const FONT = "12px system-ui, sans-serif";
const drawn = new Map(); // figure → redraw

// --- colours: the tokens, as they are in the theme of the moment
let colors = new Map();

function color(token, strength = 100) {
  const wanted = `color-mix(in srgb, var(${token}) ${strength}%, var(--surface))`;
  if (!colors.has(wanted)) {
    const probe = document.createElement("i");
    probe.hidden = true;
    probe.style.color = wanted;
    document.body.append(probe);
    colors.set(wanted, getComputedStyle(probe).color);
    probe.remove();
  }
  return colors.get(wanted);
}

function themeChanged() {
  colors = new Map();
  for (const [figure, redraw] of drawn) {
    if (figure.isConnected) redraw();
    else drawn.delete(figure);
  }
}
new MutationObserver(themeChanged).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);

export function drawAll(within) {
  for (const figure of within.querySelectorAll("[data-chart]")) if (!drawn.has(figure)) draw(figure);
}

function draw(figure) {
  const chart = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
  const plot = figure.querySelector("[data-plot]");
  const tip = document.createElement("div");
  Object.assign(tip, { className: "chart-tip", hidden: true });
  const shown = chart.lines.map(() => true);
  const stacked = chart.kind !== "lines";
  // The highest of a stack is drawn first, the others over it.
  const order = chart.lines.map((_, number) => number);
  if (stacked) order.reverse();
  const side = stacked || plot.clientWidth < 480 ? PLAIN_SIDE : endsWidth(chart);
  let u;

  const values = () => {
    if (!stacked) return order.map((number) => chart.lines[number].values);
    const sums = new Array(chart.labels.length).fill(0);
    // A bar of nothing is not drawn: it would show at the edges of the one that lies over it.
    const nothing = (value) => chart.kind === "bars" && !value;
    const stack = chart.lines.map((line, number) =>
      line.values.map((value, at) => {
        sums[at] += shown[number] ? value : 0;
        return nothing(value) ? null : sums[at];
      }),
    );
    return order.map((number) => stack[number]);
  };
  const data = () => [chart.labels.map((_, at) => at), ...values()];

  const series = order.map((number) => {
    const line = chart.lines[number];
    const stroke = () => color(`--c-${line.color}`);
    if (chart.kind === "bars") return { stroke, fill: stroke, width: 0, paths: uPlot.paths.bars({ size: [0.72, 56] }), points: { show: false } };
    if (chart.kind === "area") return { stroke, fill: () => color(`--c-${line.color}`, 82), width: 1.25, points: { show: false } };
    const alone = line.values.filter((value) => value !== null).length < 2;
    return { stroke, width: 1.75, dash: line.dashed ? [4, 4] : undefined, points: { show: alone, size: 5 } };
  });

  const axis = { stroke: () => color("--text-3"), font: FONT, ticks: { show: false } };
  const options = {
    width: plot.clientWidth,
    height: HEIGHT,
    padding: [10, side, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: false, range: () => (chart.kind === "bars" ? [-0.6, chart.labels.length - 0.4] : [0, Math.max(1, chart.labels.length - 1)]) },
      y: { range: (_, _least, most) => [0, most > 0 ? most * 1.06 : 1] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 28, splits: (self) => spread(chart.labels.length, self.width), values: (_, at) => at.map((one) => chart.labels[one] ?? "") },
      { ...axis, size: 58, space: 44, grid: { stroke: () => color("--line"), width: 1 }, values: (_, at) => at.map((one) => format(one, chart.unit, true)) },
    ],
    series: [{}, ...series],
    cursor: { y: false, points: { show: !stacked, size: 7, fill: (_, number) => color(`--c-${chart.lines[order[number - 1]].color}`) }, drag: { x: false, y: false } },
    hooks: {
      setCursor: [(self) => point(self, tip, chart, shown, stacked)],
      draw: side > PLAIN_SIDE ? [(self) => nameEnds(self, chart, shown, order)] : [],
    },
  };
  u = new uPlot(options, data(), plot);
  u.over.append(tip);
  u.root.setAttribute("aria-hidden", "true");
  drawn.set(figure, () => u.redraw(false));
  new ResizeObserver(() => {
    if (plot.clientWidth && plot.clientWidth !== u.width) u.setSize({ width: plot.clientWidth, height: HEIGHT });
  }).observe(plot);

  figure.querySelector("[data-legend]").addEventListener("click", ({ target }) => {
    const button = target.closest("[data-line]");
    if (!button) return;
    const number = Number(button.dataset.line);
    shown[number] = !shown[number];
    button.setAttribute("aria-pressed", String(shown[number]));
    if (stacked) u.setData(data());
    u.setSeries(order.indexOf(number) + 1, { show: shown[number] });
  });
}

// Which of the buckets have their names below them, so that these do not touch.
function spread(count, width) {
  const step = Math.max(1, Math.ceil(count / Math.max(1, Math.floor((width - LABEL_WIDTH) / LABEL_WIDTH))));
  return Array.from({ length: Math.ceil(count / step) }, (_, number) => number * step);
}

// All values at the bucket under the pointer.
function point(u, tip, chart, shown, stacked) {
  const { idx, left } = u.cursor;
  tip.hidden = idx == null || left < 0;
  if (tip.hidden) return;
  const lines = chart.lines.map((line, number) => ({ ...line, value: line.values[idx], shown: shown[number] })).filter((line) => line.shown && line.value !== null);
  const rows = lines.map(({ name, value, color: number }) => row(name, format(value, chart.unit), number));
  if (stacked && lines.length > 1) {
    const whole = lines.reduce((sum, { value }) => sum + value, 0);
    rows.push(row("Together", format(whole, chart.unit)));
  }
  const title = document.createElement("b");
  title.textContent = chart.titles[idx];
  tip.replaceChildren(title, ...(rows.length ? rows : [row("Nothing", "")]));
  const width = u.over.clientWidth;
  const beside = left > width / 2 ? left - tip.offsetWidth - 14 : left + 14;
  tip.style.transform = `translate(${Math.max(-50, Math.min(beside, width - tip.offsetWidth))}px, 6px)`;
}

function row(name, text, number) {
  const made = document.createElement("span");
  const mark = document.createElement("i");
  if (number) mark.style.background = `var(--c-${number})`;
  const value = document.createElement("span");
  value.textContent = text;
  made.append(mark, name, value);
  return made;
}

function endsWidth(chart) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = FONT;
  return 20 + Math.max(...chart.lines.map((line) => (line.dashed ? 0 : context.measureText(endOf(chart, line)).width)));
}

function endOf(chart, line) {
  const at = line.values.findLastIndex((value) => value !== null);
  return at < 0 ? "" : `${line.name} ${format(line.values[at], chart.unit)}`;
}

// Lines are named where they end.
function nameEnds(u, chart, shown, order) {
  const { ctx } = u;
  const ends = order
    .filter((number) => shown[number] && !chart.lines[number].dashed)
    .map((number) => {
      const { values } = chart.lines[number];
      const at = values.findLastIndex((value) => value !== null);
      return at < 0 ? null : { number, at, y: u.valToPos(values[at], "y", true) };
    })
    .filter((end) => end && end.at === chart.labels.length - 1)
    .sort((one, other) => one.y - other.y);
  const gap = 15 * devicePixelRatio;
  for (let number = 1; number < ends.length; number += 1) ends[number].y = Math.max(ends[number].y, ends[number - 1].y + gap);
  ctx.save();
  ctx.font = FONT.replace("12", 12 * devicePixelRatio);
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  for (const { number, y } of ends) {
    ctx.fillStyle = color("--text-2");
    ctx.fillText(endOf(chart, chart.lines[number]), u.bbox.left + u.bbox.width + 8 * devicePixelRatio, y);
  }
  ctx.restore();
}
