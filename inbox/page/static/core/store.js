import { batch, computed, signal } from "../vendor/signals-core.js";
import {
  EMPTY_THREAD,
  listOrder,
  matches,
  mergeChanges,
  mergeConversations,
  mergeMessage,
  mergeNotes,
  mergePage,
  trimThread,
} from "./merge.js";

/** @typedef {import("./types.js").Conversation} Conversation */
/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Thread} Thread */
/** @typedef {import("./types.js").Note} Note */
/** @typedef {import("./types.js").Filter} Filter */
/** @typedef {import("./types.js").Connection} Connection */
/** @typedef {import("./types.js").Present} Present */
/** @typedef {import("./types.js").Notice} Notice */
/** @template T @typedef {import("./types.js").Signal<T>} Signal */

const PAGE = 100; // messages
const LIVE = /** @type {Connection} */ ({ state: "live", since: 0, retryAt: null });

/**
 * The rows of one page, and what is shown of them. Only the functions here write; views read.
 * @param {any} boot the page's data block
 */
export function createStore(boot) {
  const me = signal(boot.me);
  const accounts = signal(/** @type {any[]} */ (boot.accounts ?? []));
  const accountId = signal(/** @type {string|null} */ (boot.account_id ?? null));
  const conversations = signal(mergeConversations(new Map(), boot.conversations?.rows ?? []));
  const openId = signal(/** @type {string|null} */ (boot.thread?.conversation_id ?? null));
  const filter = signal(/** @type {Filter} */ (boot.filter ?? filterOf(boot.conversations?.query)));
  const list = signal({
    next: /** @type {string|null} */ (boot.conversations?.next ?? null),
    edge: lastOf(boot.conversations?.rows),
    loading: false,
    trouble: false,
  });
  const counts = signal(boot.counts ?? {});
  const present = signal(/** @type {Present[]} */ (boot.present ?? []));
  const notices = signal(/** @type {Notice[]} */ (boot.notices ?? []));
  const connection = signal(LIVE);
  const signedOut = signal(false);
  const denied = signal(false);
  const newRelease = signal(false);
  /** @type {Map<string, import("../vendor/signals-core.js").Signal<Thread>>} */
  const threads = new Map();
  /** @type {Set<(message: Message) => void>} */
  const seen = new Set();
  /** @type {Set<string>} conversations that a page read earlier must not bring back */
  const gone = new Set();

  /** Where a thread goes on from a message. Times are whole seconds, so the page before begins in the message's own.
   * @param {Message} message */
  const pagesFrom = (message) => {
    const path = `/messages/${message.conversation_id}?limit=${PAGE}`;
    const behind = new Date(Math.floor(Date.parse(message.timestamp) / 1000 + 1) * 1000).toISOString();
    return { older: `${path}&before=${encodeURIComponent(behind)}`, newer: `${path}&after=${message.id}` };
  };

  /** The thread of a conversation; empty and not loaded until a page came. @param {string} id */
  function thread(id) {
    const had = threads.get(id);
    if (had) return had;
    const made = signal(EMPTY_THREAD);
    threads.set(id, made);
    return made;
  }

  /** Conversations that the list shows, in order; the open one stays until it is left. */
  const shown = computed(() => {
    const [wanted, open, { next, edge }] = [filter.value, openId.value, list.value];
    const order = listOrder(wanted.order);
    const rows = [];
    for (const row of conversations.value.values()) {
      if (row.account_id !== accountId.value) continue;
      if (row.id !== open && !matches(row, wanted)) continue;
      // What is below the last page that was read belongs to pages still to come: shown now, it would hide a gap.
      if (next !== null && edge && row.id !== open && order(row, edge) > 0) continue;
      rows.push(row);
    }
    return rows.sort(order);
  });

  /** A page of the list. `again`: the first one, which replaces where the list ended.
   * @param {Conversation[]} rows @param {string|null} next @param {boolean} [again] */
  function applyPage(rows, next, again = false) {
    batch(() => {
      conversations.value = mergeConversations(
        conversations.value,
        rows.filter((row) => !gone.has(row.id)),
      );
      const edge = lastOf(rows) ?? (again ? null : list.value.edge);
      list.value = { next, edge, loading: false, trouble: false };
    });
  }

  /** @param {string} id @param {Message[]} rows @param {"open"|"fresh"|"older"|"newer"} where
   * @param {{older: string|null, newer: string|null}} beyond */
  function applyThreadPage(id, rows, where, beyond) {
    const at = thread(id);
    const merged = mergePage(at.value, rows, where, beyond, pagesFrom);
    at.value = where === "older" || where === "newer" ? trimThread(merged, where, pagesFrom) : merged;
    rows.forEach(tell);
  }

  /** @param {Message[]} rows of one or more conversations */
  function applyMessages(rows) {
    for (const [id, ofOne] of groupBy(rows, (row) => row.conversation_id)) {
      const at = thread(id);
      at.value = mergeChanges(at.value, ofOne);
    }
    rows.forEach(tell);
  }

  /** @param {Note[]} rows */
  function applyNotes(rows) {
    for (const [id, ofOne] of groupBy(rows, (row) => row.conversation_id)) {
      const at = thread(id);
      const notes = mergeNotes(at.value.notes, ofOne);
      if (notes !== at.value.notes) at.value = { ...at.value, notes };
    }
  }

  /** What GET /changes answered, all of it at once. @param {any} body */
  function applyChanges(body) {
    batch(() => {
      for (const id of body.gone ?? []) gone.add(id);
      conversations.value = mergeConversations(conversations.value, body.conversations ?? [], body.gone ?? []);
      applyMessages(body.messages ?? []);
      applyNotes(body.notes ?? []);
      counts.value = { ...counts.value, ...body.counts };
      if (body.present) present.value = body.present;
      if (body.release && boot.release && body.release !== boot.release) newRelease.value = true;
    });
  }

  const posted = signal(/** @type {Message|null} */ (null)); // the newest of mine that was not among the texts under way

  /** A message that our own call brought back. @param {Message} message */
  function applySent(message) {
    const at = thread(message.conversation_id);
    const had = at.value.messages.find((row) => row.id === message.id);
    if (had) {
      const row = mergeMessage(had, message);
      if (row !== had)
        at.value = { ...at.value, messages: at.value.messages.map((each) => (each === had ? row : each)) };
      tell(message);
    } else applyMessages([message]);
  }

  /** A file or a template left: its writer is shown that it did. @param {Message} message */
  function applyPosted(message) {
    applySent(message);
    posted.value = message;
  }

  /** A conversation as one of our own calls left it. @param {Conversation} row */
  function applyConversation(row) {
    conversations.value = mergeConversations(conversations.value, [row]);
  }

  /**
   * Fields of a conversation that a call answered without the whole row.
   * @param {string} id @param {Partial<Conversation>} fields
   */
  function patchConversation(id, fields) {
    const had = conversations.value.get(id);
    if (had) conversations.value = new Map(conversations.value).set(id, { ...had, ...fields });
  }

  /** Keep `most` threads besides the open one: those opened last. @param {number} most */
  function forgetThreads(most) {
    const others = [...threads.keys()].filter((id) => id !== openId.value);
    for (const id of others.slice(0, Math.max(0, others.length - most))) threads.delete(id);
  }

  /** Open a conversation; null: none. @param {string|null} id */
  function open(id) {
    if (id !== null) {
      const at = thread(id);
      threads.delete(id);
      threads.set(id, at); // the newest is last
    }
    openId.value = id;
    forgetThreads(10);
  }

  /** I may not see this number any more: nothing of its customers stays. */
  function forget() {
    batch(() => {
      denied.value = true;
      conversations.value = new Map();
      for (const at of threads.values()) at.value = EMPTY_THREAD;
      counts.value = {};
      present.value = [];
      notices.value = [];
    });
  }

  /** @param {Message} message */
  function tell(message) {
    for (const listener of seen) listener(message);
  }

  if (boot.thread) {
    applyThreadPage(boot.thread.conversation_id, boot.thread.rows, "open", {
      older: boot.thread.older ?? null,
      newer: boot.thread.newer ?? null,
    });
    if (boot.thread.notes) applyNotes(boot.thread.notes);
  }

  return {
    me,
    accounts,
    accountId,
    conversations,
    openId,
    filter,
    list,
    shown,
    counts,
    present,
    notices,
    connection,
    signedOut,
    denied,
    newRelease,
    thread,
    threads,
    pagesFrom,
    open,
    applyPage,
    applyThreadPage,
    applyMessages,
    applyNotes,
    applyChanges,
    applySent,
    applyPosted,
    posted,
    applyConversation,
    patchConversation,
    forget,
    /**
     * Be told of every message that comes, from wherever.
     * @param {(message: Message) => void} listener @returns {() => void}
     */
    onMessage(listener) {
      seen.add(listener);
      return () => seen.delete(listener);
    },
    /**
     * Whether I may do something for this number (or the one that is open).
     * @param {string} permission @param {string|null} [account]
     */
    may(permission, account = accountId.value) {
      const { accounts: named, global } = me.value.permissions;
      return ((account !== null && named[account]) || global).includes(permission);
    },
  };
}

/** @typedef {ReturnType<typeof createStore>} Store */

/** The query of a list, without what is no filter. @param {Record<string, any>|undefined} query @returns {Filter} */
function filterOf({ account_id, limit, cursor, ...filter } = {}) {
  return filter;
}

/** @template T @param {T[]|undefined} rows @returns {T|null} */
function lastOf(rows) {
  return rows?.at(-1) ?? null;
}

/** @template T @param {T[]} rows @param {(row: T) => string} key @returns {Map<string, T[]>} */
function groupBy(rows, key) {
  /** @type {Map<string, T[]>} */
  const groups = new Map();
  for (const row of rows) groups.set(key(row), [...(groups.get(key(row)) ?? []), row]);
  return groups;
}
