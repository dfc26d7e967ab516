// The part beside its reference: zoomed and moved as one, side by side or in turn in one place.

import { $ } from "/dom.js";
import { STEP, fromMiddle, zooming } from "/zoom.js";

const PANES = ["part-pane", "reference-pane"];

let view = "beside";

// Sizes of the panes, as they were last laid out: to ask for them while a part is put in would lay the page out again.
const sizes = new Map(PANES.map((id) => [id, { width: 1, height: 1 }]));
const pictures = zooming(PANES, (pane) => sizes.get(pane.id));

export const { place, lookAt } = pictures;

export function setView(name) {
  view = name;
  $("panes").dataset.view = name;
  $("panes").classList.remove("reference-on-top");
  $("beside").setAttribute("aria-pressed", String(name === "beside"));
  $("blink").setAttribute("aria-pressed", String(name === "blink"));
  place();
}

// The first time one pane covers the other; from then on they change places.
export function blink() {
  if (view !== "blink") setView("blink");
  $("panes").classList.toggle("reference-on-top");
}

// A new part is seen as a whole, and before its reference.
export function reset() {
  $("panes").classList.remove("reference-on-top");
  pictures.fit();
}

// Moves or zooms by a key; false if the key is none of the viewer's.
export function viewerKey(key) {
  const actions = pictures.keys($("part-pane"));
  if (!Object.hasOwn(actions, key)) return false;
  // Without zoom there is nothing to move: the arrows scroll the page.
  if (key.startsWith("Arrow") && !pictures.isZoomed()) return false;
  actions[key]();
  return true;
}

// One pointer drags; two pinch.
function listenTo(pane) {
  const pointers = new Map();
  pane.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.deltaY) pictures.zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, pane, fromMiddle(event, pane));
  }, { passive: false });
  pane.addEventListener("dblclick", (event) => pictures.zoomBy(2, pane, fromMiddle(event, pane)));
  pane.addEventListener("pointerdown", (event) => {
    pane.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
  });
  pane.addEventListener("pointermove", (event) => {
    const from = pointers.get(event.pointerId);
    if (!from) return;
    const other = [...pointers.values()].find((one) => one.pointerId !== event.pointerId);
    if (other) {
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
      pictures.zoomBy(apart(event) / apart(from), pane, fromMiddle(middle, pane));
    } else {
      pictures.drag(pane, from, event);
    }
    pointers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pane.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
}

export function startPanes() {
  const observer = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) sizes.set(target.id, contentRect);
    place();
  });
  for (const id of PANES) {
    listenTo($(id));
    observer.observe($(id));
  }
  $("beside").addEventListener("click", () => setView("beside"));
  $("blink").addEventListener("click", blink);
  pictures.listenToButtons("part-pane");
}
