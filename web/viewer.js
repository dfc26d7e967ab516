// Two pictures, looked at together: zoomed and moved as one, side by side, behind a slider, or in turn.

import { $ } from "./dom.js";

const LARGEST = 16;
const STEP = 1.25;
// Twice a second: under three flashes a second, above which pictures can harm.
const BLINK_MS = 500;

const panes = ["reference-pane", "other-pane"];
let zoom = 1;
// The point of a picture in the middle of its pane, in shares of the picture's sides.
let centre = { x: 0.5, y: 0.5 };
let view = "beside";
let blinking = 0;
let held = false;

const stageOf = (pane) => pane.querySelector(".stage");
const pictureOf = (pane) => pane.querySelector(".picture");

// The size of a picture that fits into its pane.
function fitted(pane) {
  const picture = pictureOf(pane);
  const [width, height] = [picture.naturalWidth || 4, picture.naturalHeight || 3];
  const scale = Math.min(pane.clientWidth / width, pane.clientHeight / height);
  return { width: width * scale, height: height * scale };
}

function place() {
  for (const id of panes) {
    const pane = $(id);
    const stage = stageOf(pane);
    const { width, height } = fitted(pane);
    const left = pane.clientWidth / 2 - centre.x * width * zoom;
    const top = pane.clientHeight / 2 - centre.y * height * zoom;
    stage.style.width = `${width}px`;
    stage.style.height = `${height}px`;
    stage.style.transform = `translate(${left}px, ${top}px) scale(${zoom})`;
    // Lines of boxes stay as thin as they are.
    stage.style.setProperty("--zoom", zoom);
    stage.classList.toggle("pixels", zoom >= 4);
  }
  $("zoom").value = `${Math.round(100 * zoom)} %`;
}

const within = (value) => Math.min(1, Math.max(0, value));

// Zooms; the point `at` (of a pane, in pixels from its middle) stays where it is.
function zoomBy(factor, pane, at = { x: 0, y: 0 }) {
  const before = zoom;
  zoom = Math.min(LARGEST, Math.max(1, zoom * factor));
  const { width, height } = fitted(pane);
  const share = 1 / before - 1 / zoom;
  move((at.x * share) / width, (at.y * share) / height);
}

// Moves the middle, in shares of the picture.
function move(x, y) {
  centre = zoom === 1 ? { x: 0.5, y: 0.5 } : { x: within(centre.x + x), y: within(centre.y + y) };
  place();
}

export function fit() {
  zoom = 1;
  move(0, 0);
}

// Shows a box of a picture of this size, with some of what is around it.
export function lookAt(region, { width, height }) {
  zoom = Math.min(LARGEST, Math.max(1, 0.4 / Math.max(region.width / width, region.height / height)));
  centre = { x: (region.x + region.width / 2) / width, y: (region.y + region.height / 2) / height };
  move(0, 0);
  $("panes").scrollIntoView({ block: "nearest" });
}

export function setView(name) {
  view = name;
  document.querySelector(`#views input[value="${name}"]`).checked = true;
  $("panes").dataset.view = name;
  $("split-label").hidden = name !== "slider";
  $("hold").hidden = name !== "blink";
  clearInterval(blinking);
  hold(false);
  $("panes").classList.remove("reference-on-top");
  if (name === "blink") blinking = setInterval(() => held || turn(), BLINK_MS);
  place();
}

// Blinking: the other picture.
function turn() {
  $("panes").classList.toggle("reference-on-top");
}

function hold(on) {
  held = on;
  $("hold").setAttribute("aria-pressed", String(on));
}

export function showMapOpacity() {
  $("panes").style.setProperty("--heat", $("heat").value / 100);
}

// True if the key was one of the viewer's.
export function viewerKey(event) {
  const pane = event.target.closest(".pane") || $("other-pane");
  const step = 0.1 / zoom;
  const actions = {
    1: () => setView("beside"),
    2: () => setView("slider"),
    3: () => setView("blink"),
    0: fit,
    "+": () => zoomBy(STEP, pane),
    "=": () => zoomBy(STEP, pane),
    "-": () => zoomBy(1 / STEP, pane),
    ArrowLeft: () => move(-step, 0),
    ArrowRight: () => move(step, 0),
    ArrowUp: () => move(0, -step),
    ArrowDown: () => move(0, step),
    m: () => (($("heat").value = $("heat").value > 0 ? 0 : 100), showMapOpacity()),
    " ": () => (view === "blink" ? (held ? turn() : hold(true)) : null),
  };
  const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  // Arrows and blanks scroll and press elsewhere.
  const moves = event.key.startsWith("Arrow") || event.key === " ";
  if (!action || (moves && !event.target.closest(".pane"))) return false;
  action();
  return true;
}

function fromMiddle(event, pane) {
  const rect = pane.getBoundingClientRect();
  return { x: event.clientX - rect.left - rect.width / 2, y: event.clientY - rect.top - rect.height / 2 };
}

function listenTo(pane) {
  pane.addEventListener("wheel", (event) => {
    // Without Ctrl the wheel scrolls the page, as everywhere. A pinch arrives with Ctrl.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, pane, fromMiddle(event, pane));
  }, { passive: false });
  pane.addEventListener("dblclick", (event) => stageOf(pane).hidden || zoomBy(2, pane, fromMiddle(event, pane)));
  let from = null;
  pane.addEventListener("pointerdown", (event) => {
    if (zoom === 1 || !event.target.closest(".stage")) return;
    event.preventDefault();
    pane.focus();
    pane.setPointerCapture(event.pointerId);
    from = event;
  });
  pane.addEventListener("pointermove", (event) => {
    if (!from) return;
    const { width, height } = fitted(pane);
    move((from.clientX - event.clientX) / (width * zoom), (from.clientY - event.clientY) / (height * zoom));
    from = event;
  });
  for (const end of ["pointerup", "pointercancel"]) pane.addEventListener(end, () => (from = null));
  pictureOf(pane).addEventListener("load", place);
}

// Shows a picture in its pane.
export function showPicture(id, url, name) {
  const pane = $(id);
  pictureOf(pane).src = url;
  pictureOf(pane).alt = name;
  pane.querySelector(".drop").hidden = true;
  stageOf(pane).hidden = false;
  const chip = pane.querySelector(".chip");
  chip.hidden = false;
  chip.textContent = name;
  chip.title = "choose another";
  fit();
}

export function startViewer() {
  for (const id of panes) listenTo($(id));
  new ResizeObserver(place).observe($("panes"));
  for (const input of document.querySelectorAll("#views input")) {
    input.addEventListener("change", () => setView(input.value));
  }
  $("split").addEventListener("input", () => $("panes").style.setProperty("--split", `${$("split").value}%`));
  $("heat").addEventListener("input", showMapOpacity);
  $("hold").addEventListener("click", () => (held ? hold(false) : hold(true)));
  $("zoom-in").addEventListener("click", () => zoomBy(STEP, $("other-pane")));
  $("zoom-out").addEventListener("click", () => zoomBy(1 / STEP, $("other-pane")));
  $("zoom-fit").addEventListener("click", fit);
}
