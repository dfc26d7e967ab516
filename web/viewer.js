// Two pictures, looked at together: zoomed and moved as one, side by side, behind a slider, or in turn.

import { $ } from "./dom.js";
import { STEP, fromMiddle, zooming } from "./zoom.js";

// Twice a second: under three flashes a second, above which pictures can harm.
const BLINK_MS = 500;

const panes = ["reference-pane", "other-pane"];
let view = "beside";
let blinking = 0;
let held = false;

const stageOf = (pane) => pane.querySelector(".stage");
const pictureOf = (pane) => pane.querySelector(".picture");
const pictures = zooming(panes, (pane) => ({ width: pane.clientWidth, height: pane.clientHeight }));

export const fit = pictures.fit;

// Shows a box of a picture of this size, with some of what is around it.
export function lookAt(region, size) {
  pictures.lookAt(region, size);
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
  pictures.place();
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
  const actions = {
    ...pictures.keys(pane),
    1: () => setView("beside"),
    2: () => setView("slider"),
    3: () => setView("blink"),
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

function listenTo(pane) {
  pane.addEventListener("wheel", (event) => {
    // Without Ctrl the wheel scrolls the page, as everywhere. A pinch arrives with Ctrl.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    pictures.zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, pane, fromMiddle(event, pane));
  }, { passive: false });
  pane.addEventListener("dblclick", (event) => stageOf(pane).hidden || pictures.zoomBy(2, pane, fromMiddle(event, pane)));
  let from = null;
  pane.addEventListener("pointerdown", (event) => {
    if (!pictures.isZoomed() || !event.target.closest(".stage")) return;
    event.preventDefault();
    pane.focus();
    pane.setPointerCapture(event.pointerId);
    from = event;
  });
  pane.addEventListener("pointermove", (event) => {
    if (!from) return;
    pictures.drag(pane, from, event);
    from = event;
  });
  for (const end of ["pointerup", "pointercancel"]) pane.addEventListener(end, () => (from = null));
  pictureOf(pane).addEventListener("load", pictures.place);
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
  new ResizeObserver(pictures.place).observe($("panes"));
  for (const input of document.querySelectorAll("#views input")) {
    input.addEventListener("change", () => setView(input.value));
  }
  $("split").addEventListener("input", () => $("panes").style.setProperty("--split", `${$("split").value}%`));
  $("heat").addEventListener("input", showMapOpacity);
  $("hold").addEventListener("click", () => (held ? hold(false) : hold(true)));
  pictures.listenToButtons("other-pane");
}
