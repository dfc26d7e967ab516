// Where each description holds: a map over the picture in each row of the ranking.

import { $, element, say } from "./dom.js";
import { UNREACHABLE, post } from "./server.js";

export const mapsWanted = () => $("maps").checked;

let shown = null; // the picture's object URL

export function clearMaps() {
  if (shown) URL.revokeObjectURL(shown);
  shown = null;
  say("maps-note", "");
  $("maps-legend").hidden = true;
}

// Asks for the maps of all descriptions, and puts each into its row.
export async function showMaps(image, texts, ranking, signal) {
  const form = new FormData();
  form.append("image", image.bytes, image.name);
  for (const text of texts) form.append("text", text);
  form.append("map", "true");
  say("maps-note", "Looking where each one holds …");
  let outcome;
  try {
    outcome = await post("/v1/explain", form, signal);
  } catch {
    outcome = { error: { message: UNREACHABLE } };
  }
  if (signal.aborted) return;
  if (!outcome.answer) return say("maps-note", outcome.error ? `No maps: ${outcome.error.message}` : "");
  const result = outcome.answer.results[0];
  shown = URL.createObjectURL(image.bytes);
  for (const row of ranking.children) {
    const explanation = result.explanations[row.dataset.index];
    if (explanation) row.append(figure(result, explanation));
  }
  say("maps-note", "");
  $("maps-legend").hidden = false;
}

function figure(result, explanation) {
  const layers = element("div", "layers");
  layers.style.aspectRatio = `${result.width} / ${result.height}`;
  layers.style.setProperty("--ratio", result.width / result.height);
  layers.append(picture(result), map(explanation), ...boxes(result, explanation.regions));
  const found = element("figure");
  found.append(layers, element("figcaption", "quiet", caption(explanation.regions)));
  return found;
}

function picture(result) {
  const img = element("img", "picture");
  img.alt = "";
  // A browser turns photographs by their EXIF data; the server does so only if it is set to.
  img.addEventListener("load", () => {
    const turned = img.naturalWidth !== result.width && img.naturalWidth === result.height;
    if (turned) img.style.imageOrientation = "none";
  });
  // A format that the browser cannot show, such as TIFF: the map stands alone.
  img.addEventListener("error", () => img.remove());
  img.src = shown;
  return img;
}

function map(explanation) {
  const img = element("img", "map");
  img.src = `data:image/png;base64,${explanation.map}`;
  img.alt = `where “${explanation.text}” holds`;
  return img;
}

// Boxes of regions, over a picture of this size.
export function boxes({ width, height }, regions) {
  return regions.map((region) => {
    const box = element("span", "box");
    box.setAttribute("aria-hidden", "true");
    box.style.left = `${(100 * region.x) / width}%`;
    box.style.top = `${(100 * region.y) / height}%`;
    box.style.width = `${(100 * region.width) / width}%`;
    box.style.height = `${(100 * region.height) / height}%`;
    return box;
  });
}

function caption(regions) {
  if (!regions.length) return "No place stands out.";
  const places = regions.length === 1 ? "One place stands out" : `${regions.length} places stand out`;
  return `${places}; strength ${regions[0].strength.toFixed(1)}.`;
}
