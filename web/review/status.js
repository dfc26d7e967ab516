// What the page says about itself: the connection, what is saved, and what a screen reader is told.

import { $, element, say } from "/dom.js";
import { onLanguage, t } from "./strings.js";

// Why something waits, by who asked the server: {kind: "offline"} or {kind: "busy", why}.
const troubles = new Map();
let unsaved = 0;

let told = [];

// Tells a screen reader something that is seen on the page anyhow. What is told at the same time is one message.
export function tell(text) {
  told.push(text);
  if (told.length > 1) return;
  queueMicrotask(() => {
    $("live").textContent = told.join(" ");
    told = [];
  });
}

// Shows a message that stays until it is closed.
export function notice(text) {
  const line = element("p", "notice");
  const close = element("button", "small-button", "×");
  close.type = "button";
  close.setAttribute("aria-label", t("dismiss"));
  close.addEventListener("click", () => line.remove());
  line.append(element("span", "", text), close);
  $("notices").append(line);
  // The last ones are enough.
  while ($("notices").children.length > 3) $("notices").firstChild.remove();
}

function show() {
  const trouble = [...troubles.values()][0];
  const banner = trouble && (trouble.kind === "offline" ? t("offline", unsaved) : t("busy", unsaved, trouble.why));
  say("banner", banner || "");
  $("saved").textContent = unsaved ? t("saving", unsaved) : t("saved");
  $("saved").dataset.state = trouble ? "kept" : unsaved ? "saving" : "saved";
}

// The number of decisions that the server has not confirmed.
export function setUnsaved(count) {
  unsaved = count;
  show();
}

// An answer came to what `source` asked.
export function connected(source) {
  if (!troubles.delete(source)) return;
  if (!troubles.size) tell(t("online"));
  show();
}

// No answer came, or the server refuses for now.
export function disconnected(source, { status, error }) {
  troubles.set(source, status === 0 ? { kind: "offline" } : { kind: "busy", why: error.message });
  show();
}

onLanguage(() => {
  $("live").textContent = "";
  show();
});
