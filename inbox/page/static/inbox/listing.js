/**
 * Which conversations a list shows, in which order, and what moves while somebody looks. Pure functions.
 *
 * The address of the page holds the filter in the API's own words (`?waiting=true`), so a link shows the same list.
 */

/** @typedef {import("../core/types.js").Filter} Filter */

/**
 * @typedef {object} View
 * @property {"all" | "waiting" | "person" | "mine" | "unread" | "favorite" | "pending" | "done"} name
 * @property {string | null} label the id of a label that rows must have
 * @property {"newest" | "waiting"} order
 */

/** @type {Record<string, Filter>} */
const FILTERS = {
  all: { status: "open" },
  waiting: { waiting: true },
  person: { needs_human: true },
  mine: {},
  unread: { my_unread: true },
  favorite: { favorite: true },
  pending: { status: "pending" },
  done: { status: "done" },
};

/**
 * The view that an address asks for; what it does not know is left out.
 * @param {URLSearchParams} query
 * @returns {View}
 */
export function viewOf(query) {
  const status = query.get("status");
  /** @type {View["name"]} */
  let name = "all";
  if (query.get("waiting") === "true") name = "waiting";
  else if (query.get("needs_human") === "true") name = "person";
  else if (query.has("assigned_to")) name = "mine";
  else if (query.get("my_unread") === "true") name = "unread";
  else if (query.get("favorite") === "true") name = "favorite";
  else if (status === "pending" || status === "done") name = status;
  return { name, label: query.get("label_id"), order: query.get("order") === "waiting" ? "waiting" : "newest" };
}

/**
 * What GET /conversations is asked for a view.
 * @param {View} view
 * @param {string | null} userId
 * @returns {Filter}
 */
export function filterOf(view, userId) {
  const filter = { ...FILTERS[view.name] };
  if (view.name === "mine" && userId) filter.assigned_to = userId;
  if (view.label) filter.label_id = view.label;
  if (view.order === "waiting") filter.order = "waiting";
  return filter;
}

/**
 * The address of a view: what is usual is left out.
 * @param {View} view
 * @param {string | null} userId
 * @returns {string} "" or "?…"
 */
export function searchOf(view, userId) {
  const query = Object.entries(filterOf(view, userId)).filter(([name, value]) => name !== "status" || value !== "open");
  const text = new URLSearchParams(query.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

/**
 * How many rows stand higher in `fresh` than they do in `shown`, or are new above its end.
 * @param {readonly string[]} shown
 * @param {readonly string[]} fresh
 */
export function moved(shown, fresh) {
  const before = new Map(shown.map((id, place) => [id, place]));
  let count = 0;
  for (let place = fresh.length - 1, limit = Infinity; place >= 0; place -= 1) {
    const old = before.get(fresh[place]) ?? (place < shown.length ? Infinity : -1);
    if (old > limit || old === Infinity) count += 1;
    else if (old >= 0) limit = old;
  }
  return count;
}

/**
 * What stays on screen while the order is frozen: the shown rows that still exist, and pages that were loaded since.
 * @param {readonly string[]} shown
 * @param {readonly string[]} fresh
 * @param {(id: string) => boolean} exists
 */
export function frozen(shown, fresh, exists) {
  const known = new Set(shown);
  const last = shown[shown.length - 1];
  const end = last === undefined ? -1 : fresh.lastIndexOf(last);
  const below = fresh.slice(end + 1).filter((id) => !known.has(id));
  return [...shown.filter(exists), ...below];
}

/**
 * The part of a list to draw: `count` rows from `from` on.
 * @param {number} scrolled pixels
 * @param {number} rowHeight
 * @param {number} total
 * @param {number} most rows in the document
 */
export function drawn(scrolled, rowHeight, total, most) {
  const first = Math.max(0, Math.floor(scrolled / rowHeight) - Math.floor(most / 3));
  const from = Math.min(first, Math.max(0, total - most));
  // In steps, so that scrolling by one row does not draw all of them anew.
  const stepped = Math.floor(from / 10) * 10;
  return { from: stepped, count: Math.min(most, total - stepped) };
}
