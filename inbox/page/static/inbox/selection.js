/** Several conversations of the list, and one thing done to all of them: one request, an outcome for each. */

import { plural, t } from "../core/words.js";
import { signal, toast } from "../ui/index.js";
import { whyNot } from "./actions.js";

const MOST = 200; // at once, as the API has it

/** @typedef {import("../core/types.js").Conversation} Conversation */
/** @typedef {ReturnType<typeof createSelection>} Selection */

/** @param {Pick<import("../core/start.js").Page, "api" | "reading" | "store">} parts */
export function createSelection({ api, reading, store }) {
  const ids = signal(/** @type {Set<string>} */ (new Set()));
  const active = signal(false);
  const busy = signal(false);
  /** @type {string | null} from where Shift extends */
  let anchor = null;

  /** @param {Iterable<string>} wanted */
  function choose(wanted) {
    const all = [...wanted];
    if (all.length > MOST) toast(t("bulk.most", { n: MOST }));
    ids.value = new Set(all.slice(0, MOST));
    active.value = ids.value.size > 0;
  }

  function clear() {
    anchor = null;
    ids.value = new Set();
    active.value = false;
  }

  /**
   * @param {Record<string, any>} action
   * @param {string[]} which
   * @returns {Promise<{ conversation_id: string, ok: boolean, code: string | null, title: string | null }[]>}
   */
  async function call(action, which) {
    const { body } = await api.post("/conversations/bulk", { conversation_ids: which, do: action });
    for (const { conversation } of body.outcomes) if (conversation) store.applyConversation(conversation);
    return body.outcomes;
  }

  /**
   * @param {Record<string, any>} action
   * @param {((row: Conversation) => Record<string, any>) | null} back what takes it back for a row as it was
   */
  async function run(action, back) {
    if (busy.peek()) return;
    const before = [...ids.peek()].flatMap((id) => store.conversations.peek().get(id) ?? []);
    busy.value = true;
    try {
      const outcomes = await call(action, before.map((row) => row.id));
      const done = new Set(outcomes.filter((each) => each.ok).map((each) => each.conversation_id));
      const refused = outcomes.filter((each) => !each.ok);
      clear();
      const said = plural("bulk.done", done.size);
      const why = refused.length > 0 && t("bulk.refused", { n: refused.length, why: whyNot(refused[0]) });
      const undo = back && done.size > 0 ? () => takeBack(before.filter((row) => done.has(row.id)), back) : undefined;
      toast([done.size > 0 && said, why].filter(Boolean).join(" "), { undo });
    } catch (error) {
      toast(whyNot(error));
    } finally {
      busy.value = false;
    }
  }

  /** @param {Conversation[]} rows as they were @param {(row: Conversation) => Record<string, any>} back */
  async function takeBack(rows, back) {
    const actions = new Set(rows.map((row) => JSON.stringify(back(row))));
    try {
      for (const action of actions) {
        const those = rows.filter((row) => JSON.stringify(back(row)) === action);
        await call(JSON.parse(action), those.map((row) => row.id));
      }
      for (const row of rows) {
        const left = store.conversations.peek().get(row.id)?.my_unread ?? 0;
        if (row.my_unread > left) await reading.unread(row.id, row.my_unread);
      }
    } catch (error) {
      toast(whyNot(error));
    }
  }

  return {
    ids,
    active,
    busy,
    clear,
    /** Boxes are shown, none is ticked yet. */
    begin: () => (active.value = true),
    /** @param {string} id */
    toggle(id) {
      const now = new Set(ids.peek());
      if (!now.delete(id)) now.add(id);
      anchor = id;
      choose(now);
    },
    /** From the one that was chosen last up to this one. @param {string} id @param {string[]} shown the list's order */
    extend(id, shown) {
      const from = anchor === null ? -1 : shown.indexOf(anchor);
      const to = shown.indexOf(id);
      const stretch = from < 0 ? [id] : shown.slice(Math.min(from, to), Math.max(from, to) + 1);
      anchor ??= id;
      choose(new Set([...ids.peek(), ...stretch]));
    },
    done: () => run({ action: "status", status: "done" }, (row) => ({ action: "status", status: row.status })),
    /** @param {string | null} userId */
    assign: (userId) => run({ action: "assign", user_id: userId }, (row) => ({ action: "assign", user_id: row.assigned_to })),
    /** @param {string} id @param {boolean} on */
    label: (id, on) => run({ action: "label", [on ? "add" : "remove"]: [id] }, null),
    read: () => run({ action: "read" }, null),
  };
}
