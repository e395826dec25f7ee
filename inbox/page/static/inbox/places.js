/**
 * Where the reader is: the open conversation, the message to show in it, and the view of the list. The address of the
 * page holds all of it, so Back, a reload and a second tab lead to the same place.
 */

import { signal } from "../vendor/signals-core.js";
import { searchOf, viewOf } from "./listing.js";

const INBOX = /^\/inbox(?:\/([0-9a-f-]{36}))?$/;

/**
 * @typedef {object} Places
 * @property {import("../vendor/signals-core.js").Signal<string | null>} conversation
 * @property {import("../vendor/signals-core.js").Signal<string | null>} message
 * @property {import("../vendor/signals-core.js").Signal<import("./listing.js").View>} view
 * @property {(conversationId: string | null, messageId?: string | null) => void} open
 * @property {(change: Partial<import("./listing.js").View>) => void} show
 * @property {(conversationId: string) => string} addressOf
 * @property {import("../vendor/signals-core.js").Signal<string>} q what is looked for
 * @property {(q: string) => void} seek
 */

/**
 * @param {string} userId
 * @param {import("./listing.js").View["order"]} [order] what the reader prefers, where the address says nothing
 * @returns {Places}
 */
export function createPlaces(userId, order = "newest") {
  const conversation = signal(/** @type {string | null} */ (null));
  const message = signal(/** @type {string | null} */ (null));
  const view = signal(viewOf(new URLSearchParams()));
  const q = signal("");

  const read = () => {
    const found = INBOX.exec(location.pathname);
    const query = new URLSearchParams(location.search);
    view.value = viewOf(query);
    q.value = query.get("q") ?? "";
    message.value = /^#([0-9a-f-]{36})$/.exec(location.hash)?.[1] ?? null;
    conversation.value = found?.[1] ?? null;
  };
  /** @param {string | null} id */
  const addressOf = (id) => {
    const query = new URLSearchParams(searchOf(view.value, userId));
    if (q.value.trim()) query.set("q", q.value.trim());
    return `/inbox${id ? `/${id}` : ""}${query.size ? `?${query}` : ""}`;
  };
  /** @param {string} address */
  const go = (address) => {
    if (address !== location.pathname + location.search + location.hash) history.pushState(null, "", address);
    read();
  };
  read();
  if (location.search === "") view.value = { ...view.value, order };
  addEventListener("popstate", read);
  return {
    conversation,
    message,
    view,
    addressOf,
    q,
    seek: (text) => {
      q.value = text;
      history.replaceState(null, "", addressOf(conversation.value) + location.hash);
    },
    open: (id, messageId = null) => go(addressOf(id) + (messageId ? `#${messageId}` : "")),
    show: (change) => {
      view.value = { ...view.value, ...change };
      history.replaceState(null, "", addressOf(conversation.value));
    },
  };
}
