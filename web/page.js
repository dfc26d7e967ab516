// The page's behaviour: an image and some lines of text become one request, and its answer becomes bars.
"use strict";

const $ = (id) => document.getElementById(id);
const UNREACHABLE = "The server did not answer. It is not running, cannot be reached, or closed the connection.";
// Long enough to finish a word, short enough to feel immediate.
const TYPING_PAUSE_MS = 350;

let image = null; // {bytes: Blob, name, sample: its URL or null}
let model = null; // what GET /v1/models says
let samples = [];
let timer = 0;
let latest = null; // AbortController of the newest request; only its answer may be shown
let picked = 0; // counts picks, so that a slow file does not replace the one picked after it

const descriptions = () => $("texts").value.split("\n").map((line) => line.trim()).filter(Boolean);

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function say(id, text) {
  $(id).textContent = text;
  $(id).hidden = !text;
}

// Errors: the API's own messages, beside the field that they name.

function clearErrors() {
  for (const id of ["image-error", "texts-error", "error"]) say(id, "");
  for (const id of ["file", "texts"]) $(id).removeAttribute("aria-invalid");
}

function placeOf(param) {
  if (/^images?\b/.test(param)) return ["image-error", "file"];
  if (/^(labels?|texts?)\b/.test(param)) return ["texts-error", "texts"];
  return ["error", null];
}

function showError(error, texts = []) {
  const param = error.param || "";
  const [place, field] = placeOf(param);
  say(place, error.message);
  if (param) {
    const item = /^labels\[(\d+)\]/.exec(param);
    const which = item && texts[item[1]] ? `${param}: ${texts[item[1]]}` : param;
    $(place).append(element("code", "", which));
  }
  if (field) $(field).setAttribute("aria-invalid", "true");
  showAnswer(null);
}

// The answer.

const percent = (score) => (score > 0 && score < 0.0005 ? "< 0.1 %" : `${(100 * score).toFixed(1)} %`);

function row(entry, best) {
  const item = element("li", best ? "best" : "");
  const track = element("div", "track");
  const bar = element("div", "bar");
  bar.style.width = `${100 * Math.min(1, Math.max(0, entry.score))}%`;
  track.append(bar);
  track.setAttribute("aria-hidden", "true");
  item.append(
    element("span", "label", entry.label),
    element("span", "percent", percent(entry.score)),
    track,
    element("span", "cosine quiet", `cosine ${entry.similarity.toFixed(3)}`),
  );
  return item;
}

function noteOn(answer) {
  const notes = [];
  const labels = answer.results[0].labels;
  const sigmoid = model && model.similarity.kind === "sigmoid";
  if (!sigmoid && labels.length === 1) {
    notes.push("A single description always gets 100 %: add one to compare it with, or go by the cosine.");
  }
  if (sigmoid) notes.push("This model judges each description on its own: the percentages need not add up to 100.");
  const cut = answer.usage.truncated_tokens;
  if (cut > 0) {
    const limit = model ? `, which reads ${model.context_length} of a description` : "";
    notes.push(`${cut} ${cut === 1 ? "token was" : "tokens were"} cut off: a description is too long for the model${limit}.`);
  }
  return notes.join(" ");
}

function showAnswer(answer, milliseconds = 0) {
  const labels = answer ? answer.results[0].labels : [];
  $("ranking").replaceChildren(...labels.map((entry, rank) => row(entry, rank === 0)));
  say("note", answer ? noteOn(answer) : "");
  const facts = model && answer && model.id === answer.model ? [model.precision, model.device] : [];
  say("answered", answer ? [answer.model, ...facts, `${Math.round(milliseconds)} ms`].join(" · ") : "");
  $("status").textContent = answer ? `Best of ${labels.length}: ${labels[0].label} ${percent(labels[0].score)}` : "";
  // The first row shows it visually; the sentence is for screen readers.
  $("status").classList.toggle("heard", Boolean(answer));
  if (!answer) showMissing();
}

function showMissing() {
  const missing = [image ? "" : "an image", descriptions().length ? "" : "a description"].filter(Boolean);
  if (!missing.length) $("status").textContent = "No result.";
  else $("status").textContent = `Waiting for ${missing.join(" and ")}.`;
}

// The key, if the server requires one. It is stored for this tab only, not in the browser's settings.

const KEY = "clip-in-api-key";
// A browser may forbid pages to store anything.
const attempt = (action) => { try { return action(); } catch { return null; } };
let key = attempt(() => sessionStorage.getItem(KEY)) || "";

async function api(path, options) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const response = await fetch(path, { ...options, headers });
  const refused = response.status === 401;
  $("key-form").hidden = !refused;
  say("key-error", refused && key ? "The server does not know this key." : "");
  if (refused && key) $("key").setAttribute("aria-invalid", "true");
  else $("key").removeAttribute("aria-invalid");
  return response;
}

function useKey() {
  const given = $("key").value.trim();
  // A key that is not valid in a header would look like a server that does not answer.
  if (!/^[\x21-\x7e]+$/.test(given)) return say("key-error", "A key is one word of letters, digits and signs.");
  key = given;
  attempt(() => sessionStorage.setItem(KEY, key));
  loadModel();
  compare();
}

// The request.

async function loadModel() {
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

async function ask(texts, signal) {
  const form = new FormData();
  form.append("image", image.bytes, image.name);
  for (const text of texts) form.append("label", text);
  const response = await api("/v1/classify", { method: "POST", body: form, signal });
  if (response.status === 401) return { locked: true };
  const body = await response.json().catch(() => null);
  if (response.ok && body) return { answer: body };
  return { error: (body && body.error) || { message: `The server answered with status ${response.status}.` } };
}

async function compare() {
  clearTimeout(timer);
  if (latest) latest.abort();
  const controller = (latest = new AbortController());
  const texts = descriptions();
  showCurl(texts);
  if (!image || !texts.length) {
    clearErrors();
    $("result").setAttribute("aria-busy", "false");
    return showAnswer(null);
  }
  $("result").setAttribute("aria-busy", "true");
  const start = performance.now();
  let outcome;
  try {
    outcome = await ask(texts, controller.signal);
  } catch {
    outcome = { error: { message: UNREACHABLE } };
  }
  const milliseconds = performance.now() - start;
  if (controller !== latest) return;
  if (outcome.answer && (!model || model.id !== outcome.answer.model)) await loadModel();
  if (controller !== latest) return;
  $("result").setAttribute("aria-busy", "false");
  clearErrors();
  if (outcome.locked) showAnswer(null), ($("status").textContent = "Waiting for the API key.");
  else if (outcome.error) showError(outcome.error, texts);
  else showAnswer(outcome.answer, milliseconds);
}

function compareSoon() {
  clearTimeout(timer);
  timer = setTimeout(compare, TYPING_PAUSE_MS);
}

// The user submitted explicitly: report what is missing, and focus it.
function compareNow() {
  compare();
  if (!image) showError({ message: "Choose an image first.", param: "" }), $("file").focus();
  else if (!descriptions().length) showError({ message: "Write at least one description." }), $("texts").focus();
}

// The equivalent curl command.

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function showCurl(texts) {
  $("curl").hidden = !image || !texts.length;
  if ($("curl").hidden) return;
  // Inside double quotes curl takes a file name literally, including characters that end it elsewhere.
  const file = `"${image.name.replace(/["\\]/g, "\\$&")}"`;
  const source = image.sample ? `curl -s ${quoted(new URL(image.sample, location.href).href)} |\n` : "";
  const parts = [`${source}curl ${quoted(`${location.origin}/v1/classify`)}`];
  // The key is not shown, so that the command can be shared.
  if (key) parts.push('-H "authorization: Bearer $KEY"');
  parts.push(`-F ${quoted(`image=@${image.sample ? "-" : file}`)}`);
  // --form-string: a description that starts with @ or < is not a file name.
  for (const text of texts) parts.push(`--form-string ${quoted(`label=${text}`)}`);
  $("curl-line").textContent = parts.join(" \\\n  ");
}

async function copyCurl() {
  try {
    await navigator.clipboard.writeText($("curl-line").textContent);
    $("copy").textContent = "Copied";
  } catch {
    // Without https a page cannot use the clipboard: the line is selected for copying by hand.
    getSelection().selectAllChildren($("curl-line"));
    $("copy").textContent = "Selected: press Ctrl+C";
  }
  setTimeout(() => ($("copy").textContent = "Copy"), 2000);
}

// The image.

async function useImage(blob, name, sample) {
  const turn = ++picked;
  let bytes;
  try {
    // Read now: a file that changes on disk later would make every request fail.
    bytes = new Blob([await blob.arrayBuffer()], { type: blob.type });
  } catch {
    if (turn === picked) showError({ message: `${name} cannot be read.`, param: "image" });
    return;
  }
  if (turn !== picked) return;
  image = { bytes, name, sample: sample ? sample.url : null };
  if (sample) $("texts").value = sample.texts.join("\n");
  $("file-name").textContent = sample ? sample.title : name;
  URL.revokeObjectURL($("preview").src);
  $("preview").alt = `preview of ${name}`;
  $("preview").src = URL.createObjectURL(bytes);
  $("preview").hidden = false;
  for (const button of $("sample-list").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.url === image.sample));
  }
  compare();
}

const useFile = (file) => file && useImage(file, file.name || "image", null);

async function useSample(sample) {
  const turn = ++picked;
  try {
    const response = await fetch(sample.url);
    if (!response.ok) throw new Error(String(response.status));
    const blob = await response.blob();
    if (turn === picked) await useImage(blob, sample.url.split("/").pop(), sample);
  } catch {
    if (turn === picked) showError({ message: `The sample could not be loaded. ${UNREACHABLE}`, param: "" });
  }
}

async function loadSamples() {
  samples = await fetch("/samples").then((response) => response.json()).then((body) => body.samples).catch(() => []);
  const items = samples.map((sample) => {
    const button = element("button");
    const picture = element("img");
    button.type = "button";
    button.title = sample.title;
    button.dataset.url = sample.url;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => useSample(sample));
    picture.src = sample.url;
    picture.alt = sample.title;
    picture.draggable = false;
    button.append(picture);
    const item = element("li");
    item.append(button);
    return item;
  });
  $("sample-list").replaceChildren(...items);
  $("samples").hidden = !samples.length;
}

function listen() {
  $("file").addEventListener("change", () => {
    useFile($("file").files[0]);
    $("file").value = ""; // so that the same file can be chosen again
  });
  // A format that the browser cannot show, such as TIFF, is sent anyway.
  $("preview").addEventListener("error", () => ($("preview").hidden = true));
  $("texts").addEventListener("input", compareSoon);
  $("form").addEventListener("submit", (event) => (event.preventDefault(), compareNow()));
  $("copy").addEventListener("click", copyCurl);
  $("key-form").addEventListener("submit", (event) => (event.preventDefault(), useKey()));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.preventDefault(), compareNow();
  });
  document.addEventListener("paste", (event) => useFile(event.clipboardData.files[0]));
  // The whole page accepts a drop: one outside the box must not navigate away.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dragging"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    useFile(event.dataTransfer.files[0]);
  });
}

listen();
showMissing();
loadModel();
loadSamples();
