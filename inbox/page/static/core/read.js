import { effect } from "../vendor/signals-core.js";

/** @typedef {import("./api.js").Api} Api */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./types.js").Clock} Clock */

const LOOKED = 1000; // ms that a message has to be on screen
const TRY_AGAIN = 10_000;

/**
 * Marks as read what I have seen: the newest message on screen for a second, in a tab that is visible and has the focus.
 * @param {object} parts
 * @param {Api} parts.api
 * @param {Store} parts.store
 * @param {Clock} parts.clock
 * @param {Pick<import("./tab.js").Tab, "visible"|"focused">} parts.tab
 * @param {import("./types.js").Bus} [parts.leader]
 */
export function createReading({ api, store, clock, tab, leader }) {
  /** @type {{conversationId: string, through: string}|null} what is on screen */
  let seen = null;
  /** @type {Set<string>} conversations that I marked unread, until I leave them */
  const left = new Set();
  /** @type {number|null} */
  let timer = null;
  const looks = () => tab.visible.value && tab.focused.value;

  function plan(ms = LOOKED) {
    if (timer !== null) clock.cancel(timer);
    timer = seen !== null && looks() ? clock.after(mark, ms) : null;
  }

  async function mark() {
    timer = null;
    if (seen === null || !looks()) return;
    const { conversationId, through } = seen;
    if (left.has(conversationId) || !((store.conversations.peek().get(conversationId)?.my_unread ?? 0) > 0)) return;
    try {
      const { body } = await api.post(`/conversations/${conversationId}/read`, { through });
      apply(conversationId, body);
    } catch {
      plan(TRY_AGAIN);
    }
  }

  /** @param {string} conversationId @param {{my_unread: number, unread_count?: number}} body */
  function apply(conversationId, { my_unread, unread_count }) {
    const fields = { my_unread, ...(unread_count === undefined ? {} : { unread_count }) };
    store.patchConversation(conversationId, fields);
    leader?.post("read", { conversationId, fields });
  }

  leader?.on("read", ({ conversationId, fields }) => store.patchConversation(conversationId, fields));
  effect(() => {
    if (looks()) plan();
  });

  return {
    /**
     * The newest message of a conversation is on screen; null: none is.
     * @param {{conversationId: string, through: string}|null} now
     */
    sees(now) {
      if (now?.conversationId === seen?.conversationId && now?.through === seen?.through) return;
      if (seen && seen.conversationId !== now?.conversationId) left.delete(seen.conversationId);
      seen = now;
      plan();
    },
    /** Mark as unread for me; it stays so while I do not leave it. @param {string} conversationId @param {number} [count] */
    async unread(conversationId, count = 1) {
      left.add(conversationId);
      const { body } = await api.post(`/conversations/${conversationId}/unread`, { count });
      apply(conversationId, body);
    },
  };
}

/** @typedef {ReturnType<typeof createReading>} Reading */
