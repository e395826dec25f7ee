import { batch } from "../vendor/signals-core.js";
import { Refused } from "./api.js";

/** @typedef {import("./api.js").Api} Api */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./types.js").Filter} Filter */

const PAGE = 50; // conversations
const MOST = 500; // messages of a page

/**
 * Reads pages of the list and of threads into the store. A page that fails leaves its trouble in place, to be tried
 * again.
 * @param {{api: Api, store: Store}} parts */
export function createLoading({ api, store }) {
  let turn = 0; // only the newest list counts
  /** @type {Map<string, Promise<void>>} */
  const underWay = new Map();

  /** Do one thing at a time for each name. @param {string} name @param {() => Promise<void>} work */
  function once(name, work) {
    const running = underWay.get(name) ?? work().finally(() => underWay.delete(name));
    underWay.set(name, running);
    return running;
  }

  /** Show another list, or the same from its first page. @param {Filter} [filter] */
  async function list(filter = store.filter.value) {
    const mine = ++turn;
    batch(() => {
      if (filter !== store.filter.value) store.list.value = { next: null, edge: null, loading: true, trouble: false };
      store.filter.value = filter;
    });
    await readList(mine, "/conversations", { account_id: store.accountId.value, limit: PAGE, ...filter }, true);
  }

  /** The next page of the list. */
  async function more() {
    const { next, loading } = store.list.value;
    if (next === null) return store.list.value.trouble ? list() : undefined;
    if (!loading) await readList(turn, next, {}, false);
  }

  /** @param {number} mine @param {string} path @param {Record<string, any>} query @param {boolean} again */
  async function readList(mine, path, query, again) {
    store.list.value = { ...store.list.value, loading: true, trouble: false };
    try {
      const { body, link } = await api.get(path, query);
      if (mine === turn) store.applyPage(body, link.next, again);
    } catch {
      if (mine === turn) store.list.value = { ...store.list.value, loading: false, trouble: true };
    }
  }

  /** @param {string} id @param {string} path @param {"open"|"fresh"|"older"|"newer"} where */
  async function page(id, path, where) {
    const at = store.thread(id);
    try {
      const { body, link } = await api.get(path);
      store.applyThreadPage(id, body, where, { older: link.next, newer: link.prev });
    } catch (error) {
      const gone = error instanceof Refused && !error.passing;
      at.value = { ...at.value, trouble: gone ? "gone" : where === "open" || where === "fresh" ? "first" : where };
    }
  }

  /** @param {string} id @param {string} [query] */
  const first = (id, query = "limit=100") => `/messages/${id}?${query}`;

  return {
    list,
    more,
    /** Read one conversation that the list does not hold. @param {string} id */
    async conversation(id) {
      if (store.conversations.value.has(id)) return;
      const { body } = await api.get(`/conversations/${id}`);
      store.applyConversation(body);
    },
    /** Make a thread ready: its newest page, or the page around a message. A kept one is shown at once and read again.
     * @param {string} id @param {string|null} [around] a message's id */
    thread(id, around = null) {
      const had = store.thread(id).value;
      if (around !== null) {
        const there = had.messages.some((row) => row.id === around);
        return there
          ? Promise.resolve()
          : once(`around ${id}`, () => page(id, first(id, `around=${around}&limit=100`), "open"));
      }
      // As many as are shown, so that each of them is up to date; what is missed beyond makes a gap that is read later.
      const shown = `limit=${Math.min(300, Math.max(100, had.messages.length))}`;
      return once(`first ${id}`, () => page(id, first(id, shown), had.loaded ? "fresh" : "open"));
    },
    /** Jump to the newest message. @param {string} id */
    end(id) {
      if (store.thread(id).value.atEnd && store.thread(id).value.loaded) return Promise.resolve();
      return once(`first ${id}`, () => page(id, first(id), "open"));
    },
    /**
     * The first of the newest `count` customer's messages, however far back; null: there is none.
     * @param {string} id @param {number} count @returns {Promise<string|null>}
     */
    async firstNew(id, count) {
      let found = null;
      let left = count;
      let path = /** @type {string|null} */ (first(id, `limit=${MOST}`));
      while (path && left > 0) {
        const { body, link } = await api.get(path);
        const theirs = body.filter((/** @type {any} */ { direction }) => direction === "inbound").slice(-left); // oldest first
        found = theirs[0]?.id ?? found;
        left -= theirs.length;
        path = link.next;
      }
      return found;
    },
    /** @param {string} id */
    older(id) {
      const { older } = store.thread(id).value;
      return older === null ? Promise.resolve() : once(`older ${id}`, () => page(id, older, "older"));
    },
    /** @param {string} id */
    newer(id) {
      const { newer } = store.thread(id).value;
      return newer === null ? Promise.resolve() : once(`newer ${id}`, () => page(id, newer, "newer"));
    },
    /** @param {string} id */
    async notes(id) {
      try {
        const { body } = await api.get(`/conversations/${id}/notes`);
        store.applyNotes(body);
      } catch {
        // The thread is readable without; the next time it is opened asks again.
      }
    },
  };
}

/** @typedef {ReturnType<typeof createLoading>} Loading */
