// The calibration assistant: what a line still needs before it may decide by itself.

import { bar, element } from "/dom.js";
import { t, whole } from "./strings.js";

const rest = (needed, have) => Math.max(0, (needed || 0) - (have || 0));

function need(name, have, needed) {
  const row = element("div", "headline");
  row.append(
    element("span", "", t(name)),
    element("span", "percent", t("haveNeeded", whole(have), whole(needed))),
    bar(needed ? have / needed : 1),
  );
  return row;
}

function command(line) {
  const shown = element("pre", "", `clip-in line calibrate ${line} --ok parts/ok --ng parts/ng --declared '…'`);
  shown.tabIndex = 0;
  shown.setAttribute("aria-label", "command");
  return shown;
}

const holds = (report) => report && report.escape?.state === "holds" && report.overkill?.state === "holds";

// What is to be done next, as elements.
export function assistant({ line, parts, calibration, drift }) {
  const [ok, ng] = [rest(parts.ok_needed, parts.ok), rest(parts.ng_needed, parts.ng)];
  const bars = [need("needOk", parts.ok, parts.ok_needed), need("needNg", parts.ng, parts.ng_needed)];
  if (holds(calibration)) {
    const said = element("p", drift ? "warn" : "good", t(drift ? "calibratedDrift" : "calibrated"));
    return drift ? [said, command(line), ...bars] : [said, ...bars];
  }
  if (ok || ng) {
    return [element("p", "warn", t("missing", ok, ng)), ...bars, element("p", "quiet", t("missingWhy"))];
  }
  return [element("p", "warn", t(calibration ? "tooFew" : "enough")), command(line), ...bars];
}
