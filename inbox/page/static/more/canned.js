/** Texts that a team has prepared, by their shortcut. */

/** @typedef {{ id: string, shortcut: string, text: string }} Canned */

const SHOWN = 8;
const KEPT_MS = 60_000;

/** @type {Map<string, { at: number, rows: Promise<Canned[]> }>} */
const known = new Map();

/**
 * The prepared texts of a number; asked for again after a minute.
 * @param {import("../core/api.js").Api} api
 * @param {string} accountId
 */
export function cannedOf(api, accountId) {
  const had = known.get(accountId);
  if (had && performance.now() - had.at < KEPT_MS) return had.rows;
  const rows = api.get(`/accounts/${accountId}/canned-replies`).then(({ body }) => body);
  known.set(accountId, { at: performance.now(), rows });
  rows.catch(() => known.delete(accountId));
  return rows;
}

/**
 * Suggestions for a typed `/shortcut`: those that begin so, then those that have it in their text.
 * @param {import("../core/api.js").Api} api
 * @param {string} accountId
 * @param {string} word
 */
export async function suggestCanned(api, accountId, word) {
  const rows = await cannedOf(api, accountId);
  const wanted = word.toLowerCase();
  const begin = rows.filter((/** @type {any} */ row) => row.shortcut.toLowerCase().startsWith(wanted));
  const hold = rows.filter((/** @type {any} */ row) => !begin.includes(row) && row.text.toLowerCase().includes(wanted));
  const found = [...begin, ...hold].slice(0, SHOWN);
  return found.map(({ id, shortcut, text }) => ({ id, title: `/${shortcut}`, text }));
}
