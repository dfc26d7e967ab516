// Why a part is in the queue, in sentences.

import { number, t } from "./strings.js";

const SENTENCES = {
  camera: () => t("whyCamera"),
  pose: () => t("whyPose"),
  drift: () => t("whyDrift"),
  "not calibrated": () => t("whyUncalibrated"),
  ambiguous: ambiguous,
  "unlike anything calibrated": ({ score }) => t("whyUnlike", number(score)),
};

// The thresholds are those that decided only if the line still has the same calibration.
function ambiguous(inspection, line) {
  const report = line && line.calibration;
  const isSame = report && report.id === inspection.calibration && report.thresholds;
  const { ok_below: low, ng_from: high } = isSame ? report.thresholds : {};
  const isBetween = typeof low === "number" && typeof high === "number" && low <= inspection.score && inspection.score < high;
  return isBetween ? t("whyAmbiguous", number(inspection.score), number(low), number(high)) : t("whyAmbiguous", number(inspection.score));
}

// Whether the part is here although the line decided it: for a random check, or because another model decides it differently.
// Then the line's decision stays hidden.
export const isBlind = (inspection) => (inspection.audit || inspection.disputed) && inspection.decision !== "review";

export function whyHere(inspection, line) {
  const disputed = inspection.disputed ? [t("whyDisputed")] : [];
  if (isBlind(inspection)) return disputed.length ? disputed : [t("whyAudit")];
  const reasons = inspection.reasons.map((reason) => (SENTENCES[reason] || (() => t("whyOther", reason)))(inspection, line));
  return [...disputed, ...reasons];
}
