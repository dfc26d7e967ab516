// The first tab: an image and some lines of text become one request, and its answer becomes bars.

import { $, bar, element, lines, percent, say } from "./dom.js";
import { clearMaps, mapsWanted, showMaps } from "./maps.js";
import { fetchSample, listSamples, markSample } from "./samples.js";
import { UNREACHABLE, key, loadModel, model, post } from "./server.js";

// Long enough to finish a word, short enough to feel immediate.
const TYPING_PAUSE_MS = 350;

let image = null; // {bytes: Blob, name, sample: its URL or null}
let timer = 0;
let latest = null; // AbortController of the newest request; only its answer may be shown
let picked = 0; // counts picks, so that a slow file does not replace the one picked after it

const descriptions = () => lines("texts");

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

function row(entry, best) {
  const item = element("li", best ? "best" : "");
  item.dataset.index = entry.index;
  item.append(
    element("span", "label", entry.label),
    element("span", "percent", percent(entry.score)),
    bar(entry.score),
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
  clearMaps();
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

// The request.

function ask(texts, signal) {
  const form = new FormData();
  form.append("image", image.bytes, image.name);
  for (const text of texts) form.append("label", text);
  return post("/v1/classify", form, signal);
}

export async function describe() {
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
  else {
    showAnswer(outcome.answer, milliseconds);
    if (mapsWanted()) showMaps(image, texts, $("ranking"), controller.signal);
  }
}

function describeSoon() {
  clearTimeout(timer);
  timer = setTimeout(describe, TYPING_PAUSE_MS);
}

// The user submitted explicitly: report what is missing, and focus it.
export function describeNow() {
  describe();
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
  markSample($("sample-list"), image.sample);
  describe();
}

export const takeFile = (file) => file && useImage(file, file.name || "image", null);

async function useSample(sample) {
  const turn = ++picked;
  try {
    const blob = await fetchSample(sample);
    if (turn === picked) await useImage(blob, sample.url.split("/").pop(), sample);
  } catch {
    if (turn === picked) showError({ message: `The sample could not be loaded. ${UNREACHABLE}`, param: "" });
  }
}

export function startDescribe() {
  $("file").addEventListener("change", () => {
    takeFile($("file").files[0]);
    $("file").value = ""; // so that the same file can be chosen again
  });
  // A format that the browser cannot show, such as TIFF, is sent anyway.
  $("preview").addEventListener("error", () => ($("preview").hidden = true));
  $("texts").addEventListener("input", describeSoon);
  $("maps").addEventListener("change", describe);
  $("form").addEventListener("submit", (event) => (event.preventDefault(), describeNow()));
  $("copy").addEventListener("click", copyCurl);
  listSamples($("sample-list"), $("samples"), useSample);
  showMissing();
}
