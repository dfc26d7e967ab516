// What both tabs need of the server: its answers, its key, its model.

import { $, say } from "./dom.js";

export const UNREACHABLE = "The server did not answer. It is not running, cannot be reached, or closed the connection.";

// What GET /v1/models says about the default model.
export let model = null;

// The key, if the server requires one. It is stored for this tab only, not in the browser's settings.

const KEY = "clip-in-api-key";
// A browser may forbid pages to store anything.
const attempt = (action) => { try { return action(); } catch { return null; } };
export let key = attempt(() => sessionStorage.getItem(KEY)) || "";

async function api(path, options = {}) {
  const headers = { ...options.headers, ...(key ? { authorization: `Bearer ${key}` } : {}) };
  const response = await fetch(path, { ...options, headers });
  const refused = response.status === 401;
  $("key-form").hidden = !refused;
  say("key-error", refused && key ? "The server does not know this key." : "");
  if (refused && key) $("key").setAttribute("aria-invalid", "true");
  else $("key").removeAttribute("aria-invalid");
  return response;
}

// Posts a form, or an object as JSON: {answer}, {error}, or {locked: true} if a key is missing.
export async function post(path, content, signal) {
  const isForm = content instanceof FormData;
  const body = isForm ? content : JSON.stringify(content);
  const headers = isForm ? {} : { "content-type": "application/json" };
  const response = await api(path, { method: "POST", body, headers, signal });
  if (response.status === 401) return { locked: true };
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return { answer };
  return { error: (answer && answer.error) || { message: `The server answered with status ${response.status}.` } };
}

export async function loadModel() {
  try {
    const response = await api("/v1/models");
    if (response.status === 401) return;
    model = (await response.json()).data[0];
    $("model").textContent = `${model.id} · ${model.precision} · ${model.device}`;
    $("model").title = model.description;
  } catch {
    model = null;
    $("model").textContent = "";
    say("error", UNREACHABLE);
  }
}

// Calls `use` when the user has given a key.
export function listenForKey(use) {
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = $("key").value.trim();
    // A key that is not valid in a header would look like a server that does not answer.
    if (!/^[\x21-\x7e]+$/.test(given)) return say("key-error", "A key is one word of letters, digits and signs.");
    key = given;
    attempt(() => sessionStorage.setItem(KEY, key));
    loadModel();
    use();
  });
}
