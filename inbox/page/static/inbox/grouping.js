/** How a thread is divided: days, groups of one voice, and what is new. Pure functions. */

/** @typedef {import("../core/types.js").Message} Message */
/** @typedef {import("../core/types.js").Note} Note */

const GROUP_MS = 5 * 60 * 1000;

/**
 * @typedef {object} Entry what a thread shows at one place
 * @property {string} key
 * @property {"message" | "note" | "day" | "divider"} kind
 * @property {Message} [message]
 * @property {Note} [note]
 * @property {string} [at] the time that places it
 * @property {boolean} [first] of its group
 * @property {boolean} [last] of its group
 * @property {number} [count] of what is new, for the divider
 */

/**
 * Whose words these are: entries of one voice stand together.
 * @param {Message} message
 */
export function voiceOf(message) {
  if (message.message_type === "system") return "system";
  if (message.direction === "inbound") return "customer";
  return message.author.kind === "bot" ? "bot" : message.author.kind === "system" ? "automatic" : "us";
}

/**
 * The entries of a thread in order: its messages and notes, a day before the first of each, the divider before what
 * is new.
 * @param {readonly Message[]} messages oldest first
 * @param {readonly Note[]} notes oldest first
 * @param {{ dayOf: (time: string) => string, divider?: { before: string, count: number } | null, atStart?: boolean }}
 *   about `dayOf` names the day of a time in the reader's zone
 * @returns {Entry[]}
 */
export function entriesOf(messages, notes, { dayOf, divider = null, atStart = false }) {
  /** @type {Entry[]} */
  const entries = [];
  let day = "";
  for (const entry of inOrder(messages, notes, atStart)) {
    const today = dayOf(/** @type {string} */ (entry.at));
    if (today !== day) entries.push({ key: `day ${today}`, kind: "day", at: entry.at });
    day = today;
    if (divider && entry.key === divider.before) {
      entries.push({ key: "divider", kind: "divider", count: divider.count });
    }
    entries.push(entry);
  }
  return grouped(entries);
}

/**
 * Notes stand among the messages by their time. Above the oldest loaded message they wait for their neighbours.
 * @param {readonly Message[]} messages
 * @param {readonly Note[]} notes
 * @param {boolean} atStart
 * @returns {Entry[]}
 */
function inOrder(messages, notes, atStart) {
  const oldest = messages[0]?.timestamp;
  const belongs = (/** @type {Note} */ note) => atStart || (oldest !== undefined && note.created_at >= oldest);
  const shown = notes.filter((note) => !note.deleted && belongs(note));
  /** @type {Entry[]} */
  const merged = [];
  let next = 0;
  for (const message of messages) {
    for (; next < shown.length && shown[next].created_at < message.timestamp; next += 1) {
      merged.push(noted(shown[next]));
    }
    merged.push({ key: message.id, kind: "message", message, at: message.timestamp });
  }
  return merged.concat(shown.slice(next).map(noted));
}

/**
 * @param {Note} note
 * @returns {Entry}
 */
function noted(note) {
  return { key: note.id, kind: "note", note, at: note.created_at };
}

/**
 * @param {Entry[]} entries
 * @returns {Entry[]}
 */
function grouped(entries) {
  return entries.map((entry, place) => {
    const before = entries[place - 1];
    const after = entries[place + 1];
    return { ...entry, first: !together(before, entry), last: !together(entry, after) };
  });
}

/**
 * @param {Entry | undefined} one
 * @param {Entry | undefined} other
 */
function together(one, other) {
  if (!one || !other || speaker(one) === null || speaker(one) !== speaker(other)) return false;
  return Date.parse(/** @type {string} */ (other.at)) - Date.parse(/** @type {string} */ (one.at)) <= GROUP_MS;
}

/** @param {Entry} entry */
function speaker(entry) {
  if (entry.note) return `note ${entry.note.author.id}`;
  if (!entry.message) return null;
  const voice = voiceOf(entry.message);
  return voice === "system" ? null : `${voice} ${entry.message.author.id ?? entry.message.author.name ?? ""}`;
}

/**
 * The id of the first of the newest `unread` customer's messages, for the divider; null when it is not among these.
 * @param {readonly Message[]} messages oldest first
 * @param {number} unread
 * @param {boolean} atStart there are no older ones
 */
export function firstNew(messages, unread, atStart) {
  let left = unread;
  for (let place = messages.length - 1; place >= 0 && left > 0; place -= 1) {
    if (messages[place].direction !== "inbound") continue;
    left -= 1;
    if (left === 0 || (place === 0 && atStart)) return messages[place].id;
  }
  return null;
}
