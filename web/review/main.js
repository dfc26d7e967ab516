// The page: chooses a line and a section, and joins what belongs together.

import { $, element } from "/dom.js";
import { get, onKey, startKeyForm } from "./api.js";
import { openDashboard, startDashboard } from "./dashboard.js";
import { resetDecision, setKinds, startDecide } from "./decide.js";
import { openHistory, setPart, startHistory } from "./history.js";
import { mapWanted, showItem, startItem } from "./item.js";
import { startKeys } from "./keys.js";
import { startPanes } from "./panes.js";
import { current, leaveQueue, nameOf, openQueue, refill, startQueue } from "./queue.js";
import { notice, tell } from "./status.js";
import { onLanguage, startLanguage, t } from "./strings.js";
import { whyHere } from "./why.js";

const SECTIONS = ["queue", "dashboard", "history"];

let lines = [];
let line = null; // the line's object
let section = "queue";
let waiting = null;
let isKnown = false;

// The address has the line and the section, so that a reload and a link open the same.
const addressOf = (name, which) => `#${encodeURIComponent(name)}/${which}`;

function read() {
  const [name, which] = location.hash.slice(1).split("/");
  try {
    return { name: decodeURIComponent(name || ""), which: SECTIONS.includes(which) ? which : "queue" };
  } catch {
    return { name: "", which: "queue" };
  }
}

async function loadLines() {
  const result = await get("/v1/lines");
  if (result.status === 401 || result.status === 403) return;
  if (!result.ok) return notice(t("linesFailed", result.error.message));
  lines = result.answer.data;
  $("line").replaceChildren(...lines.map(({ name }) => {
    const option = element("option", "", name);
    option.value = name;
    return option;
  }));
  if (!lines.length) return notice(t("noLines"));
  route();
}

function route() {
  if (!lines.length) return;
  const { name, which } = read();
  const found = lines.find((one) => one.name === name);
  if (name && !found) notice(t("noSuchLine", name));
  const chosen = found || lines[0];
  if (!found) history.replaceState(null, "", addressOf(chosen.name, which));
  const isNew = !line || line.name !== chosen.name;
  [line, section] = [chosen, which];
  $("line").value = line.name;
  for (const one of SECTIONS) {
    $(one).hidden = one !== section;
    const link = $(`to-${one}`);
    link.href = addressOf(line.name, one);
    if (one === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (isNew) {
    setKinds(line);
    openQueue(line.name, filter());
  } else if (section === "queue") refill();
  if (section === "dashboard") openDashboard(line.name);
  if (section === "history") openHistory(line.name);
}

function filter() {
  const what = document.querySelector("#filters input[name=what]:checked").value;
  const audit = { all: undefined, review: false, audit: true }[what];
  return { audit, lot: $("lot").value.trim() || undefined };
}

function showNothing() {
  $("nothing").textContent = isKnown ? t("nothingWaits") : t("loadingItems");
  $("nothing-more").hidden = $("look-again").hidden = !isKnown;
}

function show(item, known) {
  isKnown = known;
  $("work").hidden = !item;
  $("empty").hidden = Boolean(item);
  showNothing();
  showItem(item, line);
  resetDecision();
  setPart(item, line && line.name);
  // A field of the part before must not take the keys of this one.
  if (item && document.activeElement?.closest("#decision") && document.activeElement.matches("input, .choice")) $("decision").focus({ preventScroll: true });
  if (item) tell(t("nextIs", nameOf(item), whyHere(item, line).join(" ")));
  else if (known) tell(t("nothingWaits"));
}

function showWaiting(count) {
  if (count !== undefined) waiting = count;
  $("waiting").textContent = waiting === null ? "" : t("waiting", waiting);
}

const isQueueOpen = () => section === "queue" && line !== null;

function listen() {
  $("line").addEventListener("change", () => (location.hash = addressOf($("line").value, section)));
  addEventListener("hashchange", route);
  for (const input of document.querySelectorAll("#filters input")) {
    input.addEventListener("change", () => line && openQueue(line.name, filter()));
  }
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("look-again").addEventListener("click", refill);
  $("skip").addEventListener("click", (event) => {
    event.preventDefault();
    $(section === "queue" && current() ? "decision" : "main").focus();
  });
  onKey(() => lines.length || loadLines());
  onLanguage(() => {
    showWaiting();
    showNothing();
  });
  addEventListener("pagehide", leaveQueue);
  addEventListener("pageshow", (event) => event.persisted && line && openQueue(line.name, filter()));
}

startLanguage($("language"));
startKeyForm();
startPanes();
startItem();
startDecide();
startHistory();
startDashboard();
startKeys(isQueueOpen);
startQueue({ show, waiting: showWaiting, withMap: mapWanted, isOpen: isQueueOpen });
listen();
loadLines();
