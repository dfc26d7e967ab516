// What a reviewer says: OK with an optional reason, NG with a kind and a caption, unsure, or undo.

import { $, element } from "/dom.js";
import { isSeen } from "./item.js";
import { afterPaint } from "./pictures.js";
import { canUndo, current, decide, nameOf, undo } from "./queue.js";
import { notice, tell } from "./status.js";
import { en } from "./en.js";
import { onLanguage, t } from "./strings.js";

const MOST_KINDS = 9;

let kinds = [];
let isNg = false; // whether NG waits for its kind
let kind = null;
let okReason = null;
let isCaptionOwn = false; // whether the reviewer has written the caption
let pressed = 0; // when the key or the button of the decision was pressed

export const choosesKind = () => isNg;

// The kinds of a line's statements, each once.
export function setKinds(line) {
  const named = (line?.statements || []).map((statement) => statement.kind).filter(Boolean);
  kinds = [...new Set(named)];
  showKinds();
}

// A button that is chosen or not, with the key that chooses it.
function choice(label, digit, isChosen, choose) {
  const button = element("button", "choice");
  button.type = "button";
  button.setAttribute("aria-pressed", String(isChosen));
  if (digit) button.append(element("kbd", "", digit));
  button.append(element("span", "", label));
  button.addEventListener("click", choose);
  return button;
}

function showKinds() {
  const best = current()?.statements.find((statement) => statement.kind)?.kind;
  $("kinds").replaceChildren(...kinds.map((name, index) => {
    const label = name === best ? `${name} · ${t("proposed")}` : name;
    return choice(label, index < MOST_KINDS ? index + 1 : "", kind === name, () => chooseKind(name));
  }));
  $("kinds").hidden = !kinds.length;
}

function showOkReasons() {
  $("ok-reasons").replaceChildren(...t("okReason").map((label, index) =>
    choice(label, index + 1, okReason === index, () => chooseOkReason(index))));
}

function chooseOkReason(index) {
  okReason = okReason === index ? null : index;
  showOkReasons();
}

function chooseKind(name) {
  kind = kind === name ? null : name;
  $("other-kind").value = "";
  propose();
  showKinds();
}

// A digit: a kind while NG waits for one, else a reason for OK.
export function digit(number) {
  if (isNg && kinds[number - 1]) chooseKind(kinds[number - 1]);
  else if (!isNg && number <= t("okReason").length) chooseOkReason(number - 1);
}

// The caption that the best statement proposes: of the chosen kind, else of any. Where statements have kinds, one
// without a kind says that all is well.
function propose() {
  if (isCaptionOwn) return;
  const fits = (statement) => (kind ? statement.kind === kind : statement.kind || !kinds.length);
  const other = $("other-kind").value.trim();
  $("caption").value = (!other && current()?.statements.find(fits)?.text) || "";
}

// Clears what was chosen, for the next part.
export function resetDecision() {
  [isNg, kind, okReason, isCaptionOwn] = [false, null, null, false];
  $("other-kind").value = "";
  propose();
  showState();
}

function showState() {
  showKinds();
  showOkReasons();
  $("decision").dataset.state = isNg ? "ng" : "open";
  $("ng-form").hidden = !isNg;
  $("ok-choice").hidden = isNg;
  $("ng").setAttribute("aria-expanded", String(isNg));
  for (const id of ["ok", "ng", "unsure"]) $(id).disabled = !current();
  $("undo").disabled = !canUndo();
}

function send(body, said) {
  if (!current()) return;
  // A key that was pressed twice must not decide about a part that nobody has seen.
  if (!isSeen()) return tell(t("notSeen"));
  tell(said(nameOf(current())));
  measure();
  decide(body);
}

// How long it took from the key to the next part on the screen; tests and developers read it in the browser's tools.
function measure() {
  const start = pressed || performance.now();
  afterPaint(() => {
    if (performance.getEntriesByName("next-part").length > 1000) performance.clearMeasures("next-part");
    performance.measure("next-part", { start, end: performance.now() });
  });
}

export function sayOk(event) {
  if (isNg) cancelNg();
  if (event) pressed = event.timeStamp;
  const body = { verdict: "ok" };
  // The reason is stored in English, so that it is the same whoever reads the page.
  if (okReason !== null) body.reason = en.okReason[okReason];
  send(body, (name) => t("saidOk", name));
}

export function sayUnsure(event) {
  if (event) pressed = event.timeStamp;
  send({ verdict: "unsure" }, (name) => t("saidUnsure", name));
}

export function startNg() {
  if (!current()) return;
  isNg = true;
  showState();
  tell(t("ngHint"));
  // No kind has the focus, because it would look chosen: digits and Tab reach them.
  $("ng-form").focus({ preventScroll: true });
}

export function cancelNg() {
  isNg = false;
  kind = null;
  propose();
  showState();
  $("ng").focus({ preventScroll: true });
}

export function confirmNg(event) {
  if (!isNg || !current()) return;
  if (event) pressed = event.timeStamp;
  const body = { verdict: "ng" };
  const named = $("other-kind").value.trim() || kind;
  const caption = $("caption").value.trim();
  if (named) body.kind = named;
  if (caption) body.caption = caption;
  send(body, (name) => t("saidNg", name));
}

export function takeBack() {
  const last = undo();
  if (last) tell(t("undone", last.name));
  else notice(t("nothingToUndo"));
}

export function focusCaption() {
  if (!isNg) startNg();
  $("caption").focus();
  $("caption").select();
}

export function startDecide() {
  $("ok").addEventListener("click", sayOk);
  $("ng").addEventListener("click", () => (isNg ? cancelNg() : startNg()));
  $("unsure").addEventListener("click", sayUnsure);
  $("undo").addEventListener("click", takeBack);
  $("cancel-ng").addEventListener("click", cancelNg);
  $("ng-form").addEventListener("submit", (event) => (event.preventDefault(), confirmNg(event)));
  $("caption").addEventListener("input", () => (isCaptionOwn = true));
  $("other-kind").addEventListener("input", () => {
    kind = null;
    propose();
    showKinds();
  });
  onLanguage(showState);
}
