// The parts that this page has to itself: claims them, keeps them while they are looked at, and gives them back.

import { call, random } from "./api.js";

// The page in this tab. A new page has a new name: a duplicated tab would show the same parts otherwise, and a late
// release of a page that was left would take the parts of the next one.
let session = random();

const path = (line) => `/v1/lines/${encodeURIComponent(line)}/reviews`;

export const sessionNow = () => session;

// Claims up to `limit` parts, and renews the claims; `again` names one whose verdict was undone.
export function claim(line, { limit, audit, lot, again }) {
  const body = { session, limit };
  if (audit !== undefined) body.audit = audit;
  if (lot) body.lot = lot;
  if (again) body.again = again;
  return call("POST", path(line), { body });
}

// Gives all parts of a page back. The request outlives the page.
export function release(line, name = session) {
  if (name === session) session = random();
  return call("DELETE", `${path(line)}?session=${name}`, { keepalive: true });
}
