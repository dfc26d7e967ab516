// The pictures of a part: loaded and decoded before they are shown, so that showing one takes no time.

import { call } from "./api.js";
import { t } from "./strings.js";

// Pictures of an inspection: {part: [promise of a picture for each view], reference: […], map: […]}.
// A picture is {image: an element that is decoded} or {note: why there is none}.
const loaded = new Map();

async function decoded(path, gone) {
  const result = await call("GET", path, { blob: true });
  if (!result.ok) return { note: [404, 409, 410].includes(result.status) ? gone() : null, error: result.error };
  const url = URL.createObjectURL(result.answer);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    URL.revokeObjectURL(url);
    return { note: t("imageFormat") };
  }
  image.draggable = false;
  return { image, url };
}

// Runs an action when what was put on the page has been painted; on a page that nobody sees, soon.
export function afterPaint(action) {
  let isDone = false;
  const once = () => {
    if (!isDone) action();
    isDone = true;
  };
  requestAnimationFrame(() => setTimeout(once));
  setTimeout(once, 200);
}

const paths = {
  part: (id, view) => `/v1/inspections/${id}/image?view=${view}`,
  reference: (id, view) => `/v1/inspections/${id}/reference?view=${view}`,
  map: (id, view) => `/v1/inspections/${id}/map?view=${view}&map=colours`,
};
const gone = { part: () => t("imageGone"), reference: () => t("referenceGone"), map: () => t("mapGone") };
const failed = { part: "imageFailed", reference: "imageFailed", map: "mapFailed" };

// The picture of a view; asked for once, and again after a failure.
export function picture(kind, id, view) {
  if (!loaded.has(id)) loaded.set(id, { part: [], reference: [], map: [], ready: {} });
  const of = loaded.get(id);
  if (!of[kind][view]) {
    const asked = decoded(paths[kind](id, view), gone[kind]).then((found) => {
      // What was forgotten meanwhile must not stay in memory.
      if (loaded.get(id) !== of && found.url) URL.revokeObjectURL(found.url);
      if (found.image || found.note) of.ready[`${kind}${view}`] = found;
      else if (of[kind][view] === asked) delete of[kind][view];
      return found.image || found.note ? found : { note: t(failed[kind], found.error.message), again: true };
    });
    of[kind][view] = asked;
  }
  return of[kind][view];
}

// The picture if it is there already.
export function pictureNow(kind, id, view) {
  const of = loaded.get(id);
  return (of && of.ready[`${kind}${view}`]) || null;
}

// Loads what is seen first, then the other views.
export async function preload(inspection, withMap) {
  const views = Math.max(1, inspection.images || 1);
  for (let view = 0; view < views; view += 1) {
    const wanted = [picture("part", inspection.id, view), picture("reference", inspection.id, view)];
    if (withMap && inspection.map_url) wanted.push(picture("map", inspection.id, view));
    await Promise.all(wanted);
  }
}

// Forgets the pictures of all other inspections.
export function keepOnly(ids) {
  const kept = new Set(ids);
  for (const [id, of] of loaded) {
    if (kept.has(id)) continue;
    loaded.delete(id);
    for (const found of Object.values(of.ready)) if (found.url) URL.revokeObjectURL(found.url);
  }
}
