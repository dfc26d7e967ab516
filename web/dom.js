// Small helpers for elements.

export const $ = (id) => document.getElementById(id);

export function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// Shows a sentence, or hides its place if there is none.
export function say(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
}

export const lines = (id) => $(id).value.split("\n").map((line) => line.trim()).filter(Boolean);

export const percent = (share) => (share > 0 && share < 0.0005 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);

// A bar of a share of 0 to 1.
export function bar(share) {
  const track = element("div", "track");
  const inner = element("div", "bar");
  inner.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  track.append(inner);
  track.setAttribute("aria-hidden", "true");
  return track;
}
