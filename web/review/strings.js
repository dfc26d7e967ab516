// The texts of the page, in the reader's language. The choice is kept in the browser.

import { en } from "./en.js";
import { ja } from "./ja.js";

const TEXTS = { en, ja };
const STORED = "clip-in-language";
// A browser may forbid pages to store anything.
const attempt = (action) => { try { return action(); } catch { return null; } };

export let language = chosen();
const listeners = [];

function chosen() {
  const kept = attempt(() => localStorage.getItem(STORED));
  if (TEXTS[kept]) return kept;
  const wanted = (navigator.languages || [navigator.language]).map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.find((tag) => TEXTS[tag]) || "en";
}

// A text by its name; some take values.
export function t(name, ...values) {
  const text = TEXTS[language][name];
  return typeof text === "function" ? text(...values) : text;
}

// Puts the texts into all elements below `root` that name one.
export function translate(root = document) {
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
  for (const node of root.querySelectorAll("[data-t-placeholder]")) node.placeholder = t(node.dataset.tPlaceholder);
}

export function setLanguage(name) {
  language = TEXTS[name] ? name : "en";
  attempt(() => localStorage.setItem(STORED, language));
  apply();
  for (const listener of listeners) listener();
}

// Calls `listener` when the reader has chosen another language.
export function onLanguage(listener) {
  listeners.push(listener);
}

function apply() {
  document.documentElement.lang = language;
  document.title = `CLIP-IN: ${t("title")}`;
  translate();
}

export function startLanguage(select) {
  select.value = language;
  select.addEventListener("change", () => setLanguage(select.value));
  apply();
}

// Numbers and times as the language writes them.

export const number = (value) => (typeof value === "number" ? String(Number(value.toPrecision(3))) : "–");
export const whole = (value) => Number(value || 0).toLocaleString(language);

export function share(value) {
  if (typeof value !== "number") return "–";
  const digits = value === 0 || value >= 0.1 ? 0 : value >= 0.01 ? 1 : 2;
  return `${(100 * value).toFixed(digits)} %`;
}

const TIME = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" };
export const time = (milliseconds) => new Date(milliseconds).toLocaleString(language === "ja" ? "ja-JP" : "en-GB", TIME);
