// Which of these texts fits an image best? JavaScript with `fetch`: Node.js 20 or later, nothing to install.
//
//   node examples/javascript/client.mjs part.jpg "a red bolt" "a blue mug"
//
// The address is CLIP_IN_URL (http://127.0.0.1:8080), the key CLIP_IN_API_KEY (none). `similarity` runs in a browser too; the
// server then has to name the page's origin in --cors-origins.

import { readFile } from "node:fs/promises";

/** Cosines of an encoded image (a Blob) and each text, in the order of the texts. Throws an Error with the server's reason. */
async function similarity(image, texts, { url, key }) {
  const form = new FormData();
  form.append("image", image);
  for (const text of texts) form.append("text", text);
  const answer = await fetch(`${url}/v1/similarity`, {
    method: "POST",
    body: form,
    headers: key ? { authorization: `Bearer ${key}` } : {},
    signal: AbortSignal.timeout(30_000),
  });
  const body = await answer.json();
  if (!answer.ok) {
    // `code` is stable; `param` names the item at fault, such as images[0].
    throw new Error(`${answer.status} ${body.error.code}: ${body.error.message}`);
  }
  return body.scores[0];
}

const [path, ...texts] = process.argv.slice(2);
try {
  const scores = await similarity(new Blob([await readFile(path)]), texts, {
    url: process.env.CLIP_IN_URL ?? "http://127.0.0.1:8080",
    key: process.env.CLIP_IN_API_KEY,
  });
  const ranked = texts.map((text, index) => [scores[index], text]).sort((a, b) => b[0] - a[0]);
  for (const [score, text] of ranked) console.log(`${score.toFixed(4)}\t${text}`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
