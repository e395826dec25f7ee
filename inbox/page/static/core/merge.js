/**
 * How rows come together. The same row comes from a page, a poll, an own send and a catch-up, in any order and more than
 * once; whatever the order, the same stays. All functions are pure, and give back what they were given when nothing
 * changed.
 */

/** @typedef {import("./types.js").Conversation} Conversation */
/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Thread} Thread */
/** @typedef {import("./types.js").Note} Note */
/** @typedef {import("./types.js").Filter} Filter */

export const MOST_MESSAGES = 300; // of a thread are kept; the far end is dropped

/** How far a message is, for two versions of the same moment. */
const RANK = ["received", "queued", "sending", "unconfirmed", "sent", "failed", "delivered", "read"];

/** @type {Thread} */
export const EMPTY_THREAD = Object.freeze({
  messages: [],
  early: [],
  notes: [],
  older: null,
  newer: null,
  atEnd: true,
  loaded: false,
  trouble: null,
});
const MOST_EARLY = 200;

/**
 * Compare two strings as the database does its times and ids: by their characters.
 * @param {string} a @param {string} b
 */
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** A time as a string that sorts: fractions have 0, 3 or 6 digits. @param {string} time */
function sortable(time) {
  const [whole, fraction = ""] = time.replace(/Z|\+00:00$/, "").split(".");
  return `${whole}.${fraction.padEnd(6, "0")}`;
}

/** Below 0 when `a` is older. @param {string} a @param {string} b */
export const byTime = (a, b) => (a.length === b.length ? compare(a, b) : compare(sortable(a), sortable(b)));

/**
 * The newer of two versions of a row; of two of the same moment the second.
 * @template {{changed_at: string}} T
 * @param {T|undefined} had @param {T} came @returns {T}
 */
function newer(had, came) {
  return had && byTime(had.changed_at, came.changed_at) > 0 ? had : came;
}

/** @param {Message|undefined} had @param {Message} came @returns {Message} */
export function mergeMessage(had, came) {
  if (had && had.changed_at === came.changed_at && RANK.indexOf(had.status) > RANK.indexOf(came.status)) return had;
  return newer(had, came);
}

/**
 * Conversations with those that came, by id.
 * @param {Map<string, Conversation>} had @param {Conversation[]} came @param {string[]} [gone]
 * @returns {Map<string, Conversation>}
 */
export function mergeConversations(had, came, gone = []) {
  const changed = came.filter((row) => newer(had.get(row.id), row) === row && had.get(row.id) !== row);
  const lost = gone.filter((id) => had.has(id));
  if (changed.length === 0 && lost.length === 0) return had;
  const all = new Map(had);
  for (const row of changed) all.set(row.id, newer(all.get(row.id), row));
  for (const id of lost) all.delete(id);
  return all;
}

// --- lists -----------------------------------------------------------------------------------------------------------

/**
 * Below 0 when `a` stands above `b`.
 * @param {Filter["order"]} order @returns {(a: Conversation, b: Conversation) => number}
 */
export function listOrder(order) {
  if (order === "waiting")
    return (a, b) => byTime(a.waiting_since ?? "9", b.waiting_since ?? "9") || compare(a.id, b.id);
  return (a, b) => byTime(b.updated_at, a.updated_at) || compare(b.id, a.id);
}

/**
 * Whether a conversation belongs into a list, by the rules of GET /conversations.
 * @param {Conversation} row @param {Filter} filter
 */
export function matches(row, filter) {
  if ((filter.order === "waiting" || filter.waiting) && !row.waiting_since) return false;
  if (filter.status && (filter.status === "closed" ? "done" : filter.status) !== row.status) return false;
  if (filter.my_unread && !(row.my_unread > 0)) return false;
  if (filter.needs_human && !row.needs_human) return false;
  if (filter.favorite && !row.is_favorite) return false;
  if (filter.assigned_to && row.assigned_to !== filter.assigned_to) return false;
  return !filter.label_id || row.label_ids.includes(filter.label_id);
}

// --- threads ---------------------------------------------------------------------------------------------------------

/** Below 0 when `a` is shown first: WhatsApp's time, then the id. @param {Message} a @param {Message} b */
export const threadOrder = (a, b) => byTime(a.timestamp, b.timestamp) || compare(a.id, b.id);

/** @param {Message[]} had @param {Message[]} came @returns {Message[]} */
function mergeMessages(had, came) {
  const all = new Map(had.map((row) => [row.id, row]));
  let changed = false;
  for (const row of came) {
    const before = all.get(row.id);
    const after = mergeMessage(before, row);
    changed ||= after !== before;
    all.set(row.id, after);
  }
  return changed ? [...all.values()].sort(threadOrder) : had;
}

/**
 * A thread with messages that changed. Those beyond its ends wait for the page that closes the gap: it may have been read
 * before they came.
 * @param {Thread} thread @param {Message[]} came @returns {Thread}
 */
export function mergeChanges(thread, came) {
  const [first, last] = [thread.messages[0], thread.messages.at(-1)];
  const have = new Set(thread.messages.map((row) => row.id));
  /** @param {Message} row */
  const fits = (row) =>
    have.has(row.id) ||
    (thread.loaded &&
      (thread.older === null || !first || threadOrder(row, first) > 0) &&
      (thread.newer === null || !last || threadOrder(row, last) < 0));
  const messages = mergeMessages(thread.messages, came.filter(fits));
  const early = mergeMessages(
    thread.early,
    came.filter((row) => !fits(row)),
  ).slice(-MOST_EARLY);
  if (messages === thread.messages && came.every(fits)) return thread;
  return { ...thread, messages, early };
}

/** @typedef {{older: string, newer: string}} Pages addresses of the pages beyond a message */

/**
 * A thread with a page of it. `open`: the page alone, where it was jumped to. `fresh`: the newest page again, after a
 * time without news. `older`, `newer`: the page beyond that end.
 * @param {Thread} thread @param {Message[]} rows oldest first
 * @param {"open"|"fresh"|"older"|"newer"} where
 * @param {{older: string|null, newer: string|null}} beyond
 * @param {(message: Message) => Pages} pagesFrom where to go on from a message
 * @returns {Thread}
 */
export function mergePage(thread, rows, where, beyond, pagesFrom) {
  const { early } = thread;
  return mergeChanges(withPage({ ...thread, early: [] }, rows, where, beyond, pagesFrom), early);
}

/** @type {typeof mergePage} */
function withPage(thread, rows, where, beyond, pagesFrom) {
  const read = { loaded: true, trouble: null };
  const known = new Map(thread.messages.map((row) => [row.id, row]));
  const last = thread.messages.at(-1);
  if (where === "open" || !last) {
    const messages = rows.map((row) => mergeMessage(known.get(row.id), row)).sort(threadOrder);
    return { ...thread, ...read, messages, ...beyond, atEnd: beyond.newer === null };
  }
  if (where === "older")
    return { ...thread, ...read, messages: mergeMessages(thread.messages, rows), older: beyond.older };
  if (where === "newer") {
    const messages = mergeMessages(thread.messages, rows);
    return { ...thread, ...read, messages, newer: beyond.newer, atEnd: beyond.newer === null };
  }
  if (!rows.some((row) => known.has(row.id))) {
    // A page or more is missing between: what is shown stays, and goes on from its own end.
    return rows.length === 0 ? thread : { ...thread, ...read, newer: pagesFrom(last).newer, atEnd: false };
  }
  const reachesBack = threadOrder(rows[0], thread.messages[0]) <= 0;
  const messages = mergeMessages(thread.messages, rows);
  return { ...thread, ...read, messages, older: reachesBack ? beyond.older : thread.older, newer: null, atEnd: true };
}

/**
 * A thread of at most MOST_MESSAGES, without what is farthest from the end that somebody reads.
 * @param {Thread} thread @param {"older"|"newer"} reading
 * @param {(message: Message) => Pages} pagesFrom
 * @returns {Thread}
 */
export function trimThread(thread, reading, pagesFrom, most = MOST_MESSAGES) {
  if (thread.messages.length <= most) return thread;
  if (reading === "newer") {
    const messages = thread.messages.slice(-most);
    return { ...thread, messages, older: pagesFrom(messages[0]).older };
  }
  const messages = thread.messages.slice(0, most);
  return { ...thread, messages, newer: pagesFrom(messages[most - 1]).newer, atEnd: false };
}

/** Notes with those that came, oldest first. @param {Note[]} had @param {Note[]} came @returns {Note[]} */
export function mergeNotes(had, came) {
  const all = new Map(had.map((row) => [row.id, row]));
  const changed = came.filter(
    (row) => newer(all.get(row.id), row) === row && all.get(row.id)?.changed_at !== row.changed_at,
  );
  if (changed.length === 0) return had;
  for (const row of changed) all.set(row.id, newer(all.get(row.id), row));
  return [...all.values()].sort((a, b) => byTime(a.created_at, b.created_at) || compare(a.id, b.id));
}
