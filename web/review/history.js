// Earlier inspections: of the current part, or of any part or lot of the line.

import { $, element, say } from "/dom.js";
import { call, get } from "./api.js";
import { addReference } from "./references.js";
import { onLanguage, t, time } from "./strings.js";
import { isBlind } from "./why.js";

const MOST = 20;

// A small picture, loaded when it comes into sight; pictures are as large as the camera took them.
const sight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    sight.unobserve(target);
    load(target);
  }
});

async function load(image) {
  const result = await call("GET", `/v1/inspections/${image.dataset.id}/image`, { blob: true });
  if (!result.ok) return image.replaceWith(element("span", "thumb quiet", t("imageGone")));
  const url = URL.createObjectURL(result.answer);
  const free = () => URL.revokeObjectURL(url);
  image.addEventListener("load", free, { once: true });
  image.addEventListener("error", free, { once: true });
  image.src = url;
}

function thumb(inspection) {
  const image = element("img", "thumb");
  image.alt = t("partAlt", inspection.part || inspection.id.slice(-8));
  image.dataset.id = inspection.id;
  sight.observe(image);
  return image;
}

// What people said, the last one at the end; each inspection is asked for by itself.
async function verdictsOf(place, { id, verdict }) {
  place.textContent = verdict ? t("verdictWas")[verdict] || verdict : t("noVerdict");
  if (!verdict) return;
  const result = await get(`/v1/inspections/${id}`);
  if (!result.ok) return;
  place.replaceChildren(...result.answer.verdicts.map((one) => {
    const line = element("span", `said ${one.verdict}`);
    const more = [one.kind, one.caption, one.reason].filter(Boolean).join(" · ");
    line.append(element("strong", "", t("verdictWas")[one.verdict] || one.verdict));
    line.append(element("span", "", ` ${[more, t("by", one.who, time(one.created))].filter(Boolean).join(" · ")}`));
    return line;
  }));
}

// Shows a row; `withName` if the list is not about one part.
function row(inspection, withName) {
  const item = element("li", "inspection");
  const facts = element("div");
  const title = [withName && (inspection.part || t("unnamed")), time(inspection.created)];
  facts.append(element("p", "when", title.filter(Boolean).join(" · ")));
  // A random check without a verdict may be in the queue of someone who looks at this list.
  const isHidden = isBlind(inspection) && !inspection.verdict;
  const decided = element("span", `decision ${isHidden ? "" : inspection.decision}`, isHidden ? t("filterAudit") : t("decisionWas", inspection.decision));
  const more = [inspection.lot && `${t("lotIs")} ${inspection.lot}`, ...inspection.reasons.map((reason) => t("reason")[reason] || reason)].filter(Boolean).join(" · ");
  const summary = element("p", "");
  summary.append(decided, element("span", "quiet", ` ${more}`));
  const verdicts = element("p", "verdicts");
  facts.append(summary, verdicts);
  if (inspection.verdict === "ok") facts.append(addReference(inspection));
  item.append(thumb(inspection), facts);
  verdictsOf(verdicts, inspection);
  return item;
}

const query = (fields) => new URLSearchParams(Object.entries(fields).filter(([, value]) => value !== "" && value !== undefined));
const list = (line, fields) =>
  get(`/v1/lines/${encodeURIComponent(line)}/inspections?${query({ newest: "true", limit: MOST, ...fields })}`);

// The current part.

let shownPart = null;

async function showPartHistory() {
  const of = shownPart;
  if (!of || !$("part-history").open) return;
  $("part-inspections").replaceChildren();
  if (!of.item.part) return say("part-history-note", t("noPartName"));
  const result = await list(of.line, { part: of.item.part });
  if (shownPart !== of) return;
  if (!result.ok) return say("part-history-note", t("historyFailed", result.error.message));
  const others = result.answer.data.filter((one) => one.id !== of.item.id);
  say("part-history-note", others.length ? "" : t("noEarlier"));
  $("part-inspections").replaceChildren(...others.map((one) => row(one, false)));
}

// Of this part; it is loaded if the list is open.
export function setPart(item, line) {
  shownPart = item && { item, line };
  $("part-inspections").replaceChildren();
  say("part-history-note", "");
  showPartHistory();
}

// Any part.

let line = null;
let next = null;
let search = 0;

async function find(after) {
  const mine = (search += 1);
  const fields = { part: $("find-part").value.trim(), lot: $("find-lot").value.trim(), after };
  const result = await list(line, fields);
  if (mine !== search) return;
  if (!after) $("inspections").replaceChildren();
  if (!result.ok) return say("history-note", t("historyFailed", result.error.message));
  $("inspections").append(...result.answer.data.map((one) => row(one, true)));
  say("history-note", $("inspections").children.length ? "" : t("nothingFound"));
  next = result.answer.next;
  $("older").hidden = !next;
}

export function openHistory(name) {
  if (line !== name) $("inspections").replaceChildren();
  line = name;
  find();
}

export function startHistory() {
  $("part-history").addEventListener("toggle", showPartHistory);
  $("find").addEventListener("submit", (event) => (event.preventDefault(), find()));
  $("older").addEventListener("click", () => find(next));
  onLanguage(() => {
    showPartHistory();
    if (line && !$("history").hidden) find();
  });
}
