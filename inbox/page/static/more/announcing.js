/** For those who do not see the page: what came into the open thread, who needs a person, what was not sent. */

import { plural, t } from "../core/words.js";
import { announce, announceMany } from "../ui/index.js";
import { nameOf } from "../inbox/row.js";
import { spoken } from "../inbox/said.js";

const LONGEST = 200; // characters of a message that are read out
const MANY = 3;

/** @param {import("../inbox/context.js").App} app */
export function beginToAnnounce({ boot, store }) {
  announceMany((texts) => (texts.length < MANY ? texts.join(" ") : plural("live.many", texts.length)));
  const begun = Date.parse(boot.now);
  /** @type {Map<string, string>} */
  const statuses = new Map();
  const heard = (/** @type {import("../core/types.js").Message} */ message) => {
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
  };
  store.onMessage(heard);
  const open = store.openId.peek();
  if (open) store.thread(open).peek().messages.forEach(heard); // some may have come before this part
  let before = store.conversations.peek();
  store.conversations.subscribe((rows) => {
    for (const [id, row] of rows) {
      const had = before.get(id);
      if (had && had !== row && row.needs_human && !had.needs_human) announce(t("live.person", { name: nameOf(row) }));
    }
    before = rows;
  });
}
