// The page: two tabs, and what belongs to the whole window.

import { $ } from "./dom.js";
import { compare, compareNow, startCompare, takePicture } from "./compare.js";
import { describe, describeNow, startDescribe, takeFile } from "./describe.js";
import { listenForKey, loadModel } from "./server.js";
import { viewerKey } from "./viewer.js";

const TABS = ["describe", "compare"];
let open = "describe";

function show(tab) {
  open = TABS.includes(tab) ? tab : "describe";
  for (const name of TABS) {
    const button = $(`tab-${name}`);
    button.setAttribute("aria-selected", String(name === open));
    button.tabIndex = name === open ? 0 : -1;
    $(name).hidden = name !== open;
  }
}

function choose(tab) {
  show(tab);
  // A reload and a link open the same tab.
  history.replaceState(null, "", tab === "describe" ? location.pathname : `#${tab}`);
}

function listenToTabs() {
  for (const name of TABS) $(`tab-${name}`).addEventListener("click", () => choose(name));
  $("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose(TABS[(TABS.indexOf(open) + step + TABS.length) % TABS.length]);
    $(`tab-${open}`).focus();
  });
  addEventListener("hashchange", () => show(location.hash.slice(1)));
  show(location.hash.slice(1));
}

const take = (file, target) => (open === "compare" ? takePicture(file, target) : takeFile(file));

function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (open === "compare") compareNow();
      else describeNow();
      return;
    }
    const writes = event.target.closest('textarea, input:not([type="radio"], [type="checkbox"]), [role="tab"]');
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (open === "compare" && plain && !writes && viewerKey(event)) event.preventDefault();
  });
}

function listenToFiles() {
  document.addEventListener("paste", (event) => take(event.clipboardData.files[0], document.activeElement));
  // The whole page accepts a drop: one outside the box must not navigate away.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dragging"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    take(event.dataTransfer.files[0], event.target);
  });
}

startDescribe();
startCompare();
listenToTabs();
listenToKeys();
listenToFiles();
listenForKey(() => (describe(), compare()));
loadModel();
