/**
 * What a reader does with a conversation. It shows at once; when our server does not take it, it is taken back and said.
 */

import { problemText, t } from "../core/words.js";
import { toast } from "../ui/index.js";
import { nameOf } from "./row.js";
import { calledOf } from "./team.js";

/** @typedef {import("../core/types.js").Conversation} Conversation */
/** @typedef {ReturnType<typeof createActions>} Actions */

/**
 * Why something was not done, in words.
 * @param {any} error `Refused` or `Unreachable`
 */
export function whyNot(error) {
  return error?.code ? problemText(error) : t("action.unreachable");
}

/** @param {Pick<import("../core/start.js").Page, "api" | "reading" | "store"> & { team: import("./team.js").Team }} parts */
export function createActions({ api, reading, store, team }) {
  /**
   * @param {Conversation} row
   * @param {Partial<Conversation>} change
   * @param {() => Promise<{body: any}>} call
   */
  async function change(row, change, call) {
    const before = store.conversations.peek().get(row.id) ?? row;
    store.patchConversation(row.id, change);
    try {
      const { body } = await call();
      if (body?.conversation) store.applyConversation(body.conversation);
      return true;
    } catch (error) {
      const had = Object.keys(change).map((name) => [name, before[/** @type {keyof Conversation} */ (name)]]);
      store.patchConversation(row.id, Object.fromEntries(had));
      toast(whyNot(error));
      return false;
    }
  }

  /** Who looks after it now, in words. @param {Conversation} row @param {string | null} userId */
  function assigned(row, userId) {
    const name = nameOf(row);
    if (userId === null) return t("action.put_down", { name });
    if (userId === store.me.peek().id) return t("action.taken", { name });
    return t("action.assigned", { name, who: calledOf(team.people.find(row.account_id, userId)) || t("assign.somebody") });
  }

  /** @param {Conversation} row @param {number} [count] */
  async function newAgain(row, count) {
    try {
      await reading.unread(row.id, count);
      return true;
    } catch (error) {
      toast(whyNot(error));
      return false;
    }
  }

  /** @param {Conversation} row @param {string} path @param {any} [body] */
  const post = (row, path, body) => () => api.post(`/conversations/${row.id}/${path}`, body);

  return {
    /**
     * Open, pending or done; what is done can be taken back.
     * @param {Conversation} row @param {"open" | "pending" | "done"} status
     * @param {() => void} [onUndone] it is taken back
     */
    async setStatus(row, status, onUndone) {
      const { status: before, my_unread: unread } = row;
      const fields = status === "done" ? { status, waiting_since: null, needs_human: false } : { status };
      if (!(await change(row, fields, post(row, "status", { status }))) || status === "open") return;
      const undo = async () => {
        onUndone?.();
        const taken = await change(row, { status: before }, post(row, "status", { status: before }));
        if (taken && status === "done" && unread > 0) await newAgain(row, unread);
      };
      toast(t(`action.${status}`, { name: nameOf(row) }), { undo });
    },
    /** @param {Conversation} row @param {boolean} enabled */
    setBot: (row, enabled) =>
      change(row, { bot_silent_reason: enabled ? null : "off" }, post(row, "bot", { enabled })),
    /** @param {Conversation} row @param {boolean} blocked */
    setBlocked: (row, blocked) =>
      change(row, { blocked_at: blocked ? new Date().toISOString() : null }, post(row, "block", { blocked })),
    /**
     * Put our reaction on a message; an empty one takes it back.
     * @param {import("../core/types.js").Message} message @param {string} emoji
     */
    async react(message, emoji) {
      try {
        const { body } = await api.post(`/messages/${message.id}/reaction`, { emoji });
        store.applySent(body.message);
      } catch (error) {
        toast(whyNot(error));
      }
    },
    /**
     * Who looks after it; null: nobody.
     * @param {Conversation} row @param {string | null} userId
     */
    async assign(row, userId) {
      const before = row.assigned_to;
      if (before === userId) return;
      if (!(await change(row, { assigned_to: userId }, post(row, "assign", { user_id: userId })))) return;
      const undo = () => change(row, { assigned_to: before }, post(row, "assign", { user_id: before }));
      toast(assigned(row, userId), { undo });
    },
    /** @param {Conversation} row @param {string[]} ids */
    setLabels: (row, ids) =>
      change(row, { label_ids: ids }, () => api.put(`/conversations/${row.id}/labels`, { label_ids: ids })),
    /** New to me again. @param {Conversation} row */
    async unread(row) {
      if (await newAgain(row)) toast(t("action.unread"));
    },
    /** @param {Conversation} row */
    favorite: (row) =>
      change(row, { is_favorite: !row.is_favorite }, post(row, "favorite", { favorite: !row.is_favorite })),
  };
}
