// The current part: its pictures, why it is here, and what is known about it.

import { $, bar, element, say } from "/dom.js";
import { boxes } from "/maps.js";
import { lookAt, place, reset } from "./panes.js";
import { picture, pictureNow } from "./pictures.js";
import { nameOf } from "./queue.js";
import { number, onLanguage, share, t, time } from "./strings.js";
import { isBlind, whyHere } from "./why.js";

// After this time, a picture that could not be loaded is asked for again.
const AGAIN_MS = 3000;

let item = null;
let line = null;
let view = 0;
let withMap = false;
let withRegions = true;

export const mapWanted = () => withMap;

// Puts a picture, or a note that there is none, into a pane.
function put(pane, found, alt) {
  const stage = pane.querySelector(".stage");
  stage.querySelector(".picture")?.remove();
  const image = found && found.image;
  if (image) {
    image.className = "picture";
    image.alt = alt;
    stage.prepend(image);
  }
  const note = pane.querySelector(".note");
  note.textContent = image ? "" : (found && found.note) || t("loadingImage");
  note.hidden = Boolean(image);
}

// Shows a picture now if it is loaded, else when it is.
function showPicture(kind, pane, alt) {
  const [of, at] = [item, view];
  const now = pictureNow(kind, item.id, view);
  put(pane, now, alt);
  if (now) return;
  picture(kind, item.id, view).then((found) => {
    if (item !== of || view !== at) return;
    put(pane, found, alt);
    showRegions();
    place();
    if (found.again) setTimeout(() => item === of && view === at && showPicture(kind, pane, alt), AGAIN_MS);
  });
}

// Whether the part's picture is on the page, or a note that there is none.
export const isSeen = () => Boolean(item && pictureNow("part", item.id, view));

function showMap() {
  const stage = $("part-pane").querySelector(".stage");
  stage.querySelector(".map")?.remove();
  say("map-note", "");
  $("map-button").setAttribute("aria-pressed", String(withMap));
  $("map-button").disabled = !item || !item.map_url;
  if (!withMap || !item || !item.map_url) return;
  const [of, at] = [item, view];
  const add = (found) => {
    if (item !== of || view !== at || !withMap || stage.querySelector(".map")) return;
    say("map-note", found.image ? t("mapScale") : found.note);
    if (!found.image) return;
    found.image.className = "map";
    found.image.alt = t("mapAlt");
    stage.querySelector(".boxes").before(found.image);
  };
  const now = pictureNow("map", item.id, view);
  if (now) return add(now);
  say("map-note", t("mapLoading"));
  picture("map", item.id, view).then(add);
}

function showRegions() {
  $("regions-button").setAttribute("aria-pressed", String(withRegions));
  const stage = $("part-pane").querySelector(".stage");
  const image = stage.querySelector(".picture");
  const regions = item && withRegions ? item.regions.filter((region) => region.image === view) : [];
  const size = image && { width: image.naturalWidth, height: image.naturalHeight };
  stage.querySelector(".boxes").replaceChildren(...(size ? boxes(size, regions) : []));
}

function showViews() {
  const views = Math.max(1, item.images);
  $("views").hidden = views === 1;
  $("view-number").textContent = t("viewOf", view + 1, views);
}

// Another view of the part, if it has several.
export function turnView(step) {
  if (!item || item.images < 2) return;
  view = (view + step + item.images) % item.images;
  showPictures();
}

function showPictures() {
  showViews();
  showPicture("part", $("part-pane"), t("partAlt", nameOf(item)));
  showPicture("reference", $("reference-pane"), t("referenceAlt"));
  showMap();
  showRegions();
  place();
}

export function toggleMap() {
  withMap = !withMap;
  showMap();
}

export function toggleRegions() {
  withRegions = !withRegions;
  showRegions();
}

// Looks at the strongest region of this view.
export function lookAtRegion() {
  const image = $("part-pane").querySelector(".picture");
  const region = item && item.regions.find((one) => one.image === view);
  if (image && region) lookAt(region, { width: image.naturalWidth, height: image.naturalHeight });
}

function showFacts() {
  $("part-name").textContent = item.part || t("unnamed");
  $("why").replaceChildren(...whyHere(item, line).map((text) => element("p", "", text)));
  const facts = [
    [t("lotIs"), item.lot],
    [t("station"), item.station],
    [t("time"), time(item.created)],
  ].filter(([, value]) => value);
  const rows = facts.flatMap(([name, value]) => [element("dt", "", name), element("dd", "", value)]);
  $("facts").replaceChildren(...rows);
  showScore();
}

// How usual the score is in each class. A random check shows none, because the score would tell the decision.
function showScore() {
  const isHidden = isBlind(item) || item.score === null;
  const rows = [["likeOk", item.p_ok], ["likeNg", item.p_ng]].filter(([, value]) => typeof value === "number");
  $("score").hidden = isHidden || !rows.length;
  if (isHidden) return;
  $("score").replaceChildren(...rows.flatMap(([name, value]) => [
    element("span", "", t(name)),
    element("span", "percent", share(value)),
    bar(value),
  ]));
  $("score").title = `${number(item.score)}`;
}

export function showItem(next, of) {
  [item, line, view] = [next, of, 0];
  if (!item) return;
  reset();
  showPictures();
  showFacts();
}

export function startItem() {
  $("map-button").addEventListener("click", toggleMap);
  $("regions-button").addEventListener("click", toggleRegions);
  $("view-before").addEventListener("click", () => turnView(-1));
  $("view-next").addEventListener("click", () => turnView(1));
  onLanguage(() => item && showItem(item, line));
}
