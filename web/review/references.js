// Makes a part that a person found OK a reference of its line. The server scores the labelled parts with it, some in each
// request, and calibrates the line again; until then the line decides as before.

import { element } from "/dom.js";
import { call } from "./api.js";
import { t } from "./strings.js";

const AT_A_TIME = 8;

// Asks until no labelled part is left; `progress` hears how many are.
async function add({ line, id }, acceptWeaker, progress) {
  const body = { inspections: [id], limit: AT_A_TIME, accept_weaker: acceptWeaker };
  for (;;) {
    const path = `/v1/lines/${encodeURIComponent(line)}/references`;
    const result = await call("POST", path, { body, role: "calibrate" });
    if (!result.ok || !result.answer.left) return result;
    progress(result.answer.left);
  }
}

// A button for an inspection, with what came of it.
export function addReference(inspection) {
  const place = element("p", "add-reference");
  const button = element("button", "small-button", t("addReference"));
  button.type = "button";
  const said = element("span", "quiet");
  said.setAttribute("role", "status");
  place.append(button, said);
  let acceptWeaker = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = t("addingReference");
    const result = await add(inspection, acceptWeaker, (left) => (said.textContent = t("scoringParts", left)));
    button.disabled = false;
    if (result.ok) {
      const { version, calibration } = result.answer;
      button.remove();
      said.textContent = t("addedReference", version, calibration.escape.text, calibration.overkill.text);
      return;
    }
    said.textContent = t("referenceFailed", result.error.message);
    acceptWeaker = result.error.code === "promise_lost";
    button.textContent = t(acceptWeaker ? "addAllTheSame" : "addReference");
  });
  return place;
}
