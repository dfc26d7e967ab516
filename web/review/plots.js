// Plots over time, drawn as SVG, and the same numbers as a table.

import { element } from "/dom.js";
import { language, share, t, time, whole } from "./strings.js";

const WIDTH = 440;
const HEIGHT = 150;
const LEFT = 44;
const BOTTOM = 24;
const TOP = 10;

function svg(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// A number that is easily read and halved, at least `most`.
function round(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((value) => value >= most * 0.999);
}

const height = (value, most) => ((HEIGHT - TOP - BOTTOM) * value) / most;

function frame(label, most, write) {
  const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "plot", "aria-label": label });
  for (const part of [0, 0.5, 1]) {
    const y = HEIGHT - BOTTOM - height(part * most, most);
    plot.append(svg("line", { x1: LEFT, x2: WIDTH, y1: y, y2: y, class: "grid" }));
    plot.append(svg("text", { x: LEFT - 6, y: y + 4, class: "tick end" }, write(part * most)));
  }
  return plot;
}

const short = (milliseconds, isHourly) =>
  new Date(milliseconds).toLocaleString(language === "ja" ? "ja-JP" : "en-GB",
    isHourly ? { hour: "2-digit", minute: "2-digit" } : { month: "2-digit", day: "2-digit" });

function place(buckets) {
  const step = (WIDTH - LEFT) / Math.max(1, buckets.length);
  return { step, middle: (index) => LEFT + step * (index + 0.5) };
}

const isHourly = (buckets) => buckets.length > 1 && buckets[1].start - buckets[0].start < 12 * 3600 * 1000;

function addTimes(plot, buckets) {
  const { middle } = place(buckets);
  const every = Math.ceil(buckets.length / 7);
  buckets.forEach((bucket, index) => {
    if (index % every) return;
    plot.append(svg("text", { x: middle(index), y: HEIGHT - 6, class: "tick middle" }, short(bucket.start, isHourly(buckets))));
  });
}

// The share of inspections that went to a person.
export function sharePlot(buckets, label) {
  const known = buckets.map((bucket) => (bucket.inspections ? bucket.review / bucket.inspections : null));
  const most = round(Math.max(0.01, ...known.map(Number)));
  const plot = frame(label, most, share);
  addTimes(plot, buckets);
  const { middle } = place(buckets);
  let path = "";
  known.forEach((value, index) => {
    if (value === null) return;
    const [x, y] = [middle(index), HEIGHT - BOTTOM - height(value, most)];
    // A time without inspections is a gap in the line.
    path += `${path && known[index - 1] !== null ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    const dot = svg("circle", { cx: x, cy: y, r: 3, class: "dot" });
    dot.append(svg("title", {}, `${time(buckets[index].start)}: ${share(value)}`));
    plot.append(dot);
  });
  plot.append(svg("path", { d: path || "M0 0", class: "curve" }));
  return plot;
}

// What was decided, as bars of three parts.
export function decisionPlot(buckets, label) {
  const most = round(Math.max(1, ...buckets.map((bucket) => bucket.inspections)));
  const plot = frame(label, most, (value) => (Number.isInteger(value) ? whole(value) : ""));
  addTimes(plot, buckets);
  const { step, middle } = place(buckets);
  const width = Math.min(40, step * 0.7);
  buckets.forEach((bucket, index) => {
    let y = HEIGHT - BOTTOM;
    for (const part of ["ok", "ng", "review"]) {
      const tall = height(bucket[part], most);
      if (!tall) continue;
      y -= tall;
      const box = svg("rect", { x: middle(index) - width / 2, y, width, height: tall, class: `part-${part}` });
      box.append(svg("title", {}, `${time(bucket.start)}: ${t("decisionsSum", bucket.ok, bucket.ng, bucket.review)}`));
      plot.append(box);
    }
  });
  return plot;
}

// A table with a head and rows of texts; the first of each row is its head.
export function table(head, rows, caption) {
  const made = element("table", "numbers");
  if (caption) made.append(element("caption", "heard", caption));
  const titles = element("tr");
  for (const text of head) {
    const cell = element("th", "", text);
    cell.scope = "col";
    titles.append(cell);
  }
  const top = element("thead");
  top.append(titles);
  const body = element("tbody");
  for (const [first, ...rest] of rows) {
    const line = element("tr");
    const cell = element("th", "", first);
    cell.scope = "row";
    line.append(cell, ...rest.map((text) => element("td", "", text)));
    body.append(line);
  }
  made.append(top, body);
  return made;
}

// The numbers of the plots.
export function bucketTable(buckets) {
  const head = ["from", "inspections", "ok", "ng", "toReview", "verdicts"].map((name) => t(name));
  const rows = buckets.map((one) => [time(one.start), one.inspections, one.ok, one.ng, one.review, one.verdicts].map((cell, index) => (index ? whole(cell) : cell)));
  const details = element("details");
  const around = element("div", "scrolls");
  around.tabIndex = 0;
  around.setAttribute("role", "region");
  around.setAttribute("aria-label", t("asTable"));
  around.append(table(head, rows, t("decisions")));
  details.append(element("summary", "", t("asTable")), around);
  return details;
}
