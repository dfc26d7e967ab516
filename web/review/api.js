// Requests to the server, with the API key of this tab. The key is that of the page at `/`.

import { $, say } from "/dom.js";
import { t } from "./strings.js";

const KEY = "clip-in-api-key";
// A browser may forbid pages to store anything.
const attempt = (action) => { try { return action(); } catch { return null; } };
let key = attempt(() => sessionStorage.getItem(KEY)) || "";
const listeners = [];

// Asks for another key; `why` says what is wrong with this one.
function askForKey(why) {
  $("key-form").hidden = false;
  say("key-error", why);
  $("key").toggleAttribute("aria-invalid", Boolean(why));
}

// Sends a request and never throws: {ok, status, answer, error, after}. Status 0 means that no answer came; `after` is
// the number of seconds that the server asks to wait. `role` is the one that a key needs.
export async function call(method, path, { body, headers = {}, keepalive = false, blob = false, role = "review" } = {}) {
  const options = { method, keepalive, headers: { ...headers } };
  if (key) options.headers.authorization = `Bearer ${key}`;
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let response;
  let answer;
  try {
    response = await fetch(path, options);
    answer = await (response.ok && blob ? response.blob() : response.json().catch(() => null));
  } catch {
    // The answer may have been lost after the server did what was asked.
    return { ok: false, status: 0, error: { message: t("unreachable") }, after: 0 };
  }
  if (response.status === 401) askForKey(key ? t("keyUnknown") : "");
  if (response.status === 403) askForKey(t("keyRole", role));
  const ok = response.ok && answer !== null;
  const error = ok ? null : (answer && answer.error) || { message: t("statusWas", response.status) };
  return { ok, status: response.status, answer, error, after: Number(response.headers.get("retry-after")) || 0 };
}

export const get = (path) => call("GET", path);

// Calls `listener` when the user has given a key.
export function onKey(listener) {
  listeners.push(listener);
}

export function startKeyForm() {
  $("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = $("key").value.trim();
    // A key that is not valid in a header would look like a server that does not answer.
    if (!/^[\x21-\x7e]+$/.test(given)) return askForKey(t("keyForm"));
    key = given;
    attempt(() => sessionStorage.setItem(KEY, key));
    $("key-form").hidden = true;
    $("key").removeAttribute("aria-invalid");
    for (const listener of listeners) listener();
  });
}

// A random word. `crypto.randomUUID` is missing on pages without TLS, such as those of a plant's own network.
export function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
