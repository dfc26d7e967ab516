// The keyboard, and the list of its keys.

import { $, element } from "/dom.js";
import * as decision from "./decide.js";
import { lookAtRegion, toggleMap, toggleRegions, turnView } from "./item.js";
import { blink, setView, viewerKey } from "./panes.js";
import { onLanguage, t } from "./strings.js";

const KEYS = {
  keysDecide: [
    ["O", "keyO"], ["1 – 4", "keyDigitsOk"], ["N", "keyN"], ["U", "keyU"], ["Z", "keyZ"], ["C", "keyC"],
  ],
  keysLook: [
    ["B", "keyB"], ["S", "keyS"], ["M", "keyM"], ["R", "keyR"], ["L", "keyL"], ["+ −", "keyZoom"], ["0", "keyFit"],
    ["← ↑ → ↓", "keyArrows"], ["[ ]", "keyViews"], ["H", "keyH"], ["?", "keyHelp"],
  ],
};

function fillHelp() {
  $("help-keys").replaceChildren(...Object.entries(KEYS).flatMap(([title, keys]) => {
    const list = element("dl");
    for (const [key, name] of keys) {
      const term = element("dt");
      term.append(element("kbd", "", key));
      list.append(term, element("dd", "", t(name)));
    }
    return [element("h3", "", t(title)), list];
  }));
}

export const showHelp = () => $("help").showModal();

const actions = {
  o: decision.sayOk,
  n: decision.startNg,
  u: decision.sayUnsure,
  z: decision.takeBack,
  c: decision.focusCaption,
  b: blink,
  s: () => setView("beside"),
  m: toggleMap,
  r: toggleRegions,
  l: lookAtRegion,
  "[": () => turnView(-1),
  "]": () => turnView(1),
  h: () => ($("part-history").open = !$("part-history").open),
  "?": showHelp,
};

// `isOpen` says whether the queue is seen.
export function startKeys(isOpen) {
  fillHelp();
  onLanguage(fillHelp);
  $("help-button").addEventListener("click", showHelp);
  $("help-close").addEventListener("click", () => $("help").close());
  document.addEventListener("keydown", (event) => {
    if (!isOpen() || $("help").open || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const writes = event.target.closest("input:not([type=radio]), select, textarea");
    if (event.key === "Escape" && decision.choosesKind()) return event.preventDefault(), decision.cancelNg();
    // In a field, Enter sends the form.
    if (writes) return;
    if (event.key === "Enter" && decision.choosesKind() && !event.repeat) {
      // Enter on a button presses it, as everywhere.
      if (event.target.closest("button:not(.choice), a, summary")) return;
      event.preventDefault();
      return decision.confirmNg(event);
    }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (/^[1-9]$/.test(key)) return event.preventDefault(), decision.digit(Number(key));
    // A key that is held down must not decide about part after part.
    const action = !event.repeat && Object.hasOwn(actions, key) && actions[key];
    if (action) {
      event.preventDefault();
      action(event);
    } else if (!event.target.closest("input") && viewerKey(event.key)) {
      event.preventDefault();
    }
  });
}
