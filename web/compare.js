// The second tab: a good part and the part in question become one request; its answer says whether, where and what.

import { $, lines, say } from "./dom.js";
import { clearComparison, showComparison } from "./comparison.js";
import { fetchSample, listSamples, markSample } from "./samples.js";
import { UNREACHABLE, loadModel, model, post } from "./server.js";
import { setView, showPicture, startViewer } from "./viewer.js";

const TYPING_PAUSE_MS = 500;

// {url: the picture as a data URI, name}, or nothing yet.
const pictures = { reference: null, other: null };
const turns = { reference: 0, other: 0 };
let timer = 0;
let latest = null;

function clearErrors() {
  for (const id of ["reference-error", "other-error", "statements-error", "compare-error"]) say(id, "");
  for (const id of ["reference-file", "other-file", "statements"]) $(id).removeAttribute("aria-invalid");
}

function showError(error) {
  const param = error.param || "";
  const places = [
    [/^references?\b/, "reference-error", "reference-file"],
    [/^images?\b/, "other-error", "other-file"],
    [/^statements?\b/, "statements-error", "statements"],
  ];
  const [, place, field] = places.find(([name]) => name.test(param)) || [null, "compare-error", null];
  const missing = error.code === "not_found" ? " This server cannot compare: it is older than this page." : "";
  say(place, `${error.message}${missing}${param ? ` (${param})` : ""}`);
  if (field) $(field).setAttribute("aria-invalid", "true");
}

function wait() {
  const missing = [
    pictures.reference ? "" : "a reference",
    pictures.other ? "" : "an image",
  ].filter(Boolean);
  $("compare-status").textContent = missing.length ? `Waiting for ${missing.join(" and ")}.` : "No result.";
}

function ask(signal) {
  const question = {
    references: [pictures.reference.url],
    images: [pictures.other.url],
    statements: lines("statements"),
    map: true,
  };
  return post("/v1/compare", question, signal);
}

export async function compare() {
  clearTimeout(timer);
  if (latest) latest.abort();
  const controller = (latest = new AbortController());
  if (!pictures.reference || !pictures.other) {
    clearErrors();
    clearComparison();
    $("compare-result").setAttribute("aria-busy", "false");
    return wait();
  }
  $("compare-result").setAttribute("aria-busy", "true");
  const start = performance.now();
  let outcome;
  try {
    outcome = await ask(controller.signal);
  } catch {
    outcome = { error: { message: UNREACHABLE } };
  }
  const milliseconds = Math.round(performance.now() - start);
  if (controller !== latest) return;
  if (outcome.answer && (!model || model.id !== outcome.answer.model)) await loadModel();
  if (controller !== latest) return;
  $("compare-result").setAttribute("aria-busy", "false");
  clearErrors();
  clearComparison();
  if (outcome.answer) return showComparison(outcome.answer, milliseconds);
  if (outcome.error) showError(outcome.error);
  $("compare-status").textContent = outcome.locked ? "Waiting for the API key." : "No result.";
}

function compareSoon() {
  clearTimeout(timer);
  timer = setTimeout(compare, TYPING_PAUSE_MS);
}

export function compareNow() {
  compare();
  if (!pictures.reference) say("compare-error", "Choose a reference first."), $("reference-file").focus();
  else if (!pictures.other) say("compare-error", "Choose an image first."), $("other-file").focus();
}

// The pictures.

function dataUri(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(reader.error));
    reader.readAsDataURL(blob);
  });
}

async function usePicture(which, blob, name) {
  const turn = ++turns[which];
  let url;
  try {
    url = await dataUri(blob);
  } catch {
    if (turn === turns[which]) say(`${which}-error`, `${name} cannot be read.`);
    return;
  }
  if (turn !== turns[which]) return;
  pictures[which] = { url, name };
  clearComparison();
  showPicture(`${which}-pane`, url, name);
  compare();
}

// A file that was dropped on an element or pasted: it belongs to the pane there, else to the first one that is empty.
export function takePicture(file, target) {
  if (!file) return;
  const pane = target && target.closest(".pane");
  const empty = pictures.reference ? "other" : "reference";
  const which = pane ? pane.id.replace("-pane", "") : empty;
  markSample($("compare-sample-list"), null);
  usePicture(which, file, file.name || "image");
}

// A scratch over the middle of a picture, so that there is something to find.
async function scratched(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  const pen = canvas.getContext("2d");
  pen.drawImage(bitmap, 0, 0);
  const at = (x, y) => [x * canvas.width, y * canvas.height];
  for (const [colour, shift] of [["rgba(20, 20, 20, .85)", 0], ["rgba(255, 255, 255, .75)", 0.006]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = Math.max(1, canvas.width / 110);
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(...at(0.36 + shift, 0.42));
    pen.bezierCurveTo(...at(0.45 + shift, 0.48), ...at(0.52 + shift, 0.5), ...at(0.63 + shift, 0.62));
    pen.stroke();
  }
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

async function useSample(sample) {
  const turn = (turns.other += 1);
  try {
    const blob = await fetchSample(sample);
    const other = await scratched(blob);
    if (turn !== turns.other) return;
    if (!$("statements").value.trim()) {
      $("statements").value = "the part has a scratch\nnothing has changed\na part is missing";
    }
    await usePicture("reference", blob, sample.title);
    await usePicture("other", other, "with a scratch");
    markSample($("compare-sample-list"), sample.url);
  } catch {
    if (turn === turns.other) say("compare-error", `The sample could not be loaded. ${UNREACHABLE}`);
  }
}

export function startCompare() {
  for (const which of ["reference", "other"]) {
    const input = $(`${which}-file`);
    input.addEventListener("change", () => {
      takePicture(input.files[0], input);
      input.value = "";
    });
    const picture = document.querySelector(`#${which}-pane .picture`);
    picture.addEventListener("error", () => pictures[which] && say(`${which}-error`, "The browser cannot show this format; the server may read it."));
    picture.addEventListener("load", () => say(`${which}-error`, ""));
  }
  $("statements").addEventListener("input", compareSoon);
  $("compare-form").addEventListener("submit", (event) => (event.preventDefault(), compareNow()));
  listSamples($("compare-sample-list"), $("compare-samples"), useSample);
  startViewer();
  setView("beside");
  wait();
}
