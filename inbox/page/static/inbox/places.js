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
 * @property {string} home the list of this number without a filter
 * @property {import("../vendor/signals-core.js").Signal<string>} q what is looked for
 * @property {(q: string) => void} seek
 */

/**
 * @param {object} reader
 * @param {string} reader.userId
 * @param {import("./listing.js").View["order"]} [reader.order] what they prefer, where the address says nothing
 * @param {string | null} [reader.account] whose list it is, where they may see more than one
 * @returns {Places}
 */
export function createPlaces({ userId, order = "newest", account = null }) {
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
    if (account && !id) query.set("account_id", account); // a conversation has a number of its own
    return `/inbox${id ? `/${id}` : ""}${query.size ? `?${query}` : ""}`;
  };
  /** @param {string} address */
  const go = (address) => {
    if (address !== location.pathname + location.search + location.hash) history.pushState(null, "", address);
    read();
  };
  read();
  if (/^(\?account_id=[^&]*)?$/.test(location.search)) view.value = { ...view.value, order };
  if (account && !conversation.value) history.replaceState(history.state, "", addressOf(null) + location.hash);
  addEventListener("popstate", read);
  return {
    conversation,
    message,
    view,
    addressOf,
    home: account ? `/inbox?account_id=${account}` : "/inbox",
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
