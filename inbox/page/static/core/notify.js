/** @typedef {import("./types.js").Conversation} Conversation */
/** @typedef {"nothing"|"mine"|"needs_human"|"all"} Choice as the preference `notify` */

import { byTime } from "./merge.js";
import { oneLine } from "./text.js";

/**
 * What to tell of a conversation that changed: a person is needed, or a customer wrote; null: nothing.
 * @param {Conversation|undefined} before @param {Conversation} after @param {{me: string, choice: Choice}} who
 * @returns {"person"|"message"|null}
 */
export function worthTelling(before, after, { me, choice }) {
  if (choice === "nothing") return null;
  const mine = after.assigned_to === me;
  if (after.needs_human && !before?.needs_human && (mine || choice !== "mine" || after.assigned_to === null))
    return "person";
  const wrote =
    after.last_inbound_at !== null &&
    (!before?.last_inbound_at || byTime(after.last_inbound_at, before.last_inbound_at) > 0);
  if (!wrote || !(after.my_unread > 0)) return null;
  return mine || choice === "all" || (choice === "needs_human" && after.needs_human) ? "message" : null;
}

/**
 * Tells what happens while nobody looks: one notification for each conversation, by the leading tab alone.
 * @param {object} parts
 * @param {{conversations: import("./types.js").Signal<Map<string, Conversation>>}} parts.store
 * @param {import("./types.js").Bus} parts.leader
 * @param {Pick<import("./tab.js").Tab, "visible"|"focused">} parts.tab
 * @param {() => {me: string, choice: Choice, text: boolean}} parts.wishes
 * @param {(kind: "person"|"message", row: Conversation, withText: boolean) => {title: string, body: string}} parts.words
 * @param {(title: string, options: NotificationOptions & {data: {conversationId: string}}) => void} [parts.show]
 * @param {(kind: "person"|"message") => void} [parts.sound]
 */
export function createNotifier({ store, leader, tab, wishes, words, show = showNotification, sound }) {
  let had = store.conversations.value;
  let elsewhere = false; // another of my tabs is being looked at

  leader.on("looks", (looks) => (elsewhere = looks));

  const stop = store.conversations.subscribe((rows) => {
    const before = had;
    had = rows;
    if (rows === before || !leader.leads || (tab.visible.value && tab.focused.value) || elsewhere) return;
    const { me, choice, text } = wishes();
    for (const row of rows.values()) {
      const old = before.get(row.id);
      if (old === row) continue;
      const kind = old === undefined && before.size === 0 ? null : worthTelling(old, row, { me, choice });
      if (kind === null) continue;
      const said = words(kind, row, text);
      show(said.title, { body: oneLine(said.body), tag: row.id, data: { conversationId: row.id } });
      sound?.(kind);
    }
  });

  return {
    stop,
    /** This tab is looked at, or no longer: others need not tell. @param {boolean} looks */
    looks: (looks) => leader.post("looks", looks),
  };
}

/**
 * By the service worker where there is one: phones allow no other.
 * @param {string} title @param {NotificationOptions} options
 */
async function showNotification(title, options) {
  if (globalThis.Notification?.permission !== "granted") return;
  const registration = await navigator.serviceWorker?.getRegistration();
  if (registration) await registration.showNotification(title, options);
  else new Notification(title, options);
}
