// The part beside its reference: zoomed and moved as one, side by side or in turn in one place.

import { $ } from "/dom.js";

const LARGEST = 16;
const STEP = 1.25;
const PANES = ["part-pane", "reference-pane"];

let zoom = 1;
// The point of a picture in the middle of its pane, in shares of the picture's sides.
let centre = { x: 0.5, y: 0.5 };
let view = "beside";

// Sizes of the panes, as they were last laid out: to ask for them while a part is put in would lay the page out again.
const sizes = new Map(PANES.map((id) => [id, { width: 1, height: 1 }]));

const stageOf = (pane) => pane.querySelector(".stage");
const shownIn = (pane) => pane.querySelector(".picture");

// The size of a picture that fits into its pane.
function fitted(pane) {
  const picture = shownIn(pane);
  const [width, height] = [picture?.naturalWidth || 4, picture?.naturalHeight || 3];
  const size = sizes.get(pane.id);
  const scale = Math.min(size.width / width, size.height / height);
  return { width: width * scale, height: height * scale };
}

export function place() {
  for (const id of PANES) {
    const pane = $(id);
    const stage = stageOf(pane);
    const { width, height } = fitted(pane);
    stage.style.width = `${width}px`;
    stage.style.height = `${height}px`;
    const left = sizes.get(id).width / 2 - centre.x * width * zoom;
    const top = sizes.get(id).height / 2 - centre.y * height * zoom;
    stage.style.transform = `translate(${left}px, ${top}px) scale(${zoom})`;
    // Lines of regions stay as thin as they are.
    stage.style.setProperty("--zoom", zoom);
    stage.classList.toggle("pixels", zoom >= 4);
  }
  $("zoom").value = `${Math.round(100 * zoom)} %`;
}

const within = (value) => Math.min(1, Math.max(0, value));

// Moves the middle, in shares of the picture.
function move(x, y) {
  centre = zoom === 1 ? { x: 0.5, y: 0.5 } : { x: within(centre.x + x), y: within(centre.y + y) };
  place();
}

// Zooms; the point `at` (of a pane, in pixels from its middle) stays where it is.
function zoomBy(factor, pane, at = { x: 0, y: 0 }) {
  const before = zoom;
  zoom = Math.min(LARGEST, Math.max(1, zoom * factor));
  const { width, height } = fitted(pane);
  const share = 1 / before - 1 / zoom;
  move((at.x * share) / width, (at.y * share) / height);
}

function fit() {
  zoom = 1;
  move(0, 0);
}

// Shows a box of a picture of this size, with some of what is around it.
export function lookAt(box, { width, height }) {
  zoom = Math.min(LARGEST, Math.max(1, 0.4 / Math.max(box.width / width, box.height / height)));
  centre = { x: (box.x + box.width / 2) / width, y: (box.y + box.height / 2) / height };
  move(0, 0);
}

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
  fit();
}

// Moves or zooms by a key; false if the key is none of the viewer's.
export function viewerKey(key) {
  const pane = $("part-pane");
  const step = 0.1 / zoom;
  const actions = {
    0: fit,
    "+": () => zoomBy(STEP, pane),
    "=": () => zoomBy(STEP, pane),
    "-": () => zoomBy(1 / STEP, pane),
    ArrowLeft: () => move(-step, 0),
    ArrowRight: () => move(step, 0),
    ArrowUp: () => move(0, -step),
    ArrowDown: () => move(0, step),
  };
  if (!Object.hasOwn(actions, key)) return false;
  // Without zoom there is nothing to move: the arrows scroll the page.
  if (key.startsWith("Arrow") && zoom === 1) return false;
  actions[key]();
  return true;
}

function fromMiddle({ clientX, clientY }, pane) {
  const rect = pane.getBoundingClientRect();
  return { x: clientX - rect.left - rect.width / 2, y: clientY - rect.top - rect.height / 2 };
}

// One pointer drags; two pinch.
function listenTo(pane) {
  const pointers = new Map();
  pane.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.deltaY) zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, pane, fromMiddle(event, pane));
  }, { passive: false });
  pane.addEventListener("dblclick", (event) => zoomBy(2, pane, fromMiddle(event, pane)));
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
      zoomBy(apart(event) / apart(from), pane, fromMiddle(middle, pane));
    } else {
      const { width, height } = fitted(pane);
      move((from.clientX - event.clientX) / (width * zoom), (from.clientY - event.clientY) / (height * zoom));
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
  $("zoom-in").addEventListener("click", () => zoomBy(STEP, $("part-pane")));
  $("zoom-out").addEventListener("click", () => zoomBy(1 / STEP, $("part-pane")));
  $("zoom-fit").addEventListener("click", fit);
}
