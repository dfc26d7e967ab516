// Pictures that are zoomed and moved as one: each lies on a stage in a pane.

import { $ } from "/dom.js";

export const STEP = 1.25;
const LARGEST = 16;

const within = (value, least, most) => Math.min(most, Math.max(least, value));

// Where an event is, in pixels from the middle of a pane.
export function fromMiddle({ clientX, clientY }, pane) {
  const rect = pane.getBoundingClientRect();
  return { x: clientX - rect.left - rect.width / 2, y: clientY - rect.top - rect.height / 2 };
}

// `panes` are ids, and `sizeOf` says how large a pane is inside.
export function zooming(panes, sizeOf) {
  let zoom = 1;
  // The point of a picture in the middle of its pane, in shares of the picture's sides.
  let centre = { x: 0.5, y: 0.5 };

  // The size of a picture that fits into its pane.
  function fitted(pane) {
    const picture = pane.querySelector(".picture");
    const [width, height] = [picture?.naturalWidth || 4, picture?.naturalHeight || 3];
    const size = sizeOf(pane);
    const scale = Math.min(size.width / width, size.height / height);
    return { width: width * scale, height: height * scale };
  }

  function place() {
    for (const pane of panes.map($)) {
      const stage = pane.querySelector(".stage");
      const size = sizeOf(pane);
      const { width, height } = fitted(pane);
      const left = size.width / 2 - centre.x * width * zoom;
      const top = size.height / 2 - centre.y * height * zoom;
      stage.style.width = `${width}px`;
      stage.style.height = `${height}px`;
      stage.style.transform = `translate(${left}px, ${top}px) scale(${zoom})`;
      // Lines of boxes stay as thin as they are.
      stage.style.setProperty("--zoom", zoom);
      stage.classList.toggle("pixels", zoom >= 4);
    }
    $("zoom").value = `${Math.round(100 * zoom)} %`;
  }

  // Moves the middle, in shares of the picture.
  function move(x, y) {
    centre = zoom === 1 ? { x: 0.5, y: 0.5 } : { x: within(centre.x + x, 0, 1), y: within(centre.y + y, 0, 1) };
    place();
  }

  // Zooms; the point `at` (of a pane, in pixels from its middle) stays where it is.
  function zoomBy(factor, pane, at = { x: 0, y: 0 }) {
    const before = zoom;
    zoom = within(zoom * factor, 1, LARGEST);
    const { width, height } = fitted(pane);
    const share = 1 / before - 1 / zoom;
    move((at.x * share) / width, (at.y * share) / height);
  }

  function fit() {
    zoom = 1;
    move(0, 0);
  }

  // Shows a box of a picture of this size, with some of what is around it.
  function lookAt(box, { width, height }) {
    zoom = within(0.4 / Math.max(box.width / width, box.height / height), 1, LARGEST);
    centre = { x: (box.x + box.width / 2) / width, y: (box.y + box.height / 2) / height };
    move(0, 0);
  }

  // What is under one pointer event goes to where the next one is.
  function drag(pane, from, to) {
    const { width, height } = fitted(pane);
    move((from.clientX - to.clientX) / (width * zoom), (from.clientY - to.clientY) / (height * zoom));
  }

  // What keys do to a pane.
  function keys(pane) {
    const step = 0.1 / zoom;
    return {
      0: fit,
      "+": () => zoomBy(STEP, pane),
      "=": () => zoomBy(STEP, pane),
      "-": () => zoomBy(1 / STEP, pane),
      ArrowLeft: () => move(-step, 0),
      ArrowRight: () => move(step, 0),
      ArrowUp: () => move(0, -step),
      ArrowDown: () => move(0, step),
    };
  }

  // The buttons of the page; they zoom around the middle of this pane.
  function listenToButtons(pane) {
    $("zoom-in").addEventListener("click", () => zoomBy(STEP, $(pane)));
    $("zoom-out").addEventListener("click", () => zoomBy(1 / STEP, $(pane)));
    $("zoom-fit").addEventListener("click", fit);
  }

  return { place, zoomBy, fit, lookAt, drag, keys, listenToButtons, isZoomed: () => zoom > 1 };
}
