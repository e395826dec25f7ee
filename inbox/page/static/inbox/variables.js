/** What a canned reply may hold in braces, and what stands there for a conversation. */

import { shownNumber } from "./phone.js";

/** The names that the API takes: `inbox.team.canned` has the same. */
export const VARIABLES = ["account.name", "contact.first_name", "contact.name", "me.name", "number"];

const ANY = new RegExp(`\\{(${VARIABLES.map((name) => name.replace(".", "\\.")).join("|")})\\}`, "g");

/**
 * What is known for each variable; "" where nothing is.
 * @param {import("../core/types.js").Conversation} conversation
 * @param {import("../core/store.js").Store} store
 * @returns {Record<string, string>}
 */
export function valuesOf(conversation, store) {
  const account = store.accounts.value.find((one) => one.id === conversation.account_id);
  const name = conversation.is_group ? "" : (conversation.contacts.display_name ?? "").trim();
  return {
    "account.name": account?.name ?? "",
    "contact.first_name": name.split(/\s+/u)[0],
    "contact.name": name,
    "me.name": store.me.value.name ?? "",
    number: account?.phone_number ? shownNumber(account.phone_number) : "",
  };
}

/**
 * The text with what is known put in. What is not stays in its braces, where its writer sees it.
 * @param {string} text
 * @param {Record<string, string>} values
 */
export function fillIn(text, values) {
  return text.replace(ANY, (whole, name) => values[name] || whole);
}

/**
 * Where variables still stand in a text, in their order.
 * @param {string} text
 * @returns {{ name: string, from: number, to: number }[]}
 */
export function unfilled(text) {
  return [...text.matchAll(ANY)].map((found) => ({
    name: found[1],
    from: found.index,
    to: found.index + found[0].length,
  }));
}
