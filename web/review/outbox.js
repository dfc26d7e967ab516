// Decisions on their way to the server: in order, one at a time, kept in the tab until the server has confirmed them. A
// decision that is sent again has the same idempotency key, so that it is stored once.

import { call, onKey, random } from "./api.js";
import { afterPaint } from "./pictures.js";
import { connected, disconnected, setUnsaved } from "./status.js";

const STORED = "clip-in-review-outbox";
const LONGEST_WAIT = 10;

// {type: "verdict" | "undo", id, line, name, body, key, tries, verdict}, the oldest first.
let waiting = restore();
let isSending = false;
let timer = 0;
// What the queue does when something was stored, refused or undone.
let tellQueue = {};

function restore() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED)) || [];
  } catch {
    return [];
  }
}

function keep() {
  try {
    sessionStorage.setItem(STORED, JSON.stringify(waiting));
  } catch {
    // The browser forbids it: the decisions are in memory only, and leaving the page warns.
  }
  setUnsaved(waiting.length);
}

// Ids of the parts whose verdict is on its way.
export const underWay = () => waiting.filter((one) => one.type === "verdict").map((one) => one.id);

// Whether anything about this part is on its way: until then the server's lists say nothing about it.
export const isUnderWay = (id) => waiting.some((one) => one.id === id);

export function sendVerdict(line, { id, name, body }) {
  waiting.push({ type: "verdict", id, line, name, body, key: random(), tries: 0 });
  keep();
  // The next part comes first.
  afterPaint(send);
}

// Takes a verdict back; `verdict` is its id, as far as it is known. One that was never sent is only forgotten: then the
// result is false, and the server has nothing to undo.
export function sendUndo(line, { id, name, verdict }) {
  const last = waiting.at(-1);
  if (last && last.type === "verdict" && last.id === id && last.tries === 0) {
    waiting.pop();
    keep();
    return false;
  }
  waiting.push({ type: "undo", id, line, name, verdict, key: random(), tries: 0 });
  keep();
  send();
  return true;
}

function later(seconds) {
  clearTimeout(timer);
  timer = setTimeout(send, 1000 * seconds);
}

async function send() {
  if (isSending || !waiting.length) return;
  isSending = true;
  clearTimeout(timer);
  while (waiting.length) {
    const one = waiting[0];
    const again = one.tries > 0;
    one.tries += 1;
    keep();
    const result = await (one.type === "verdict" ? verdict(one) : undo(one, again));
    if (mustWait(result)) {
      if (result.status !== 401 && result.status !== 403) {
        disconnected("outbox", result);
        later(Math.max(result.after, Math.min(LONGEST_WAIT, 2 ** Math.min(one.tries, 5) / 2)));
      }
      break;
    }
    connected("outbox");
    waiting.shift();
    keep();
    settle(one, result);
  }
  isSending = false;
}

// Whether the same request may succeed later: no answer, no valid key, a server that is busy or without its database.
const mustWait = ({ status }) => [0, 401, 403, 408, 425, 429].includes(status) || status >= 500;

function verdict({ id, body, key }) {
  const headers = { "idempotency-key": key };
  return call("POST", `/v1/inspections/${id}/verdict`, { body, headers, keepalive: true });
}

async function undo({ id, verdict: stored, key }, again) {
  if (again) {
    // The answer to the first try was lost. If someone else has decided meanwhile, that verdict must stay.
    const now = await call("GET", `/v1/inspections/${id}`);
    if (!now.ok) return now;
    const said = (now.answer.verdicts || []).at(-1);
    const isDone = said && (said.verdict === "undone" || (stored && said.id !== stored));
    if (isDone) return { ok: true, status: 200, answer: {} };
  }
  const headers = { "idempotency-key": key };
  return call("DELETE", `/v1/inspections/${id}/verdict`, { headers, keepalive: true });
}

function settle(one, result) {
  if (one.type === "undo") return tellQueue.undone(one, result);
  const undos = (other) => other.type === "undo" && other.id === one.id;
  if (result.ok) {
    for (const other of waiting.filter(undos)) other.verdict = result.answer.id;
  } else {
    // It was not stored, so there is nothing to undo.
    waiting = waiting.filter((other) => !undos(other));
  }
  keep();
  tellQueue.said(one, result);
}

export function startOutbox(listeners) {
  tellQueue = listeners;
  keep();
  onKey(send);
  addEventListener("online", send);
  addEventListener("beforeunload", (event) => {
    if (!waiting.length) return;
    event.preventDefault();
    // Chromium before 119 asks only if this is set.
    event.returnValue = true;
  });
  send();
}
