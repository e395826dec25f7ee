/** What the settings are made of, and who may open each: for their own page, and for the palette of the inbox. */

/** @typedef {{ kind: string, permissions: { global: string[], accounts: Record<string, string[]> } }} Reader */
/** @typedef {{ id: string, icon: string, may: (me: Reader) => boolean }} Section */

/** Whether a reader may do something to the whole installation. @param {string} permission */
const everywhere = (permission) => (/** @type {Reader} */ me) => me.permissions.global.includes(permission);

/** Whether there is a number for which a reader may do it. @param {string} permission */
const somewhere = (permission) => (/** @type {Reader} */ me) =>
  everywhere(permission)(me) || Object.values(me.permissions.accounts).some((each) => each.includes(permission));

/** @type {Section[]} */
export const SECTIONS = [
  { id: "me", icon: "user", may: (me) => me.kind === "user" },
  { id: "numbers", icon: "phone", may: somewhere("accounts.view") },
  { id: "canned", icon: "message-square-text", may: somewhere("conversations.view") },
  { id: "labels", icon: "tag", may: somewhere("conversations.view") },
  { id: "fields", icon: "contact", may: somewhere("contacts.view") },
  { id: "people", icon: "users", may: everywhere("users.manage") },
  { id: "roles", icon: "shield-check", may: everywhere("roles.manage") },
  { id: "keys", icon: "key-round", may: everywhere("roles.manage") },
  { id: "webhooks", icon: "webhook", may: somewhere("accounts.manage") },
  { id: "reports", icon: "hourglass", may: somewhere("accounts.manage") },
  { id: "audit", icon: "history", may: everywhere("roles.manage") },
];
