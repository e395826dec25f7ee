/** For those who do not see the page: what came into the open thread, who needs a person, what was not sent. */

import { plural, t } from "../core/words.js";
import { announce, announceMany, useEffect } from "../ui/index.js";
import { useApp } from "./context.js";
import { nameOf } from "./row.js";
import { spoken } from "./said.js";

const LONGEST = 200; // characters of a message that are read out
const MANY = 3;

export function useAnnouncements() {
  const { store, times } = useApp();
  useEffect(() => {
    announceMany((texts) => (texts.length < MANY ? texts.join(" ") : plural("live.many", texts.length)));
    const begun = times.now();
    /** @type {Map<string, string>} */
    const statuses = new Map();
    const heard = store.onMessage((message) => {
      const before = statuses.get(message.id);
      statuses.set(message.id, message.status);
      const row = store.conversations.peek().get(message.conversation_id);
      if (!row || message.conversation_id !== store.openId.peek()) return;
      if (message.status === "failed" && before !== undefined && before !== "failed") {
        announce(t("live.failed", { name: nameOf(row) }), { now: true });
      }
      if (before === undefined && message.direction === "inbound" && Date.parse(message.stored_at) > begun) {
        announce(t("live.message", { name: nameOf(row), text: spoken(message.content_text).slice(0, LONGEST) }));
      }
    });
    let before = store.conversations.peek();
    const changed = store.conversations.subscribe((rows) => {
      for (const [id, row] of rows) {
        const had = before.get(id);
        if (had && had !== row && row.needs_human && !had.needs_human) announce(t("live.person", { name: nameOf(row) }));
      }
      before = rows;
    });
    return () => {
      heard();
      changed();
    };
  }, []);
}
