// The parts that this reviewer decides about: the current one, the next ones, and those that were decided.

import { onKey } from "./api.js";
import { claim, release, sessionNow } from "./claims.js";
import { isUnderWay, sendUndo, sendVerdict, startOutbox, underWay } from "./outbox.js";
import { afterPaint, keepOnly, preload } from "./pictures.js";
import { connected, disconnected, notice } from "./status.js";
import { t } from "./strings.js";

// The current part and three that are loaded ahead.
const AHEAD = 4;
const MOST_CLAIMED = 20;
const MOST_UNDO = 20;
const LOOK_MS = 10_000;
const RENEW_MS = 90_000;

let line = null;
let filter = {};
let items = [];
let isKnown = false; // whether the server has said what waits
// Ids that were decided here: an answer that was on its way meanwhile may still list them.
const decided = new Set();
// What can be undone, the last at the end: {id, name, item, verdict}.
let done = [];
// Ids that must be claimed again, because the verdict that was undone had ended the claim.
let returning = [];
// The claim that is under way: {line, session, back}. `back` has the ids that came back after it was sent: its answer
// may be from the time when they were decided.
let asking = null;
let askAgain = false;
let asked = 0;
let timer = 0;
let shown = { show: () => {}, waiting: () => {}, withMap: () => false, isOpen: () => true };

export const current = () => items[0] || null;
export const canUndo = () => done.length > 0;
export const nameOf = (inspection) => inspection.part || inspection.id.slice(-8);

function show() {
  shown.show(current(), isKnown);
  afterPaint(load);
}

// Loads the current part's pictures, then those of the next ones.
async function load() {
  keepOnly([...items.slice(0, AHEAD + 1), ...done.slice(-3).map((one) => one.item)].filter(Boolean).map((one) => one.id));
  const wanted = items.slice(0, AHEAD);
  if (!wanted.length) return;
  await preload(wanted[0], shown.withMap());
  for (const item of wanted.slice(1)) if (items.includes(item)) preload(item, shown.withMap());
}

// Opens a line with a filter: {audit, lot}.
export async function openQueue(name, wanted) {
  const before = line;
  const old = sessionNow();
  line = name;
  filter = wanted;
  items = [];
  done = [];
  returning = [];
  isKnown = false;
  asking = null;
  show();
  // The parts that are held must be free before they are asked for with another filter.
  if (before) await release(before, old);
  if (line === name && filter === wanted) refill();
}

// Gives the parts back, when the page is left.
export function leaveQueue() {
  if (line) release(line);
}

// Claims the parts that are missing, and renews the claims of the others.
export async function refill() {
  if (!line || !shown.isOpen()) return;
  if (asking) {
    askAgain = true;
    return;
  }
  clearTimeout(timer);
  const mine = (asking = { line, session: sessionNow(), back: new Set() });
  askAgain = false;
  asked = Date.now();
  const limit = Math.min(MOST_CLAIMED, Math.max(AHEAD, items.length) + underWay().length);
  // The current part is asked for by name: the server then lists it first, however much else the page holds.
  const again = returning[0] || current()?.id;
  const result = await claim(line, { limit, ...filter, again });
  if (asking !== mine) {
    // Another line or filter was chosen meanwhile: nobody looks at what was claimed.
    if (result.ok) release(mine.line, mine.session);
    return;
  }
  asking = null;
  const pause = result.ok ? 0 : Math.max(2, result.after);
  if (result.ok) {
    connected("claims");
    const isBack = returning.includes(again);
    returning = returning.filter((id) => id !== again);
    take(result.answer, isBack ? again : null, mine.back);
  } else if (result.status === 0 || result.status === 429 || result.status >= 500) {
    disconnected("claims", result);
    later(pause);
  } else if (result.status !== 401 && result.status !== 403) {
    connected("claims");
    returning = returning.filter((id) => id !== again);
    notice(result.error.message);
  }
  if (askAgain || returning.length) later(pause);
}

function later(seconds) {
  clearTimeout(timer);
  timer = setTimeout(refill, 1000 * seconds);
}

function take({ data, waiting }, again, back) {
  const before = current();
  const held = new Map(data.map((item) => [item.id, item]));
  const isKept = ({ id }) => held.has(id) || back.has(id) || isUnderWay(id) || returning.includes(id);
  // A part whose verdict was undone may be somebody else's by now.
  if (before && !isKept(before)) notice(t(before.id === again ? "gone" : "takenAway", nameOf(before)));
  items = items.filter(isKept);
  const local = new Set(items.map((item) => item.id));
  const fresh = data.filter((item) => !local.has(item.id) && !decided.has(item.id));
  for (const item of fresh) {
    if (item.id === again) items.unshift(item);
    else items.push(item);
  }
  const first = !isKnown;
  isKnown = true;
  shown.waiting(waiting);
  if (first || current() !== before) show();
  else load();
}

// Decides about the current part: the next one is shown at once, and the verdict follows.
export function decide(body) {
  const item = items.shift();
  if (!item) return null;
  decided.add(item.id);
  done.push({ id: item.id, name: nameOf(item), item });
  if (done.length > MOST_UNDO) done.shift();
  show();
  sendVerdict(line, { id: item.id, name: nameOf(item), body });
  // Another part is claimed when this verdict is stored; not later than with two parts left.
  if (items.length < 3) afterPaint(refill);
  return item;
}

// Takes the last decision back. Its part is shown at once.
export function undo() {
  const last = done.pop();
  if (!last) return null;
  decided.delete(last.id);
  items.unshift(last.item);
  asking?.back.add(last.id);
  const isSent = sendUndo(line, last);
  show();
  if (!isSent && !isUnderWay(last.id)) cameBack(last.id);
  return last;
}

// The server knows of no verdict about this part any more: it is claimed again, if it is still wanted.
function cameBack(id) {
  asking?.back.add(id);
  if (items.some((item) => item.id === id)) returning.push(id);
  refill();
}

function said({ id, name, line: of }, result) {
  const entry = done.find((one) => one.id === id);
  if (result.ok) {
    if (entry) entry.verdict = result.answer.id;
    return refill();
  }
  done = done.filter((one) => one.id !== id);
  if (result.status === 409 && result.error.code === "verdict_exists") {
    notice(t("someoneElse", name));
    drop(id);
  } else if (result.status === 404) {
    notice(t("partGone", name));
    drop(id);
  } else {
    // The part has no verdict, and it is still claimed: the server lists it again.
    if (of === line) decided.delete(id);
    notice(t("refused", name, result.error.message));
  }
  refill();
}

function undone({ id, name, line: of }, result) {
  if (of !== line) return;
  if (!result.ok && result.error.code !== "no_verdict") {
    notice(t("undoRefused", name, result.error.message));
    return drop(id);
  }
  // If it was decided again meanwhile, the new verdict follows, and perhaps its undo.
  if (isUnderWay(id)) return;
  // The page before a reload had decided it and taken that back.
  decided.delete(id);
  cameBack(id);
}

function drop(id) {
  decided.add(id);
  const before = current();
  items = items.filter((item) => item.id !== id);
  if (current() !== before) show();
}

// `listeners`: show(item, isKnown), waiting(count), withMap(), isOpen().
export function startQueue(listeners) {
  shown = listeners;
  startOutbox({ said, undone });
  // Decisions that the page before a reload could not send.
  for (const id of underWay()) decided.add(id);
  onKey(refill);
  addEventListener("online", refill);
  document.addEventListener("visibilitychange", () => document.hidden || refill());
  setInterval(() => {
    const isDue = items.length < AHEAD || Date.now() - asked >= RENEW_MS;
    if (!document.hidden && isDue) refill();
  }, LOOK_MS);
}
