// The dashboard of a line: what was decided, what the promise says now, and how well people agree.

import { $, element, say } from "/dom.js";
import { get } from "./api.js";
import { assistant } from "./assistant.js";
import { bucketTable, decisionPlot, sharePlot, table } from "./plots.js";
import { onLanguage, share, t, time, whole } from "./strings.js";

const AGAIN_MS = 60_000;
const HOUR = 3_600_000;

let line = null;
let last = null;
let asked = 0;

function card(title, ...content) {
  const section = element("section");
  section.append(element("h2", "", title), ...content.filter(Boolean));
  return section;
}

const text = (words, kind = "") => element("p", kind, words);

function legend() {
  const row = element("p", "legend quiet");
  for (const [part, name] of [["ok", "ok"], ["ng", "ng"], ["review", "toReview"]]) {
    const entry = element("span", "key");
    const swatch = element("span", `swatch part-${part}`);
    swatch.setAttribute("aria-hidden", "true");
    entry.append(swatch, element("span", "", t(name)));
    row.append(entry);
  }
  return row;
}

function overTime({ buckets, share_to_review: toReview }) {
  const sum = (part) => buckets.reduce((total, bucket) => total + bucket[part], 0);
  const count = sum("inspections");
  if (!count) return [card(t("share"), text(t("noInspections"))), card(t("decisions"), text(t("noInspections")))];
  const shareNow = t("shareNow", share(toReview ?? sum("review") / count), whole(count));
  const decisions = t("decisionsSum", whole(sum("ok")), whole(sum("ng")), whole(sum("review")));
  return [
    card(t("share"), text(shareNow, "figure"), sharePlot(buckets, `${t("share")}. ${shareNow}`)),
    card(t("decisions"), text(decisions, "figure"), legend(), decisionPlot(buckets, `${t("decisions")}. ${decisions}`), bucketTable(buckets)),
  ];
}

function promise({ promise: asked_, calibration, drift }) {
  const state = (name) => {
    const found = calibration && calibration[name];
    if (!found) return text(t("notCalibrated"), "warn");
    if (found.state === "holds") return text(t("holds", share(found.bound)), drift ? "warn" : "good");
    return text(t("infeasible", whole(found.needs), whole(found.has)), "warn");
  };
  const row = (name) => {
    const entry = element("div", "promise");
    entry.append(text(`${t(name)}: ${t("atMost", share(asked_[name]))}`), state(name));
    return entry;
  };
  const seen = drift ? text(t("driftIs", drift), "warn") : text(t("driftNone"), "good");
  return card(t("promise"), row("escape"), row("overkill"), text(t("confidence", share(1 - asked_.delta)), "quiet"), element("h3", "", t("drift")), seen);
}

function audit({ audit: found }) {
  const lines = [text(found.audited ? t("auditSum", found.audited, found.ng) : t("auditNone"), "figure")];
  if (typeof found.bound === "number") lines.push(text(t("auditBound", share(found.bound))));
  if (found.unanswered) lines.push(text(t("auditOpen", found.unanswered), "warn"));
  return card(t("audit"), ...lines);
}

function people({ reviewers, agreement }) {
  const name = (who) => who || t("noOne");
  const who = reviewers.map((one) => [name(one.who), whole(one.verdicts), one.planted ? t("haveOf", one.right, one.planted) : "–"]);
  const both = agreement.map(({ who: [a, b], both: of, equal }) => [t("agreementOf", name(a), name(b)), `${t("equal", equal, of)} (${share(of ? equal / of : null)})`]);
  return card(
    t("reviewers"),
    who.length ? table([t("reviewer"), t("verdicts"), t("planted")], who, t("reviewers")) : text(t("noReviewers"), "quiet"),
    element("h3", "", t("agreement")),
    both.length ? table([t("reviewers"), t("agreement")], both, t("agreement")) : text(t("noAgreement"), "quiet"),
  );
}

function alarms({ alarms: found }) {
  if (!found.length) return card(t("alarms"), text(t("noAlarms"), "quiet"));
  const list = element("ul", "alarms");
  for (const { created, what, detail } of found) {
    const item = element("li");
    const sentence = t("alarmIs")[what];
    item.append(element("span", "quiet", `${time(created)} `), element("span", "", sentence ? sentence(detail) : what));
    list.append(item);
  }
  return card(t("alarms"), list);
}

function show() {
  if (!last) return;
  const openTable = Boolean($("cards").querySelector("details[open]"));
  $("as-of").textContent = `${t("asOf", time(last.at))} · ${t("waitingNow")}: ${whole(last.answer.waiting)}`;
  const help = card(t("assistant"), ...assistant(last.answer));
  $("cards").replaceChildren(...overTime(last.answer), promise(last.answer), help, audit(last.answer), people(last.answer), alarms(last.answer));
  if (openTable) $("cards").querySelector("details").open = true;
}

// The hours or days of the period, those without an inspection too, which the server leaves out.
function complete({ since, buckets }) {
  const step = Number($("days").value) > 2 ? 24 * HOUR : HOUR;
  const known = new Map(buckets.map((bucket) => [bucket.start, bucket]));
  const all = [];
  for (let start = Math.floor(since / step) * step; start <= Date.now(); start += step) {
    all.push(known.get(start) || { start, inspections: 0, ok: 0, ng: 0, review: 0, verdicts: 0 });
  }
  return all;
}

async function load() {
  const mine = (asked += 1);
  const result = await get(`/v1/lines/${encodeURIComponent(line)}/dashboard?days=${$("days").value}`);
  if (mine !== asked) return;
  if (!result.ok) return say("dashboard-error", t("dashboardFailed", result.error.message));
  say("dashboard-error", "");
  last = { answer: { ...result.answer, buckets: complete(result.answer) }, at: Date.now() };
  show();
}

export function openDashboard(name) {
  if (line !== name) {
    last = null;
    $("cards").replaceChildren();
    $("as-of").textContent = "";
  }
  line = name;
  load();
}

function fillDays() {
  for (const option of $("days").options) option.textContent = t("daysOf", Number(option.value));
}

export function startDashboard() {
  fillDays();
  onLanguage(() => {
    fillDays();
    show();
  });
  $("days").addEventListener("change", load);
  $("refresh").addEventListener("click", load);
  setInterval(() => line && !$("dashboard").hidden && !document.hidden && load(), AGAIN_MS);
}
