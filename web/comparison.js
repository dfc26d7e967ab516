// The answer of a comparison: how much has changed, what was aligned, where, and which statement is true.

import { $, bar, element, percent, say } from "./dom.js";
import { boxes } from "./maps.js";
import { model } from "./server.js";
import { lookAt } from "./viewer.js";

const pane = () => $("other-pane");

export function clearComparison() {
  for (const id of ["changed", "places", "statement-scores"]) {
    $(id).replaceChildren();
    $(id).hidden = true;
  }
  say("registration", "");
  say("compare-answered", "");
  pane().querySelector(".boxes").replaceChildren();
  const map = pane().querySelector(".map");
  map.hidden = true;
  map.removeAttribute("src");
}

export function showComparison(answer, milliseconds) {
  const result = answer.results[0];
  showChanged(result.changed);
  say("registration", sentence(result.registration));
  const size = showMap(result);
  showPlaces(result.regions, size);
  showStatements(result.statements || []);
  const facts = model && model.id === answer.model ? [model.precision, model.device] : [];
  say("compare-answered", [answer.model, ...facts, `${milliseconds} ms`].join(" · "));
}

function showChanged({ score, rank, parts }) {
  const headline = element("div", "headline");
  const share = rank === null || rank === undefined ? null : rank;
  const words = share === null ? `change ${number(score)}` : `More changed than ${percent(share)} of good pictures`;
  headline.append(element("span", "label", words), element("span", "quiet", `score ${number(score)}`));
  if (share !== null) headline.append(bar(share));
  $("changed").append(headline, why("Why: the parts of the score", parts));
  $("changed").hidden = false;
  $("compare-status").textContent = `${words}.`;
  $("compare-status").classList.add("heard");
}

function sentence({ status, score }) {
  const said = {
    aligned: "The image was moved onto the reference.",
    identity: "The image lies as the reference does; nothing was moved.",
    pose: "The part lies so differently that it could not be moved onto the reference: have a look yourself.",
  };
  const known = said[status] || `Registration: ${status}.`;
  return typeof score === "number" ? `${known} Agreement ${number(score)}.` : known;
}

// The map and the boxes, over the picture in question; returns the picture's size.
function showMap(result) {
  const picture = pane().querySelector(".picture");
  const size = { width: picture.naturalWidth || 1, height: picture.naturalHeight || 1 };
  if (result.map) {
    const map = pane().querySelector(".map");
    map.src = `data:image/png;base64,${result.map}`;
    map.alt = "where it has changed";
    map.hidden = false;
  }
  pane().querySelector(".boxes").replaceChildren(...boxes(size, result.regions || []));
  return size;
}

function showPlaces(regions, size) {
  if (!regions) return;
  $("places").append(element("h3", "", regions.length ? "Where" : "No place stands out."));
  const list = element("ol", "places");
  for (const region of regions) {
    const button = element("button", "small-button", `${region.x}, ${region.y} · ${region.width} × ${region.height} px`);
    button.type = "button";
    button.title = "look at it";
    button.addEventListener("click", () => lookAt(region, size));
    const item = element("li");
    item.append(button, element("span", "quiet", `strength ${number(region.strength)}`));
    list.append(item);
  }
  if (regions.length) $("places").append(list);
  $("places").hidden = false;
}

function showStatements(statements) {
  if (!statements.length) return;
  $("statement-scores").append(element("h3", "", "Which statement is true"));
  const list = element("ol", "scores");
  // Scores order the statements of one request and mean nothing beyond it: the bars go from the least to the largest.
  const scores = statements.map((statement) => statement.score);
  const [least, largest] = [Math.min(...scores), Math.max(...scores)];
  statements.forEach((statement, rank) => {
    const item = element("li", rank === 0 ? "best" : "");
    item.append(
      element("span", "label", statement.text),
      element("span", "percent", number(statement.score)),
      bar(largest > least ? (statement.score - least) / (largest - least) : 0),
      element("span"),
    );
    if (statement.parts) item.append(why("Why", statement.parts));
    list.append(item);
  });
  $("statement-scores").append(list);
  $("statement-scores").hidden = false;
}

// Parts of a score, as a table that opens.
function why(title, parts) {
  const details = element("details", "why");
  details.append(element("summary", "", title));
  const table = element("table");
  for (const [name, value] of flat(parts || {})) {
    const line = element("tr");
    const head = element("th", "", name.replaceAll("_", " "));
    head.scope = "row";
    line.append(head, element("td", "", typeof value === "number" ? number(value) : String(value)));
    table.append(line);
  }
  details.append(table);
  details.hidden = !table.children.length;
  return details;
}

// Names and values, those of objects inside with both names.
function flat(parts, before = "") {
  return Object.entries(parts).flatMap(([name, value]) => {
    const whole = before ? `${before} · ${name}` : name;
    return value !== null && typeof value === "object" ? flat(value, whole) : [[whole, value ?? "–"]];
  });
}

const number = (value) => (typeof value === "number" ? String(Number(value.toPrecision(3))) : "–");
