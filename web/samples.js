// The sample scenes of the default model, as buttons.

import { element } from "./dom.js";

const loaded = fetch("/samples").then((response) => response.json()).then((body) => body.samples).catch(() => []);

// Fills a list with a button for each sample; the part around it is hidden without samples.
export async function listSamples(list, around, use) {
  const samples = await loaded;
  const items = samples.map((sample) => {
    const button = element("button");
    const picture = element("img");
    button.type = "button";
    button.title = sample.title;
    button.dataset.url = sample.url;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => use(sample));
    picture.src = sample.url;
    picture.alt = sample.title;
    picture.draggable = false;
    button.append(picture);
    const item = element("li");
    item.append(button);
    return item;
  });
  list.replaceChildren(...items);
  around.hidden = !samples.length;
}

export function markSample(list, url) {
  for (const button of list.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.url === url));
  }
}

export async function fetchSample(sample) {
  const response = await fetch(sample.url);
  if (!response.ok) throw new Error(String(response.status));
  return response.blob();
}
